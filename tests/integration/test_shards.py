"""Commands split by account over shards, on a broker of their own: other tests know nothing of shards."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from schemas import COMMANDS, OPERATIONS
from schemas.operations import COMMANDS_EXCHANGE, EVENTS_LOG
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.private_broker import PrivateBroker
from worker.bus.amqp.connection import connect
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.topology import DEAD_LETTERS, UNROUTED, TopologyRefused
from worker.bus.consumer import Consumer
from worker.bus.rpc import NoWorker, RpcClient, connect_rpc
from worker.bus.sharding.shards import Split, queues_of
from worker.config.settings import Settings
from worker.messages.wire import DeadLetter, Delivery

SET_LEVERAGE = OPERATIONS["set_leverage"]
COMMAND_NAMES = {row.name for row in COMMANDS}
ACCOUNT_NAMES = tuple(f"account-{number}" for number in range(200))
NEVER_S = 600


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
async def url(node: PrivateBroker) -> AsyncIterator[str]:
    """The broker; what a test leaves behind on it is removed."""
    yield node.url
    async with channel_on(node.url) as channel:
        for name in {
            UNROUTED,
            *(name for row in COMMANDS for shards in (2, 3, 4, 8, 16) for name in queues_of(row, shards)),
        }:
            await channel.queue_delete(name)
    async with declared(node.url, 1):
        pass


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that does nothing with what it is given."""

    consumer: Consumer
    given: asyncio.Queue[Delivery]


@asynccontextmanager
async def declared(url: str, shards: int, workers: int = 1, rest_after_s: float = NEVER_S) -> AsyncIterator[Worker]:
    """A worker that has declared its topology and consumes nothing yet."""
    given = asyncio.Queue[Delivery]()

    async def handle(delivery: Delivery) -> DeadLetter | None:
        await given.put(delivery)
        return None

    async with await connect(url, "consume") as consuming, await connect(url, "publish") as publishing:
        publisher = await MessagePublisher.open(publishing, publishing)
        yield Worker(
            await Consumer.open(consuming, publisher, handle, 200, Split(shards, workers, rest_after_s)), given
        )


@asynccontextmanager
async def consuming(url: str, shards: int, workers: int = 1, rest_after_s: float = NEVER_S) -> AsyncIterator[Worker]:
    async with declared(url, shards, workers, rest_after_s) as worker:
        await worker.consumer.start()
        yield worker
        await worker.consumer.close(10)


