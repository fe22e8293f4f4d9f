"""Channels that are opened anew when the broker refuses what is published on them.

RabbitMQ 3.10.8 refuses everything that a channel publishes to a quorum queue, for as long as the node is away, when the
first of it came after the loss of the node that led the queue and before another led it: the channel goes on asking the
lost node. A new channel asks the new leader. A queue that is full refuses just so, and then a new channel is no use;
which it is, only trying tells.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aiormq import spec
from aiormq.exceptions import ChannelNotFoundEntity

from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from worker.bus.amqp.connection import closed_soon
from worker.bus.amqp.publishing import PUBLISH_TIMEOUT_S, QueueFull, publish
from worker.bus.amqp.topology import TopologyRefused
from worker.runtime.backoff import Backoff
from worker.runtime.logger import get_logger

RENEWED_S = 1.0
"""How long a channel is kept at least: who publishes to a queue that is full does not open one each time."""

NOT_OPENED: tuple[type[Exception], ...] = (*CONNECTION_TROUBLE, TopologyRefused)

log = get_logger(__name__)

Prepare = Callable[[AbstractRobustChannel], Awaitable[None]]
"""What has to be declared and consumed on a channel before it is published on."""

Leave = Callable[[AbstractRobustChannel], Awaitable[None]]
"""What is done with a channel that no publishing is under way on any more."""


UP_S = 30.0
"""How long a broker may take from letting us in until its queues are there."""

FIRST_LOOK_S, LONGEST_LOOK_S = 0.2, 2.0

T = TypeVar("T")


async def once_up(declare: Callable[[], Awaitable[T]]) -> T:
    """What opens a channel and declares on it, again until the broker has its queues.

    One that has just started lets clients in before, and says then that the node of a queue is down: RabbitMQ of its
    streams (seen with 3.10.8). Raises what it raised last once it has taken too long.
    """
    backoff, give_up = Backoff(FIRST_LOOK_S, LONGEST_LOOK_S), time.monotonic() + UP_S
    while True:
        try:
            return await declare()
        except ChannelNotFoundEntity as error:
            if time.monotonic() >= give_up:
                raise
            log.info("broker_not_up", error=str(error))
        await backoff.wait()


async def close(channel: AbstractRobustChannel) -> None:
    """Leave a channel at once."""
    await closed_soon(channel.close)


@dataclass(slots=True, eq=False)
class _Opened:
    channel: AbstractRobustChannel
    under_way: int = 0


class RenewedChannel:
    """A confirming channel, and those that come after it."""

    _current: _Opened

    def __init__(self, connection: AbstractRobustConnection, prepare: Prepare, leave: Leave) -> None:
        self._connection = connection
        self._prepare = prepare
        self._leave = leave
        self._leaving: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._renewed_at = -RENEWED_S

    @classmethod
    async def open(
        cls, connection: AbstractRobustConnection, prepare: Prepare, leave: Leave = close
    ) -> "RenewedChannel":
        """Open the first one. Raises what `prepare` raises."""
        renewed = cls(connection, prepare, leave)
        renewed._current = await renewed._open()
        return renewed

    async def publish(self, body: bytes, message: spec.Basic.Properties, **where: Any) -> None:
        """Publish, and once more on a new channel where this one is refused. Takes and raises what `publish` does."""
        opened = self._current
        try:
            await self._publish(opened, body, message, **where)
        except QueueFull:
            if not await self._renewed(opened):
                raise
            await self._publish(self._current, body, message, **where)

    async def _publish(self, opened: _Opened, body: bytes, message: spec.Basic.Properties, **where: Any) -> None:
        opened.under_way += 1
        try:
            await publish(opened.channel, body, message, **where)
        finally:
            opened.under_way -= 1
            self._leave_unused(opened)

    async def _renewed(self, refused: _Opened) -> bool:
        """Whether there is another channel than the one that was refused."""
        async with self._turn:
            if self._current is refused and time.monotonic() >= self._renewed_at + RENEWED_S:
                self._renewed_at = time.monotonic()
                await self._renew(refused)
            return self._current is not refused

    async def _renew(self, refused: _Opened) -> None:
        try:
            with as_trouble():
                async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                    self._current = await self._open()
        except NOT_OPENED as error:
            log.info("channel_not_renewed", error=str(error) or type(error).__name__)
        else:
            self._leave_unused(refused)

    async def _open(self) -> _Opened:
        channel: AbstractRobustChannel = await self._connection.channel(publisher_confirms=True)
        try:
            await self._prepare(channel)
        except BaseException:
            await close(channel)
            raise
        return _Opened(channel)

    def _leave_unused(self, opened: _Opened) -> None:
        if opened is not self._current and not opened.under_way:
            leaving = asyncio.ensure_future(self._leave(opened.channel))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
