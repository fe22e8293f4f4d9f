"""Two workers on eight shards under load, and what becomes of the shards of the one that goes."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from math import inf
from pathlib import Path
from uuid import uuid4

import pytest

from schemas import COMMANDS, OPERATIONS
from schemas.client.stream import followed as events
from tests.support.broker_users import rabbitmqctl
from tests.support.memory_venue import BTC
from tests.support.recording_worker import ACCOUNTS, Change, read_record
from worker.broker.private_broker import PrivateBroker
from worker.bus.rpc import BusError, RpcClient, connect_rpc

SHARDS = 8
PER_ACCOUNT = 60
AHEAD = 8
"""How many commands of an account wait or run at once."""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Running:
    """A worker process, and the file it writes its changes to."""

    process: asyncio.subprocess.Process
    record: Path


async def started(url: str, state: Path, environment: Mapping[str, str]) -> Running:
    """A worker that begins to start; it tells when it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.recording_worker", url, str(SHARDS), str(state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return Running(process, state / "record")


async def ready(worker: Running) -> None:
    """Wait until a worker says that it works."""
    assert worker.process.stdout is not None
    assert await worker.process.stdout.readline() == b"ready\n"


@asynccontextmanager
async def two_workers(url: str, state: Path, **environment: str) -> AsyncIterator[list[Running]]:
    """Two that start at the same time."""
    workers = [await started(url, state / name, environment) for name in ("one", "other")]
    try:
        async with asyncio.timeout(60):
            for worker in workers:
                await ready(worker)
        yield workers
    finally:
        for worker in workers:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.process.wait()


