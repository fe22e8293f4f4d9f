"""Connections to the broker that come back by themselves."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection, AbstractRobustConnection
from pydantic import AmqpDsn

from schemas.client.trouble import CONNECTION_TROUBLE, HEARTBEAT_S, as_trouble
from worker.bus.amqp.incoming import take_directly
from worker.bus.amqp.tolerant_decoding import read_everything
from worker.bus.amqp.unopened import forget_unopened

CONNECT_TIMEOUT_S = 10
CLOSE_S = 1
"""How long a broker may take to say goodbye; one that is frozen never does."""

FRAMES = 1000
"""How many frames may wait for the writer of a connection before whoever publishes has to wait for room.

The library's ten are fewer than what is under way at once, and each that waits costs a turn of the loop. Nothing else
is held back by it: the writer hands what it takes to the transport, whose buffer has no end.
"""

aiormq.connection.Connection.FRAME_BUFFER_SIZE = FRAMES


def prepare_client_library() -> None:
    """Mend the client library in this process, whoever opens a connection of it; done once, however often it is asked.

    pamqp ends a connection over one message that it can't decode (`tolerant_decoding`), and aio-pika makes an object of
    its own of each message, which costs more than all that we do with it (`incoming`). It also says goodbye to brokers
    that never let it in (`unopened`). None of these has a seam.
    """
    read_everything()
    take_directly()
    forget_unopened()


async def connect(url: AmqpDsn | str, name: str) -> AbstractRobustConnection:
    """A connection under a name that the broker's operator will recognise.

    The reconnect interval is drawn once per connection, so that after a broker restart not all come back at once. A
    heartbeat that the URL asks for (`?heartbeat=10`, seconds) is kept.
    """
    prepare_client_library()
    asked = dict(parse_qsl(urlsplit(str(url)).query))
    return await aio_pika.connect_robust(
        str(url),
        client_properties={"connection_name": name},
        heartbeat=int(asked.get("heartbeat", HEARTBEAT_S)),
        timeout=CONNECT_TIMEOUT_S,
        reconnect_interval=random.uniform(0.3, 1.2),  # noqa: S311 - spreads load, guards nothing
    )


async def connect_beside(connection: AbstractRobustConnection, name: str) -> AbstractConnection:
    """Another connection to the same broker, as the same user, that does not come back."""
    url, properties = cast(aio_pika.Connection, connection).url, cast(Any, {"connection_name": name})
    return await aio_pika.connect(url, client_properties=properties, timeout=CONNECT_TIMEOUT_S)


@asynccontextmanager
async def connected(url: AmqpDsn | str, name: str) -> AsyncIterator[AbstractRobustConnection]:
    """The same for as long as the context lasts. Its end waits for nobody."""
    connection = await connect(url, name)
    try:
        yield connection
    finally:
        await closed_soon(connection.close)


async def closed_soon(close: Callable[[], Awaitable[object]]) -> None:
    """Close a channel or a connection in order if the broker answers; the end of our process closes it in any case."""
    with suppress(*CONNECTION_TROUBLE), as_trouble():
        async with asyncio.timeout(CLOSE_S):
            await close()


async def plain_channel(connection: AbstractRobustConnection) -> aiormq.abc.AbstractChannel:
    """A channel that remembers nothing: its passive declares ask the broker instead of a cache."""
    if connection.transport is None or not connection.connected.is_set():
        raise ConnectionError("the broker is away")
    with as_trouble():
        return await connection.transport.connection.channel()


def version_of(connection: aiormq.abc.AbstractConnection) -> str:
    """The server's version, as it has told it."""
    version = connection.server_properties["version"]
    return version.decode() if isinstance(version, bytes) else str(version)
