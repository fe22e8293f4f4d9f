"""Taking messages: what becomes of one whose handling fails."""

import asyncio
import itertools

import aio_pika

from tests.integration.conftest import emptied
from worker.bus.connection import connected
from worker.bus.consumer import FIRST_PAUSE_S, Consumer
from worker.bus.publisher import Publisher
from worker.wire import DeadLetter, Delivery

FAILURES = 3


class Fails:
    """A handler with a fault that goes away after some time."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.done = asyncio.Event()

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= FAILURES:
            raise ZeroDivisionError
        self.done.set()
        return None


async def test_what_fails_is_delivered_again_after_a_pause_that_doubles(amqp_url: str) -> None:
    await emptied(amqp_url)
    handler = Fails()
    async with connected(amqp_url, "tests") as incoming, connected(amqp_url, "tests") as leaving:
        consumer = Consumer(incoming, await Publisher.open(leaving), handler.handle, prefetch=10)
        await consumer.start()
        channel = await leaving.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), "set_leverage")
        async with asyncio.timeout(30):
            await handler.done.wait()
        await consumer.close(grace_s=10)
    pauses = [after - before for before, after in itertools.pairwise(handler.times)]
    assert len(pauses) == FAILURES
    assert all(pause >= FIRST_PAUSE_S * 2**number for number, pause in enumerate(pauses))
