"""Who takes messages as aiormq has them goes on taking them so, whatever was lost meanwhile."""

import asyncio

from aio_pika.abc import AbstractRobustConnection
from aiormq.exceptions import ChannelNotFoundEntity

from tests.support.broker_users import until
from worker.bus.amqp.connection import FRAMES, closed_soon, connected, plain_channel
from worker.bus.amqp.incoming import Incoming, Taking
from worker.bus.amqp.publishing import properties, publish

QUEUE = "test.taking"


async def test_messages_are_taken_again_after_a_channel_or_a_queue_was_lost(amqp_url: str) -> None:
    taken = asyncio.Queue[Incoming]()
    async with connected(amqp_url, "test") as connection, connected(amqp_url, "other") as other:
        channel, sender = await connection.channel(), await other.channel()
        queue = await channel.declare_queue(QUEUE, arguments={"x-queue-type": "classic"}, auto_delete=True)
        await queue.consume(Taking(taken.put_nowait))

        async def sent_and_taken() -> None:
            await publish(sender, b"{}", properties(), routing_key=QUEUE, timeout_s=10)
            async with asyncio.timeout(10):
                await (await taken.get()).ack()

        async def restored(reopened: asyncio.Event) -> None:
            async with asyncio.timeout(10):
                await reopened.wait()

        await sent_and_taken()
        reopened = asyncio.Event()
        channel.reopen_callbacks.add(lambda *_: reopened.set())
        await (await channel.get_underlay_channel()).basic_ack(999)  # an unknown tag: the broker closes the channel
        await restored(reopened)
        await sent_and_taken()
        await (await plain_channel(other)).queue_delete(QUEUE)
        await until(lambda: _is_consumed(other))
        await sent_and_taken()


async def _is_consumed(connection: AbstractRobustConnection) -> bool:
    channel = await plain_channel(connection)
    try:
        return bool((await channel.queue_declare(QUEUE, passive=True)).consumer_count)
    except ChannelNotFoundEntity:
        return False
    finally:
        await closed_soon(channel.close)


async def test_as_many_frames_as_are_under_way_find_room(amqp_url: str) -> None:
    async with connected(amqp_url, "test") as connection:
        channel = await plain_channel(connection)
        assert channel.connection.write_queue.maxsize == FRAMES
