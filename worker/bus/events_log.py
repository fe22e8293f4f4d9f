"""Reading the end of the stream of all events, at the price of a few round trips."""

import asyncio
import json
from collections.abc import Awaitable
from datetime import datetime
from time import monotonic
from typing import Any

import aiormq
from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import AbstractConnection, DeliveredMessage
from pamqp.common import FieldTable

from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from schemas.operations import EVENTS_LOG
from worker.bus.amqp.connection import prepare_client_library
from worker.execution.aftermath.epochs import LogUnavailable, Tail

TAIL = 200
"""How many events are read. What a ledger has lost it has lost together, at the end."""

MOST = 5_000
READ_S = 10.0

END_S = 1.0
"""How long the end of the stream is not looked up again. An earlier one is as good: what follows it is read twice."""

QUIET_S = 0.02
EMPTY_S = 0.4
"""Nothing tells the end of a stream but that nothing more comes; the broker sends what it has at once."""

Mark = tuple[int, str | None, datetime | None]
"""An event by its place in the stream, its id, and the second in which it was published."""


class EventStream:
    """The stream, and the newest event that was seen in it.

    It is read over a connection of its own each time: a stream that is being made ends the connection of its readers.
    `connection` is the worker's, which tells when the broker was away.
    """

    def __init__(self, connection: AbstractRobustConnection, url: str) -> None:
        self._connection = connection
        self._url = url
        self._read_over: object = None
        self._newest: Mark | None = None
        self._end: tuple[float, int] | None = None

    @property
    def came_back(self) -> bool:
        """Whether the broker was away since the last reading, and is there."""
        return self._connection.connected.is_set() and self._connection.transport is not self._read_over

    async def tail(self) -> Tail:
        """The newest events. Raises LogUnavailable."""
        transport = self._connection.transport
        try:
            async with asyncio.timeout(READ_S):
                with as_trouble():
                    is_another, messages = await self._look()
        except CONNECTION_TROUBLE as error:
            raise LogUnavailable(str(error) or type(error).__name__) from error
        self._read_over, self._newest = transport, _mark(messages[-1]) if messages else None
        return Tail([event for message in messages if isinstance(event := _event(message), dict)], is_another)

    async def end(self) -> int:
        """Where the next event will stand; known anew each second at most. Raises LogUnavailable."""
        if self._end is not None and monotonic() - self._end[0] < END_S:
            return self._end[1]
        asked = monotonic()
        try:
            async with asyncio.timeout(READ_S):
                with as_trouble():
                    async with await self._connected() as connection:
                        last = await _read(connection, "last", MOST)
        except CONNECTION_TROUBLE as error:
            raise LogUnavailable(str(error) or type(error).__name__) from error
        end = _offset(last[-1]) + 1 if last else 0
        self._end = asked, end
        return end

    def _connected(self) -> Awaitable[AbstractConnection]:
        prepare_client_library()
        name: FieldTable = {"connection_name": "perps-dma worker (events log)"}
        return aiormq.connect(self._url, client_properties=name)

    async def _look(self) -> tuple[bool, list[DeliveredMessage]]:
        async with await self._connected() as connection:
            is_another = self._newest is not None and not await _has(connection, self._newest)
            return is_another, await _tail(connection)


async def _has(connection: AbstractConnection, mark: Mark) -> bool:
    """Whether an event is still where it was, or may have been there: the oldest are thrown away in time."""
    found = await _read(connection, mark[0], 1)
    return bool(found) and (_offset(found[0]) > mark[0] or _mark(found[0]) == mark)


async def _tail(connection: AbstractConnection) -> list[DeliveredMessage]:
    last = await _read(connection, "last", MOST)  # the last chunk, which is any number of them
    return await _read(connection, max(0, _offset(last[0]) - TAIL), MOST) if last else []


async def _read(connection: AbstractConnection, offset: int | str, most: int) -> list[DeliveredMessage]:
    messages: list[DeliveredMessage] = []
    channel = await connection.channel()

    async def receive(message: DeliveredMessage) -> None:
        messages.append(message)
        if most > 1:
            await channel.basic_ack(message.delivery_tag or 0, wait=False)

    await channel.basic_qos(prefetch_count=min(most, TAIL))
    await channel.basic_consume(EVENTS_LOG, receive, arguments={"x-stream-offset": offset})
    waited, seen = 0.0, 0
    while len(messages) < most and (len(messages) > seen or (not messages and waited < EMPTY_S)):
        seen, waited = len(messages), waited + QUIET_S
        await asyncio.sleep(QUIET_S)
    await channel.close()
    return messages


def _offset(message: DeliveredMessage) -> int:
    return int(str((message.header.properties.headers or {})["x-stream-offset"]))


def _mark(message: DeliveredMessage) -> Mark:
    properties = message.header.properties
    return (_offset(message), properties.message_id, properties.timestamp)


def _event(message: DeliveredMessage) -> Any:
    try:
        return json.loads(message.body)
    except ValueError:
        return None
