"""A ledger that can't prove that it has all it has told begins a new epoch: no number and no id is used twice."""

import asyncio
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr

from schemas.client.trouble import CONNECTION_TROUBLE
from schemas.operations import EVENTS_LOG
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.operation_queues import emptied
from tests.support.postgres import PostgresServer
from tests.support.strategy import Body, Strategy
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.private_broker import PrivateBroker
from worker.config.settings import Settings

RISKY = ACCOUNT.model_copy(update={"id": "memory-risk-001"})
SCOPE = {"exchange": "okx"}
NEVER = 3_600_000


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
async def url(node: PrivateBroker) -> str:
    """A broker whose stream is empty."""
    await emptied(node.url)
    async with await aio_pika.connect(node.url) as connection:
        await (await connection.channel()).queue_delete(EVENTS_LOG)
    return node.url


@asynccontextmanager
async def worker(url: str, ledger_url: str, venue: MemoryVenue) -> AsyncIterator[Strategy]:
    """A worker, and whoever speaks with it."""
    settings = Settings(
        amqp_url=url,
        ledger_url=SecretStr(ledger_url),
        timeout_ms=20_000,
        snapshot_interval_ms=100,
        snapshot_heartbeat_ms=NEVER,
    )
    await emptied(url)
    async with Strategy.connected(url) as strategy, running_worker(settings, Accounts((RISKY,)), lambda _: venue):
        yield strategy


async def set_leverage(strategy: Strategy, leverage: int, command_id: str | None = None) -> Body:
    """A command, and the snapshot after it."""
    body = {"exchange_account_id": RISKY.id, "symbol": BTC.symbol, "leverage": leverage}
    command_id = await strategy.publish("set_leverage", body, message_id=command_id or str(uuid4()))
    await strategy.event("result", command_id)
    return await strategy.event("positions", command_id)


async def all_events(url: str) -> list[Body]:
    """Everything in the stream."""
    inbox, end = asyncio.Queue[AbstractIncomingMessage](), json.dumps({"type": str(uuid4())}).encode()
    async with asyncio.timeout(10), await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1_000)
        await channel.default_exchange.publish(aio_pika.Message(end), EVENTS_LOG)
        await (await channel.get_queue(EVENTS_LOG)).consume(inbox.put, arguments={"x-stream-offset": "first"})
        events = list[Body]()
        while (message := await inbox.get()).body != end:
            events.append(json.loads(message.body))
    return [event for event in events if "id" in event]


async def copied(ledger_url: str, server: PostgresServer | None) -> str:
    """A copy of a ledger that nobody uses, as a backup that was restored."""
    if server is None:
        path = Path(ledger_url.removeprefix("sqlite:///"))
        copy = path.with_name(f"{uuid4()}.db")
        with closing(sqlite3.connect(path)) as file:
            file.execute("VACUUM INTO ?", (str(copy),))
        return f"sqlite:///{copy}"
    copy_url, source = await server.database(), ledger_url.rpartition("/")[2]
    connection = await asyncpg.connect(ledger_url.replace(source, "postgres"))
    name = copy_url.rpartition("/")[2]
    # A session that was closed is gone from the server a moment later.
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", source)
    await connection.execute(f"DROP DATABASE {name}")
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
    await connection.close()
    return copy_url


@dataclass
class Told:
    """What the stream shows in all."""

    events: list[Body]
    contents: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for event in self.events:
            self.contents[event["id"]].add(json.dumps(event))

    @property
    def with_two_contents(self) -> int:
        """How many ids stand for two different events."""
        return sum(len(contents) > 1 for contents in self.contents.values())

    @property
    def epochs(self) -> list[int]:
        """Those that began, in their order."""
        return [event["epoch"] for event in self.of("epoch")]

    def of(self, kind: str) -> list[Body]:
        return [event for event in self.events if event["type"] == f"perps-dma.{kind}.v1"]

    def counted(self) -> list[tuple[int, int]]:
        """Epoch and number of each snapshot, without repetitions, as they came."""
        return list(dict.fromkeys((event["epoch"], event["data"]["seq"]) for event in self.of("positions")))


async def test_a_ledger_that_has_all_it_told_goes_on_in_its_epoch(url: str, ledger_url: str) -> None:
    venue = MemoryVenue()
    for leverage in (11, 12, 13):
        async with worker(url, ledger_url, venue) as strategy:
            await set_leverage(strategy, leverage)
    told = Told(await all_events(url))
    (epoch,) = told.epochs
    assert {event["epoch"] for event in told.events} == {epoch}
    assert told.counted() == [(epoch, seq) for seq in range(1, len(told.counted()) + 1)]


