import asyncio
from contextlib import ExitStack

import aio_pika
import pytest

from tests.support.rabbitmq_container import engine_answers, rabbitmq_container
from worker.broker.private_broker import find_broker
from worker.config.settings import Settings


@pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers here")
@pytest.mark.timeout(240)
async def test_a_message_goes_through_a_rabbitmq_in_a_container() -> None:
    with ExitStack() as stack:
        container = await asyncio.to_thread(stack.enter_context, rabbitmq_container())
        async with find_broker(Settings(amqp_url=container.url)) as broker:
            assert broker.node is None
            async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
                queue = await channel.declare_queue("round-trip", durable=True, arguments={"x-queue-type": "quorum"})
                await channel.default_exchange.publish(aio_pika.Message(b"there and back"), queue.name)
                message = await queue.get(timeout=40)
                assert message.body == b"there and back"