@asynccontextmanager
async def channel_on(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def send(channel: AbstractChannel, operation: str, account: str, body: bytes = b"") -> None:
    """Publish to `dma.commands` with the header that says whose command it is."""
    exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
    await exchange.publish(aio_pika.Message(body or account.encode(), headers={"account": account}), operation)


async def taken(channel: AbstractChannel, name: str) -> list[str]:
    """What waits in a queue. It has a single active consumer, so nobody can get messages one by one."""
    await channel.default_exchange.publish(aio_pika.Message(b"the end"), name)
    bodies = list[str]()
    async with (await channel.get_queue(name, ensure=False)).iterator(timeout=40) as messages:
        async for message in messages:
            await message.ack()
            if message.body == b"the end":
                break
            bodies.append(message.body.decode())
    return bodies


async def shards_of(url: str, operation: str, shards: int, accounts: Iterable[str]) -> Mapping[str, str]:
    """To which shard a command of each account goes. The shards are empty afterwards."""
    found: dict[str, str] = {}
    async with channel_on(url) as channel:
        for account in accounts:
            await send(channel, operation, account)
        for name in queues_of(OPERATIONS[operation], shards)[1:]:
            found |= dict.fromkeys(await taken(channel, name), name.removeprefix(operation))
    return found


async def test_an_account_has_one_shard_for_all_its_commands_and_accounts_spread(url: str) -> None:
    async with declared(url, 4):
        shards = await shards_of(url, "set_leverage", 4, ACCOUNT_NAMES)
        assert await shards_of(url, "set_leverage", 4, ACCOUNT_NAMES) == shards
        assert await shards_of(url, "set_margin_mode", 4, ACCOUNT_NAMES) == shards
    assert shards.keys() == set(ACCOUNT_NAMES)
    assert min(Counter(shards.values()).values()) > len(ACCOUNT_NAMES) / 8


async def test_accounts_keep_their_shards_when_the_broker_comes_back(node: PrivateBroker, url: str) -> None:
    async with declared(url, 8), declared(url, 8):
        before = await shards_of(url, "set_leverage", 8, ACCOUNT_NAMES)
        await node.restart()
        await until_led_to_the_shards(url)
        assert await shards_of(url, "set_leverage", 8, ACCOUNT_NAMES) == before
        await node.kill()
        await node.restart()
        await until_led_to_the_shards(url)
        assert await shards_of(url, "set_leverage", 8, ACCOUNT_NAMES) == before


async def until_led_to_the_shards(url: str) -> None:
    """Wait for the first worker that comes back; until then commands go to `dma.unrouted`, which may refuse them."""
    async with asyncio.timeout(60):
        while True:
            with suppress(aio_pika.exceptions.DeliveryError):
                if await shards_of(url, "set_leverage", 8, ["account-0"]):
                    return


async def test_a_command_without_the_header_is_carried_out_in_order_too(url: str) -> None:
    async with consuming(url, 4) as worker, channel_on(url) as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        for number in range(20):
            await exchange.publish(aio_pika.Message(str(number).encode()), "set_leverage")
        assert [int((await worker.given.get()).body) for _ in range(20)] == list(range(20))


async def test_each_way_to_publish_carries_a_command_out_once(url: str) -> None:
    async with consuming(url, 4) as worker, channel_on(url) as channel:
        await channel.default_exchange.publish(aio_pika.Message(b"by name"), "set_leverage")
        assert (await worker.given.get()).body == b"by name"
        for operation in ("set_leverage", "pm_auto_collect"):
            await send(channel, operation, "account-1")
            delivery = await worker.given.get()
            assert (delivery.operation, delivery.body) == (operation, b"account-1")


async def test_our_client_says_whose_command_it_is(url: str) -> None:
    body = json.dumps({"exchange_account_id": "account-7", "symbol": BTC.symbol, "leverage": 3}).encode()
    deadline = int(time.time() * 1000) + 5_000
    async with consuming(url, 4), connect_rpc(url, "tests", 4) as client, channel_on(url) as channel:
        inbox = await channel.declare_queue(exclusive=True)
        await inbox.bind(COMMANDS_EXCHANGE, "set_leverage")
        for command, account in ((body, "account-7"), (b"no JSON", None), (b"[]", None)):
            await client.post(SET_LEVERAGE, command, command_id="1", deadline=deadline)
            assert (await inbox.get(timeout=40)).headers["account"] == account


async def test_workers_that_start_share_the_shards(url: str) -> None:
    async with consuming(url, 8, 2) as first, consuming(url, 8, 2) as second, channel_on(url) as channel:
        for name in queues_of(SET_LEVERAGE, 8)[1:]:
            await channel.default_exchange.publish(aio_pika.Message(name.encode()), name)
        given = [[(await worker.given.get()).body for _ in range(4)] for worker in (first, second)]
        assert len({*given[0], *given[1]}) == 8


async def test_all_of_sixteen_shards_are_shared_again_when_both_workers_were_started_anew(url: str) -> None:
    async with channel_on(url) as channel, AsyncExitStack() as first, AsyncExitStack() as second:
        workers = [await stack.enter_async_context(consuming(url, 16, 2, 0.1)) for stack in (first, second)]
        await until_shared(channel, workers)
        for number, stack in enumerate((first, second)):
            await stack.aclose()
            workers[number] = await stack.enter_async_context(consuming(url, 16, 2, 0.1))
            await until_shared(channel, workers)


async def until_shared(channel: AbstractChannel, workers: Sequence[Worker]) -> None:
    """Wait until each of two workers is given the commands of eight shards."""
    async with asyncio.timeout(40):
        while await given_to_each(channel, workers) != [8, 8]:
            pass


async def given_to_each(channel: AbstractChannel, workers: Sequence[Worker]) -> list[int]:
    """To how many shards' commands each worker is given, one of each shard being sent; none is given to two."""
    sent = [f"{name} {uuid4()}".encode() for name in queues_of(SET_LEVERAGE, 16)[1:]]
    for body in sent:
        await channel.default_exchange.publish(aio_pika.Message(body), body.decode().partition(" ")[0])
    while sum(worker.given.qsize() for worker in workers) < len(sent):  # noqa: ASYNC110 - the broker brings them
        await asyncio.sleep(0.01)
    given = [[worker.given.get_nowait().body for _ in range(worker.given.qsize())] for worker in workers]
    assert sorted(body for bodies in given for body in bodies) == sorted(sent)
    return [len(bodies) for bodies in given]


async def until_consumed(rpc: RpcClient) -> None:
    """Wait until each queue of each command has a consumer."""
    async with asyncio.timeout(20):
        while not min((await rpc.consumers()).values()):
            pass


async def test_workers_that_start_at_the_same_moment_leave_no_shard_out_and_stand_by_for_each_other(url: str) -> None:
    async with (
        declared(url, 4, 2, 0.1) as first,
        declared(url, 4, 2, 0.1) as second,
        connect_rpc(url, "tests", 4) as rpc,
    ):
        await asyncio.gather(first.consumer.start(), second.consumer.start())
        await until_consumed(rpc)
        await first.consumer.close(10)
        await until_consumed(rpc)
        await second.consumer.close(10)


async def test_ready_means_that_every_shard_has_a_consumer(url: str) -> None:
    deadline = int(time.time() * 1000) + 5_000
    async with connect_rpc(url, "tests", 4) as client:
        async with consuming(url, 4, 2):
            counts = await client.consumers()
            assert {name for name in OPERATIONS if not counts[name]} == COMMAND_NAMES
            with pytest.raises(NoWorker):
                await client.post(SET_LEVERAGE, b"{}", command_id="1", deadline=deadline)
            async with consuming(url, 4, 2):
                counts = await client.consumers()
                assert {counts[name] for name in COMMAND_NAMES} == {1}
                await client.post(SET_LEVERAGE, b"{}", command_id="1", deadline=deadline)
        assert set((await client.consumers()).values()) == {0}


async def test_counting_consumers_takes_one_channel_and_another_when_that_is_gone(url: str) -> None:
    async with await connect(url, "tests") as connection, RpcClient.open(connection, 2) as client:
        assert connection.transport is not None
        channels = connection.transport.connection.channels
        assert set((await client.consumers()).values()) == {0}  # a queue is missing, which ends the channel
        async with consuming(url, 2):
            assert min((await client.consumers()).values()) == 1
            used = set(channels)
            for _ in range(3):
                await client.consumers()
            assert set(channels) == used


async def exists(channel: AbstractChannel, name: str) -> bool:
    try:
        await channel.declare_queue(name, passive=True)
    except aio_pika.exceptions.ChannelNotFoundEntity:
        return False
    return True


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (2, 1)])
async def test_another_number_of_shards_is_refused_until_the_old_ones_are_drained(
    url: str, before: int, after: int
) -> None:
    waiting = queues_of(SET_LEVERAGE, before)[-1]
    async with declared(url, before), channel_on(url) as channel:
        await channel.default_exchange.publish(aio_pika.Message(b"waits"), waiting)
    with pytest.raises(TopologyRefused, match=rf"Drain first: .*PERPS_DMA_SHARDS={before} .*{waiting} \(1 messages"):
        async with declared(url, after):
            pass
    async with consuming(url, before) as worker:
        assert (await worker.given.get()).body == b"waits"
    async with consuming(url, after) as worker, channel_on(url) as channel:
        for account in ACCOUNT_NAMES[:20]:
            await send(channel, "set_leverage", account)
        assert len({(await worker.given.get()).body for _ in range(20)}) == 20


