"""Connections to the broker that come back by themselves."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection, AbstractRobustConnection
from pydantic import AmqpDsn

HEARTBEAT_S = 5
CONNECT_TIMEOUT_S = 10
CLOSE_S = 1
"""How long a broker may take to say goodbye; one that is frozen never does."""

FRAMES = 1000
"""How many frames may wait for the writer of a connection before whoever publishes has to wait for room.

The library's ten are fewer than what is under way at once, and each that waits costs a turn of the loop. Nothing else
is held back by it: the writer hands what it takes to the transport, whose buffer has no end.
"""

aiormq.connection.Connection.FRAME_BUFFER_SIZE = FRAMES

CONNECTION_TROUBLE: tuple[type[Exception], ...] = (
    aiormq.exceptions.AMQPError,
    aiormq.exceptions.ChannelInvalidStateError,
    ConnectionError,
    asyncio.TimeoutError,
    OSError,
    ssl.SSLError,
)
"""What the client library raises when the broker is away, closing, or too busy to answer; see `as_trouble`."""


class _AsTrouble:
    def __enter__(self) -> None:
        """Whatever is raised from here on is looked at."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind in {Exception, RuntimeError}:
            raise ConnectionError(str(error) or "the connection closed") from error
        # A stop of ours cancels the task itself.
        if kind is asyncio.CancelledError and not ((task := asyncio.current_task()) and task.cancelling()):
            raise ConnectionError("the connection froze") from error


_AS_TROUBLE = _AsTrouble()


def as_trouble() -> AbstractContextManager[None]:
    """Raises ConnectionError for what else the client library raises when a connection goes.

    That is a bare Exception for whoever waits for a confirm, a RuntimeError for whoever opens a channel, and, when the
    broker froze, a cancellation from inside.
    """
    return _AS_TROUBLE


async def connect(url: AmqpDsn | str, name: str) -> AbstractRobustConnection:
    """A connection under a name that the broker's operator will recognise.

    The reconnect interval is drawn once per connection, so that after a broker restart not all come back at once. A
    heartbeat that the URL asks for (`?heartbeat=10`, seconds) is kept.
    """
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
        await closed_soon(connection.close())


async def closed_soon(closing: Awaitable[None]) -> None:
    """Close a channel or a connection in order if the broker answers; the end of our process closes it in any case."""
    with suppress(*CONNECTION_TROUBLE), as_trouble():
        async with asyncio.timeout(CLOSE_S):
            await closing


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
