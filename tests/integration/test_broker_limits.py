"""What clients can declare and publish stays within limits that the broker keeps, whatever they ask for.

The limits are those of our definitions, imported into a real broker, with figures that a test can reach.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, InvalidFrameError

from schemas.operations import COMMANDS_EXCHANGE, EVENTS_LOG
from tests.support.broker_users import BrokerWithUsers, rabbitmqctl, until
from worker.broker.permissions import CLIENTS, RIGHTS, RISK_USER, STRATEGY_USER, WORKER_USER
from worker.broker.private_broker import PrivateBroker
from worker.bus.amqp.topology import DEAD_EXCHANGE, DEAD_LETTERS, EVENTS_EXCHANGE, declare
from worker.console.definitions import definitions_text

KIB = 1024
MOST_BYTES, MOST_QUEUES, MOST_CONNECTIONS = 1024 * KIB, 60, 5
BODY = b"x" * 32 * KIB
SMALL: dict[str, int] = {
    "max-length-bytes": MOST_BYTES,
    "stream-max-segment-size-bytes": 128 * KIB,
    "max-queues": MOST_QUEUES,
    "max-connections": MOST_CONNECTIONS,
}
AN_HOUR = 3_600_000
WIDE: dict[str, Any] = {"x-max-length-bytes": 10**10, "x-expires": 24 * AN_HOUR, "x-message-ttl": 24 * AN_HOUR}
WIDE_STREAM = {"x-max-length-bytes": 10**10, "x-max-age": "30D", "x-stream-max-segment-size-bytes": 3 * 10**9}


def shrunk(content: Any, figures: dict[str, int]) -> Any:
    """Definitions with other figures where they have one."""
    if isinstance(content, list):
        return [shrunk(row, figures) for row in content]
    if isinstance(content, dict):
        return {name: figures.get(name, shrunk(value, figures)) for name, value in content.items()}
    return content


async def import_definitions(place: BrokerWithUsers, **figures: int) -> None:
    small = shrunk(json.loads(definitions_text(place.passwords)), SMALL | figures)
    file = place.passwords / "definitions.json"
    file.write_text(json.dumps(small))
    await rabbitmqctl(place.node, "import_definitions", str(file))


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrokerWithUsers]:
    async with PrivateBroker(tmp_path_factory.mktemp("limits")) as node:
        place = BrokerWithUsers(node, tmp_path_factory.mktemp("passwords"), "")
        await place.set_passwords(*RIGHTS)
        await import_definitions(place)
        async with place.connected(WORKER_USER) as connection:
            await declare(await connection.channel())
        yield place


async def unread(channel: AbstractChannel, kind: str, **arguments: Any) -> AbstractQueue:
    """A queue of a client that is bound to all events, under a name such as aio-pika's robust channels take."""
    asked = {"x-queue-type": kind, **arguments}
    queue = await channel.declare_queue(f"amq_{uuid4().hex}", durable=True, arguments=asked)
    await queue.bind(EVENTS_EXCHANGE, "#")
    return queue