@pytest.mark.parametrize("before", [1, 2])
async def test_another_number_of_shards_is_refused_while_a_worker_consumes_the_old_ones(url: str, before: int) -> None:
    async with consuming(url, before):
        with pytest.raises(TopologyRefused, match=rf"{queues_of(SET_LEVERAGE, before)[-1]} \(0 messages, 1 consumers"):
            async with declared(url, 4):
                pass


async def test_empty_shards_of_another_number_are_removed(url: str) -> None:
    old = {name for row in COMMANDS for name in queues_of(row, 4)[1:]}
    async with declared(url, 4):
        pass
    async with declared(url, 1):
        pass
    for name in old:
        async with channel_on(url) as channel:
            assert not await exists(channel, name)
    async with channel_on(url) as channel:
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.get_exchange("set_leverage.shards")


async def test_a_refusal_ends_the_start_of_a_worker_with_its_message(url: str, tmp_path: Path) -> None:
    settings = Settings(amqp_url=url, shards=2, state=tmp_path)
    async with consuming(url, 4):
        with pytest.raises(TopologyRefused, match="Drain first"):
            async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue()):
                pass


@pytest.mark.parametrize("queue", ["set_leverage", "set_leverage.1-of-2", "get_positions", DEAD_LETTERS, EVENTS_LOG])
async def test_a_queue_that_another_version_has_declared_is_refused_with_what_to_do(url: str, queue: str) -> None:
    async with channel_on(url) as channel:
        await channel.queue_delete(queue)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum", "x-max-length": 1})
        with pytest.raises(TopologyRefused, match=rf"'{queue}'.*Once it is empty, delete it with rabbitmqctl"):
            async with declared(url, 2):
                pass
        await channel.queue_delete(queue)


async def test_a_broker_without_the_plugin_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with PrivateBroker(tmp_path) as plain:
        (tmp_path / "rabbitmq" / "enabled_plugins").write_text("[].\n")
        await plain.restart()
        with pytest.raises(TopologyRefused, match="rabbitmq-plugins enable rabbitmq_consistent_hash_exchange"):
            async with declared(plain.url, 2):
                pass
        async with declared(plain.url, 1):
            pass