async def test_a_restored_ledger_begins_an_epoch_and_uses_no_number_and_no_id_again(
    url: str, ledger_url: str, ledger_server: PostgresServer | None
) -> None:
    venue, lost = MemoryVenue(), str(uuid4())
    async with worker(url, ledger_url, venue) as strategy:
        before = await set_leverage(strategy, 11)
        await strategy.ask("freeze", {**SCOPE, "reason": "before the backup"})
    backup = await copied(ledger_url, ledger_server)
    async with worker(url, ledger_url, venue) as strategy:
        for leverage in range(12, 20):
            last = await set_leverage(strategy, leverage, lost if leverage == 12 else None)
        await strategy.ask("unfreeze", SCOPE)
        await strategy.ask("freeze", {"all": True, "reason": "after the backup"})
    async with worker(url, backup, venue) as strategy:
        again = await set_leverage(strategy, 12, lost)
        frozen = await strategy.ask("get_freezes", {})
    told = Told(await all_events(url))
    first, second = told.epochs
    assert second > first
    assert told.with_two_contents == 0
    assert before["seq"] < again["seq"] <= last["seq"] < last["seq"] + 1
    assert max(told.counted()) == (second, again["seq"])
    assert len({event["id"] for event in told.of("result") if event["data"]["command_id"] == lost}) == 2
    # What is frozen now is told in the new epoch; what its subscribers believe otherwise ends with the old one.
    now = [event["data"]["scope"] for event in told.of("freeze") if event["epoch"] == second]
    assert now == [row["scope"] for row in frozen[0]["data"]["freezes"]] == ["exchange:okx"]


async def test_a_new_ledger_begins_behind_the_epoch_of_the_one_before(
    url: str, tmp_path: Path, ledger_url: str
) -> None:
    venue = MemoryVenue()
    async with worker(url, f"sqlite:///{tmp_path / 'before.db'}", venue) as strategy:
        await set_leverage(strategy, 11)
    async with worker(url, ledger_url, venue) as strategy:
        await set_leverage(strategy, 12)
    told = Told(await all_events(url))
    first, second = told.epochs
    assert first < second == max(told.counted())[0]
    assert told.with_two_contents == 0


@pytest.mark.long
async def test_several_workers_on_a_restored_ledger_begin_one_epoch(
    url: str, ledger_url: str, ledger_server: PostgresServer | None
) -> None:
    venue = MemoryVenue()
    async with worker(url, ledger_url, venue):
        pass
    backup = await copied(ledger_url, ledger_server)
    async with worker(url, ledger_url, venue) as strategy:
        await set_leverage(strategy, 11)
    async with AsyncExitStack() as stack:
        started = [stack.enter_async_context(worker(url, backup, venue)) for _ in range(4)]
        strategy, *_ = await asyncio.gather(*started)
        await set_leverage(strategy, 12)
    told = Told(await all_events(url))
    assert len(told.epochs) == 2
    assert told.with_two_contents == 0


@pytest.mark.long
async def test_a_broker_that_was_emptied_is_told_freezes_and_positions_anew(tmp_path: Path, ledger_url: str) -> None:
    async with PrivateBroker(tmp_path / "node") as node:
        async with worker(node.url, ledger_url, MemoryVenue()) as strategy:
            await set_leverage(strategy, 11)
            await strategy.ask("freeze", {**SCOPE, "reason": "why"})
            (first,) = Told(await all_events(node.url)).epochs
            await node.kill()
            shutil.rmtree(tmp_path / "node" / "rabbitmq" / "data")
            await node.restart()
            told = await until_told(node.url, lambda told: bool(told.of("freeze") and told.of("positions")))
        (second,) = told.epochs
        assert second > first
        assert [(row["epoch"], row["data"]["scope"]) for row in told.of("freeze")] == [(second, "exchange:okx")]
        assert told.of("positions")[-1]["epoch"] == second


async def until_told(url: str, is_told: Callable[[Told], bool]) -> Told:
    """What the stream shows when it shows something."""
    async with asyncio.timeout(60):
        while True:
            try:
                told = Told(await all_events(url))
            except CONNECTION_TROUBLE:  # it is not there yet
                continue
            if is_told(told):
                return told


async def test_a_server_that_lost_commits_while_workers_run_is_noticed_before_anything_is_counted(
    url: str, postgres: PostgresServer
) -> None:
    venue, ledger_url = MemoryVenue(), await postgres.database()
    async with worker(url, ledger_url, venue) as strategy, worker(url, ledger_url, venue):
        await set_leverage(strategy, 11)
        before = await contents(ledger_url)
        for leverage in range(12, 20):
            await set_leverage(strategy, leverage, f"lost-{leverage}")
        await go_back(ledger_url, before)
        await set_leverage(strategy, 20)
        await set_leverage(strategy, 15, "lost-15")
    told = Told(await all_events(url))
    first, second = told.epochs
    assert told.with_two_contents == 0
    assert [epoch for epoch, _ in told.counted()] == sorted(epoch for epoch, _ in told.counted())
    assert max(told.counted())[0] == second > first


TABLES = ("commands", "snapshots", "outbox")


async def contents(ledger_url: str) -> dict[str, list[Any]]:
    """The rows as they are."""
    connection = await asyncpg.connect(ledger_url)
    rows = {table: await connection.fetch(f"SELECT * FROM {table}") for table in TABLES}
    await connection.close()
    return rows


async def go_back(ledger_url: str, rows: dict[str, list[Any]]) -> None:
    """Another server takes over, to which the last commits had not come: older rows, at another place."""
    connection = await asyncpg.connect(ledger_url)
    async with connection.transaction():
        for table, kept in rows.items():
            await connection.execute(f"DELETE FROM {table}")
            await connection.copy_records_to_table(table, records=[tuple(row) for row in kept])
        await connection.execute("CREATE OR REPLACE VIEW epoch_here AS SELECT 'another server' AS place")
    await connection.close()
