"""Where a sender wants to be answered harms nobody else, whatever the broker makes of it."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue

from worker.bus.amqp.connection import connect
from worker.bus.amqp.publisher import DIRECT_REPLY, MessagePublisher
from worker.messages.wire import Delivery, Outgoing, Reply

ANSWERS, LOST = 40, 4
LONG_S = 30


def reply_to_of_a_lost_node() -> str:
    """Where a client is sent direct replies that is connected to a node which is not there.

    It is a process on the node `reply@HASH` in Erlang's external term format (NEW_PID_EXT), and a key; RabbitMQ 3.10.8
    and 4 write it so. 3.10 ends the connection of whoever publishes to it.
    """
    node = b"reply@1"
    process = struct.pack(f">BBBH{len(node)}sIII", 131, 88, 118, len(node), node, 1927, 0, 1_795_976_212)
    key = base64.b64encode(uuid4().bytes)
    return f"{DIRECT_REPLY}{base64.b64encode(process).decode()}.{key.decode()}"


@dataclass(slots=True)
class Publishing:
    """A worker's publisher, and how often the connection that its answers leave by came back."""

    publisher: MessagePublisher
    reconnects: int = 0

    async def reply(self, reply_to: str, correlation_id: str) -> None:
        asked = Delivery("get_positions", b"", reply_to=reply_to, correlation_id=correlation_id)
        await self.publisher.reply(asked, Reply(200, b"{}"))

    def reconnected(self, *_: object) -> None:
        self.reconnects += 1


@pytest.fixture
async def publishing(amqp_url: str) -> AsyncIterator[Publishing]:
    async with await connect(amqp_url, "events") as events, await connect(amqp_url, "answers") as answers:
        publishing = Publishing(await MessagePublisher.open(events, answers))
        answers.reconnect_callbacks.add(publishing.reconnected)
        yield publishing


@asynccontextmanager
async def reply_queue(url: str) -> AsyncIterator[AbstractQueue]:
    async with await aio_pika.connect(url) as connection:
        yield await (await connection.channel()).declare_queue(exclusive=True)


async def answers_in(queue: AbstractQueue, count: int) -> set[str | None]:
    """Whom the answers are for, so many of them."""
    found = set[str | None]()
    async with queue.iterator(timeout=LONG_S, no_ack=True) as messages:
        async for message in messages:
            found.add(message.correlation_id)
            if len(found) == count:
                break
    return found


async def test_answers_beside_those_to_clients_of_a_lost_node_all_arrive(amqp_url: str, publishing: Publishing) -> None:
    wanted = [f"answer-{number}" for number in range(ANSWERS)]
    async with reply_queue(amqp_url) as queue:
        async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as replying:
            for number, answer in enumerate(wanted):
                if number % (ANSWERS // LOST) == 0:
                    replying.create_task(publishing.reply(reply_to_of_a_lost_node(), "lost"))
                replying.create_task(publishing.reply(queue.name, answer))
        assert await answers_in(queue, ANSWERS) == set(wanted)


async def test_events_beside_answers_to_clients_of_a_lost_node_are_confirmed_at_once(publishing: Publishing) -> None:
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as both:
        for number in range(ANSWERS):
            if number % (ANSWERS // LOST) == 0:
                both.create_task(publishing.reply(reply_to_of_a_lost_node(), "lost"))
            # Raises PublishFailed if it has to be published again.
            both.create_task(publishing.publisher.event(Outgoing(f"event-{number}", "noise", "noise.answers", "{}")))


async def test_the_second_answer_to_a_client_of_a_lost_node_costs_nothing(
    amqp_url: str, publishing: Publishing
) -> None:
    lost = reply_to_of_a_lost_node()
    async with asyncio.timeout(LONG_S), reply_queue(amqp_url) as queue:
        for round_ in range(3):
            await publishing.reply(lost, "lost")
            await publishing.reply(queue.name, f"{round_}")
        assert await answers_in(queue, 3) == {"0", "1", "2"}
    assert publishing.reconnects <= 1
