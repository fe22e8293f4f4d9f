"""What the consumer promises to whoever handles its deliveries, on the real broker."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractRobustConnection

from tests.support.operation_queues import emptied
from worker.bus.amqp.connection import connect
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.consumer import FIRST_PAUSE_S, Consumer
from worker.messages.wire import DeadLetter, Delivery

MESSAGES = [str(number) for number in range(100)]


@dataclass(slots=True)
class Handler:
    """Remembers what it was given, in order, and ends only when it may, the first hundred before the others.

    The first `deadly` ones cost it its channel.
    """

    connection: AbstractRobustConnection
    deadly: int = 0
    given: list[str] = field(default_factory=list)
    enough: dict[int, asyncio.Event] = field(default_factory=dict)
    first_may_end: asyncio.Event = field(default_factory=asyncio.Event)
    others_may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        self.given.append(delivery.body.decode())
        count = len(self.given)
        if count in self.enough:
            self.enough[count].set()
        if count <= self.deadly:
            await self.lose_channels()
        await (self.first_may_end if count <= len(MESSAGES) else self.others_may_end).wait()
        return None

    async def was_given(self, count: int) -> None:
        """Wait until it was given so many deliveries."""
        if len(self.given) < count:
            async with asyncio.timeout(40):
                await self.enough.setdefault(count, asyncio.Event()).wait()

    async def lose_channels(self) -> None:
        """Make the broker close every channel, as an unknown delivery tag does."""
        assert self.connection.transport is not None
        for number, channel in list(self.connection.transport.connection.channels.items()):
            if number and channel is not None:
                await channel.basic_ack(delivery_tag=999_999)


@asynccontextmanager
async def consuming(amqp_url: str) -> AsyncIterator[Handler]:
    async with await connect(amqp_url, "consume") as connection, await connect(amqp_url, "publish") as publishing:
        handler = Handler(connection)
        consumer = await Consumer.open(
            connection, await MessagePublisher.open(publishing, publishing), handler.handle, 200
        )
        await consumer.start()
        yield handler
        handler.first_may_end.set()
        handler.others_may_end.set()
        await consumer.close(10)


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    await emptied(amqp_url)
    async with await aio_pika.connect(amqp_url) as connection:
        yield await connection.channel()
    await emptied(amqp_url)


async def publish(channel: AbstractChannel, bodies: list[str]) -> None:
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body.encode()), "set_leverage")


async def test_deliveries_start_in_the_order_of_the_queue(amqp_url: str, channel: AbstractChannel) -> None:
    await publish(channel, MESSAGES)
    async with consuming(amqp_url) as handler:
        await handler.was_given(len(MESSAGES))
        assert handler.given == MESSAGES


async def test_after_a_lost_channel_everything_is_delivered_again_in_order_beside_what_still_runs(
    amqp_url: str, channel: AbstractChannel
) -> None:
    await publish(channel, MESSAGES)
    async with consuming(amqp_url) as handler:
        await handler.was_given(len(MESSAGES))
        await handler.lose_channels()
        await handler.was_given(2 * len(MESSAGES))
        assert handler.given == 2 * MESSAGES


async def test_late_acknowledgements_of_a_lost_channel_acknowledge_nothing_and_cost_nothing(
    amqp_url: str, channel: AbstractChannel
) -> None:
    await publish(channel, MESSAGES)
    async with consuming(amqp_url) as handler:
        await handler.was_given(len(MESSAGES))
        await handler.lose_channels()
        await handler.was_given(2 * len(MESSAGES))
        handler.first_may_end.set()
        await publish(channel, ["last"])
        await handler.was_given(2 * len(MESSAGES) + 1)
        assert handler.given == [*MESSAGES, *MESSAGES, "last"]
        await handler.lose_channels()
        await handler.was_given(3 * len(MESSAGES) + 2)
        assert handler.given == [*MESSAGES, *MESSAGES, "last", *MESSAGES, "last"]


async def test_a_worker_whose_channel_is_lost_while_it_is_restored_consumes_again(
    amqp_url: str, channel: AbstractChannel
) -> None:
    # A message that comes back at once costs the channel again before all of its queues are restored.
    async with consuming(amqp_url) as handler:
        handler.deadly = 5
        handler.first_may_end.set()
        await publish(channel, ["deadly"])
        await handler.was_given(6)
        await publish(channel, ["next"])
        await handler.was_given(7)
        assert handler.given == [*["deadly"] * 6, "next"]


FAILURES = 3


@dataclass(slots=True)
class Fails:
    """A handler with a fault that goes away after some time."""

    times: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= FAILURES:
            raise ZeroDivisionError
        self.done.set()
        return None


async def test_what_fails_is_delivered_again_after_a_pause_that_doubles(
    amqp_url: str, channel: AbstractChannel
) -> None:
    fails = Fails()
    async with await connect(amqp_url, "consume") as connection, await connect(amqp_url, "publish") as publishing:
        consumer = await Consumer.open(
            connection, await MessagePublisher.open(publishing, publishing), fails.handle, 10
        )
        await consumer.start()
        await publish(channel, ["{}"])
        async with asyncio.timeout(30):
            await fails.done.wait()
        await consumer.close(10)
    pauses = [after - before for before, after in itertools.pairwise(fails.times)]
    assert len(pauses) == FAILURES
    assert all(pause >= FIRST_PAUSE_S * 2**number for number, pause in enumerate(pauses))
