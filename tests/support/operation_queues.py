"""The queues of the operations on the broker that all tests share."""

import aio_pika

from worker.bus.amqp.topology import declare


async def emptied(amqp_url: str) -> None:
    """What the worker of the test before gave back belongs to that test: an ack just before closing can be lost."""
    async with await aio_pika.connect(amqp_url) as connection:
        declared = await declare(await connection.channel())
        for queue in (*declared.operations.values(), declared.unrouted):
            await queue.purge()