@dataclass(slots=True)
class Load:
    """Publishes the commands of each account in order, a few ahead of their results."""

    url: str
    room: dict[str, asyncio.Semaphore] = field(default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(AHEAD)))
    accounts: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    per_account: float = PER_ACCOUNT
    third_told: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish everything, and return when every command has its result."""
        async with connect_rpc(self.url, "load", SHARDS) as rpc, asyncio.TaskGroup() as publishers:
            publishers.create_task(self._listen())
            for account in ACCOUNTS:
                publishers.create_task(self._publish_all(rpc, account.id))

    async def _publish_all(self, rpc: RpcClient, account: str) -> None:
        for leverage in count(1):
            await self.room[account].acquire()
            if leverage > self.per_account:
                return
            body = {"exchange_account_id": account, "symbol": BTC.symbol, "leverage": leverage}
            command_id = str(uuid4())
            self.accounts[command_id] = account
            await post(rpc, json.dumps(body).encode(), command_id)

    async def _listen(self) -> None:
        async with aclosing(events(self.url, "first")) as messages:
            async for message in messages:
                command_id = json.loads(message.body)["data"].get("command_id")
                if command_id in self.accounts and command_id not in self.told:
                    self.told.add(command_id)
                    self.room[self.accounts[command_id]].release()
                if len(self.told) > len(ACCOUNTS) * PER_ACCOUNT / 3:
                    self.third_told.set()
                if self._is_done():
                    return

    def enough(self) -> None:
        """Publish no more, where it has no end by itself."""
        self.per_account = 0

    def _is_done(self) -> bool:
        return len(self.told) == len(self.accounts) >= len(ACCOUNTS) * self.per_account


async def post(rpc: RpcClient, body: bytes, command_id: str) -> None:
    """Publish until the broker has it: what nobody can tell is published again, with the same id."""
    while True:
        try:
            deadline = int(time.time() * 1000) + 60_000
            return await rpc.post(OPERATIONS["set_leverage"], body, command_id=command_id, deadline=deadline)
        except BusError:
            await asyncio.sleep(0.1)


def overlaps(changes: Iterable[Change]) -> int:
    """How often a change of an account began before the one before it had ended."""
    by_account = defaultdict[str, list[Change]](list)
    for change in changes:
        by_account[change.account].append(change)
    return sum(later.began < earlier.ended for rows in by_account.values() for earlier, later in pairwise(rows))


def out_of_order(changes: Iterable[Change]) -> int:
    """How often a command was carried out for the first time after a later one of its account."""
    highest, late = Counter[str](), 0
    for account, leverage in {(row.account, row.leverage): None for row in changes}:
        late += leverage < highest[account]
        highest[account] = max(highest[account], leverage)
    return late


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_the_shards_of_a_worker_that_goes_move_with_nothing_lost_out_of_order_or_overlapping(
    node: PrivateBroker, tmp_path: Path, way: signal.Signals
) -> None:
    # Each has a ledger of its own: nothing but the broker keeps them apart, and what was not acknowledged is redone.
    async with two_workers(node.url, tmp_path) as workers, asyncio.TaskGroup() as running:
        load = Load(node.url)
        running.create_task(load.run())
        await load.third_told.wait()
        going = max(workers, key=lambda worker: worker.record.stat().st_size)
        going.process.send_signal(way)
        signalled = time.monotonic_ns()
        await going.process.wait()
        gone = time.monotonic_ns()
    # A kill is at once, and the other takes over sooner than this process, under load, is told of it.
    changes = read_record([worker.record for worker in workers], signalled)
    begun_again = counted(changes, load)
    assert {change.worker for change in changes if change.began > gone} == {
        worker.process.pid for worker in workers if worker is not going
    }
    assert begun_again == 0 or way is signal.SIGKILL


async def test_a_broker_that_restarts_under_load_loses_doubles_and_reorders_nothing(
    node: PrivateBroker, tmp_path: Path
) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with two_workers(node.url, tmp_path, PERPS_DMA_LEDGER_URL=ledger) as workers:
        async with asyncio.TaskGroup() as running:
            load = Load(node.url)
            running.create_task(load.run())
            await load.third_told.wait()
            await node.restart()
        changes = read_record([worker.record for worker in workers], time.monotonic_ns())
    assert counted(changes, load) == 0


@pytest.mark.long
async def test_after_a_rolling_restart_under_load_the_shards_are_shared_again(
    node: PrivateBroker, tmp_path: Path
) -> None:
    async with two_workers(node.url, tmp_path) as workers, asyncio.TaskGroup() as running:
        load = Load(node.url, per_account=inf)
        running.create_task(load.run())
        await load.third_told.wait()
        for going in tuple(workers):
            await restarted(node, workers, going, tmp_path)
            await until_shared(node)
        load.enough()
    changes = read_record([worker.record for worker in workers], time.monotonic_ns())
    assert counted(changes, load) == 0


@pytest.mark.long
async def test_after_a_restart_of_the_broker_the_shards_are_shared_again(node: PrivateBroker, tmp_path: Path) -> None:
    async with two_workers(node.url, tmp_path):
        await until_shared(node)
        for _ in range(2):
            await node.kill()
            await node.restart()
            await until_shared(node)


async def restarted(node: PrivateBroker, workers: list[Running], going: Running, state: Path) -> None:
    """A worker is stopped, and another one started in its place."""
    going.process.send_signal(signal.SIGTERM)
    await going.process.wait()
    workers.append(await started(node.url, state / f"again{len(workers)}", {}))
    await ready(workers[-1])


async def until_shared(node: PrivateBroker) -> None:
    """Wait until each worker is the active consumer of half of all shards."""
    async with asyncio.timeout(60):
        while sorted((await active(node)).values()) != [SHARDS * len(COMMANDS) // 2] * 2:
            pass


async def active(node: PrivateBroker) -> Counter[str]:
    """Of how many shards each worker is the active consumer."""
    columns = ("queue_name", "consumer_tag", "active")
    rows = [row.split("\t") for row in (await rabbitmqctl(node, "list_consumers", *columns)).splitlines()]
    return Counter(
        tag.removeprefix(f"{queue}-") for queue, tag, is_active in rows if "-of-" in queue and is_active == "true"
    )


def counted(changes: Sequence[Change], load: Load) -> int:
    """How many changes were begun more than once. None may be lost, late or beside another of its account."""
    begun = Counter((change.account, change.leverage) for change in changes)
    lost = len(load.accounts) - len(begun)
    again = sum(count > 1 for count in begun.values())
    print(f"lost {lost}, out of order {out_of_order(changes)}, overlaps {overlaps(changes)}, begun again {again}")
    assert (lost, out_of_order(changes), overlaps(changes)) == (0, 0, 0)
    return again
