"""Connections to the broker that come back by themselves."""

import asyncio
import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aio_pika
import aiormq
from aio_pika.abc import AbstractRobustConnection
from pydantic import AmqpDsn

HEARTBEAT_S = 5
CONNECT_TIMEOUT_S = 10

CONNECTION_TROUBLE: tuple[type[Exception], ...] = (
    aiormq.exceptions.AMQPError,
    aiormq.exceptions.ChannelInvalidStateError,
    ConnectionError,
    asyncio.TimeoutError,
    OSError,
    ssl.SSLError,
)
"""What the client library raises when the broker is away, closing, or too busy to answer."""


async def connect(url: AmqpDsn | str, name: str) -> AbstractRobustConnection:
    """A connection under a name that the broker's operator will recognise.

    The reconnect interval is drawn once per connection, so that after a broker restart not all come back at once.
    """
    return await aio_pika.connect_robust(
        str(url),
        client_properties={"connection_name": name},
        heartbeat=HEARTBEAT_S,
        timeout=CONNECT_TIMEOUT_S,
        reconnect_interval=random.uniform(0.3, 1.2),  # noqa: S311 - spreads load, guards nothing
    )


async def plain_channel(connection: AbstractRobustConnection) -> aiormq.abc.AbstractChannel:
    """A channel that remembers nothing: its passive declares ask the broker instead of a cache."""
    if connection.transport is None or not connection.connected.is_set():
        raise ConnectionError("the broker is away")
    return await connection.transport.connection.channel()


@contextmanager
def frozen_is_trouble() -> Iterator[None]:
    """Raises ConnectionError where the client library cancels a wait from inside, as it does when a broker froze.

    A stop of ours, which cancels the task itself, passes through.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        raise ConnectionError("the connection froze") from error
