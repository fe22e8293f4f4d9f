"""The named reference: a bare aio-pika RPC echo over a queue of the same kind as our commands."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage

from tests.benchmarks.measure import Call
from worker.bus.amqp.topology import COMMAND_QUEUE

QUEUE = "bench.echo"


async def serve(url: str) -> None:
    """Answer every message with its own body, then acknowledge it."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=200)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments=dict(COMMAND_QUEUE))

        async def answer(message: AbstractIncomingMessage) -> None:
            reply = aio_pika.Message(message.body, correlation_id=message.correlation_id)
            await channel.default_exchange.publish(reply, message.reply_to or "", mandatory=False)
            await message.ack()

        await queue.consume(answer)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@asynccontextmanager
async def client(url: str, body: bytes) -> AsyncIterator[Call]:
    """A call that publishes persistently, waits for the confirm and for the echo."""
    waiting: dict[str, asyncio.Future[bytes]] = {}

    async def receive(message: AbstractIncomingMessage) -> None:
        waiting[str(message.correlation_id)].set_result(message.body)

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        replies = await channel.get_queue("amq.rabbitmq.reply-to")
        await replies.consume(receive, no_ack=True)

        async def call() -> bytes:
            correlation_id = str(uuid4())
            waiting[correlation_id] = asyncio.get_running_loop().create_future()
            message = aio_pika.Message(
                body,
                correlation_id=correlation_id,
                reply_to="amq.rabbitmq.reply-to",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await channel.default_exchange.publish(message, QUEUE)
            try:
                return await waiting[correlation_id]
            finally:
                del waiting[correlation_id]

        yield call


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