async def publish_events(place: BrokerWithUsers, count: int) -> None:
    async with place.connected(WORKER_USER) as connection:
        events = await (await connection.channel()).get_exchange(EVENTS_EXCHANGE)
        for number in range(count):
            message = aio_pika.Message(BODY, message_id=str(number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await events.publish(message, "result.set_leverage.binance.a")


async def waiting(channel: AbstractChannel, queue: str) -> int:
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


def segments(node: PrivateBroker, queue: str) -> int:
    """Bytes that a stream takes on the disk."""
    kept = 0
    for file in (node.log.parents[1] / "data").glob(f"*/stream/*_{queue.replace('.', '_')}_*/*.segment"):
        with suppress(FileNotFoundError):  # the broker removes what is over the bound while it is counted
            kept += file.stat().st_size
    return kept


@pytest.mark.parametrize("arguments", [{}, WIDE, {"x-overflow": "drop-head"}], ids=["plain", "wide", "overflow"])
@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_queue_that_nobody_reads_loses_its_oldest_messages(
    place: BrokerWithUsers, kind: str, arguments: dict[str, Any]
) -> None:
    count = 3 * MOST_BYTES // len(BODY)
    async with place.connected(RISK_USER) as connection:
        channel = await connection.channel()
        queue = await unread(channel, kind, **arguments)
        await publish_events(place, count)
        most = MOST_BYTES // len(BODY)
        assert most // 2 < await waiting(channel, queue.name) <= most
        oldest = await queue.get()
        assert oldest is not None
        assert int(oldest.message_id or 0) >= count - most
        await channel.queue_delete(queue.name)


async def test_a_queue_that_nobody_named_is_bounded_as_well(place: BrokerWithUsers) -> None:
    async with place.connected(RISK_USER) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True, arguments=dict(WIDE))
        await queue.bind(EVENTS_EXCHANGE, "#")
        await publish_events(place, 2 * MOST_BYTES // len(BODY))
        assert await waiting(channel, queue.name) <= MOST_BYTES // len(BODY)


async def test_a_stream_of_a_client_is_bounded_and_ours_keeps_all(place: BrokerWithUsers) -> None:
    async with place.connected(RISK_USER) as connection:
        channel = await connection.channel()
        before = segments(place.node, EVENTS_LOG)
        queue = await unread(channel, "stream", **WIDE_STREAM)
        await publish_events(place, 4 * MOST_BYTES // len(BODY))

        async def is_bounded() -> bool:
            return 0 < segments(place.node, queue.name) < 2 * MOST_BYTES

        await until(is_bounded)
        assert segments(place.node, EVENTS_LOG) - before >= 4 * MOST_BYTES
        await channel.queue_delete(queue.name)


async def test_a_queue_that_nobody_reads_ends_whatever_it_was_declared_with(place: BrokerWithUsers) -> None:
    await import_definitions(place, **{"expires": 500})
    async with place.connected(RISK_USER) as connection:
        channel = await connection.channel()
        queues = [await unread(channel, kind, **WIDE) for kind in ("classic", "quorum")]
        queues.append(await channel.declare_queue(exclusive=True))
        for queue in queues:

            async def is_gone(name: str = queue.name) -> bool:
                try:
                    await (await connection.channel()).declare_queue(name, passive=True)
                except ChannelNotFoundEntity:
                    return True
                await asyncio.sleep(1)  # to ask for it counts as use
                return False

            await until(is_gone)
    await import_definitions(place)


async def test_the_number_of_queues_is_bounded_and_a_worker_starts_all_the_same(place: BrokerWithUsers) -> None:
    async with place.connected(RISK_USER) as connection:
        assert 0 < await declared_until_refused(connection) < MOST_QUEUES
        async with place.connected(WORKER_USER) as worker:
            await declare(await worker.channel())


async def declared_until_refused(connection: AbstractConnection) -> int:
    for declared in range(MOST_QUEUES + 1):
        try:
            await (await connection.channel()).declare_queue(exclusive=True)
        except ChannelPreconditionFailed:
            return declared
    raise AssertionError("there are more queues than there may be")


@pytest.mark.parametrize("user", CLIENTS)
async def test_the_number_of_a_clients_connections_is_bounded(place: BrokerWithUsers, user: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            await stack.enter_async_context(place.connected(user))
        with pytest.raises(InvalidFrameError, match=r"Connection\.Close"):  # instead of Connection.OpenOk
            await aio_pika.connect(place.url(user))
        async with place.connected(WORKER_USER):
            pass


@pytest.mark.parametrize("operation", ["set_leverage", "get_positions", "nonsense"])
async def test_what_no_worker_takes_is_refused_at_a_bound_and_nothing_of_it_is_dropped(
    place: BrokerWithUsers, operation: str
) -> None:
    queue = "dma.unrouted" if operation == "nonsense" else operation
    taken = await publish_until_refused(place, STRATEGY_USER, COMMANDS_EXCHANGE, operation)
    async with place.connected(WORKER_USER) as connection:
        channel = await connection.channel()
        assert await waiting(channel, queue) == taken
        assert await waiting(channel, DEAD_LETTERS) == 0
        await (await channel.get_queue(queue)).purge()


async def test_dead_letters_are_refused_at_a_bound_and_none_is_dropped(place: BrokerWithUsers) -> None:
    taken = await publish_until_refused(place, WORKER_USER, DEAD_EXCHANGE, "set_leverage")
    async with place.connected(WORKER_USER) as connection:
        channel = await connection.channel()
        assert await waiting(channel, DEAD_LETTERS) == taken
        await (await channel.get_queue(DEAD_LETTERS)).purge()


async def publish_until_refused(place: BrokerWithUsers, user: str, exchange: str, key: str) -> int:
    """How many messages were confirmed before the first that was refused."""
    message = aio_pika.Message(BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    async with place.connected(user) as connection:
        target = await (await connection.channel()).get_exchange(exchange, ensure=False)
        for taken in range(4 * MOST_BYTES // len(BODY)):
            try:
                await target.publish(message, key)
            except DeliveryError:
                return taken
    raise AssertionError(f"{key} took four times as much as it may hold")
