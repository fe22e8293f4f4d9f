"""A broker that refuses what comes over one channel, as RabbitMQ 3.10 does for ever after the loss of a node."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest

from schemas import OPERATIONS
from tests.support.amqp_proxy import AmqpProxy, amqp_proxy
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.bus.amqp.connection import connect
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.publishing import PublishFailed, QueueFull, properties
from worker.bus.amqp.renewal import RenewedChannel
from worker.bus.rpc import BrokerAway, RequestInDoubt, RpcClient, connect_rpc
from worker.messages.wire import DeadLetter, Delivery, Outgoing, Reply
from worker.runtime.clock import now

LONG_S = 30
QUERY = f'{{"exchange_account_id": "{ACCOUNT.id}"}}'.encode()


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[AmqpProxy]:
    async with amqp_proxy(amqp_url) as proxy:
        yield proxy


@pytest.fixture
async def publisher(proxy: AmqpProxy) -> AsyncIterator[MessagePublisher]:
    async with await connect(proxy.url, "events") as events, await connect(proxy.url, "answers") as answers:
        yield await MessagePublisher.open(events, answers)


async def ask(client: RpcClient) -> int:
    asked = client.call(OPERATIONS["get_positions"], QUERY, command_id=str(uuid4()), deadline=now() + 8_000)
    return (await asked).status


async def test_a_client_whose_channel_is_refused_asks_on_another(proxy: AmqpProxy, venue: MemoryVenue) -> None:
    async with connect_rpc(proxy.url, "tests") as client:
        assert await ask(client) == 200
        proxy.refuse()
        assert await asyncio.gather(*(ask(client) for _ in range(10))) == [200] * 10


async def test_events_and_dead_letters_go_on_over_another_channel(
    proxy: AmqpProxy, publisher: MessagePublisher
) -> None:
    proxy.refuse()
    async with asyncio.timeout(LONG_S):
        letter = DeadLetter("a test")
        await publisher.dead_letter(Delivery("get_positions", b"", message_id=str(uuid4())), letter)
        await publisher.event(Outgoing("event", "noise", "noise.refused", "{}"))


async def test_an_answer_goes_on_over_another_channel(
    amqp_url: str, proxy: AmqpProxy, publisher: MessagePublisher
) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        queue = await (await connection.channel()).declare_queue(exclusive=True)
        proxy.refuse()
        asked = Delivery("get_positions", b"", reply_to=queue.name, correlation_id="asked")
        assert await publisher.refuse(asked, Reply(400, b"{}"))


async def test_a_queue_that_is_full_is_told_and_costs_a_channel_a_second_at_most(amqp_url: str) -> None:
    opened = 0

    async def count(_: object) -> None:
        nonlocal opened
        opened += 1

    async with await connect(amqp_url, "tests") as connection, asyncio.timeout(LONG_S):
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        queue = await (await connection.channel()).declare_queue(exclusive=True, arguments=full)
        channel = await RenewedChannel.open(connection, count)
        await channel.publish(b"1", properties(), routing_key=queue.name)
        began = now()
        for _ in range(20):
            with pytest.raises(QueueFull):
                await channel.publish(b"2", properties(), routing_key=queue.name)
        assert opened <= 2 + (now() - began) / 1_000


@pytest.mark.parametrize(
    ("code", "text"), [(541, "INTERNAL_ERROR"), (320, "CONNECTION_FORCED"), (506, "RESOURCE_ERROR")]
)
async def test_whatever_a_connection_ends_with_the_next_message_is_confirmed(
    proxy: AmqpProxy, publisher: MessagePublisher, code: int, text: str
) -> None:
    event = Outgoing(f"event-{code}", "noise", "noise.ended", "{}")
    async with asyncio.timeout(LONG_S):
        publishing = [asyncio.create_task(publisher.event(event)) for _ in range(20)]
        await asyncio.sleep(0)
        proxy.end(code, text)
        ended = await asyncio.gather(*publishing, return_exceptions=True)
        assert {type(error) for error in ended} <= {PublishFailed, type(None)}
        while await _failed(publisher, event):
            pass


async def _failed(publisher: MessagePublisher, event: Outgoing) -> bool:
    try:
        await publisher.event(event)
    except PublishFailed:
        return True
    return False


async def ask_until_answered(client: RpcClient) -> int:
    while True:
        try:
            return await ask(client)
        except (RequestInDoubt, BrokerAway):
            await asyncio.sleep(0.05)


async def test_a_client_asks_on_whatever_its_connection_ended_with(proxy: AmqpProxy, venue: MemoryVenue) -> None:
    async with connect_rpc(proxy.url, "tests") as client, asyncio.timeout(LONG_S):
        for code in (541, 320, 506):
            assert await ask_until_answered(client) == 200
            proxy.end(code, "ENDED")
        assert await ask_until_answered(client) == 200
