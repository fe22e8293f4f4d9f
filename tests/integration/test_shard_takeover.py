"""Two workers on eight shards under load, and what becomes of the shards of the one that goes."""

import asyncio
import json
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractExchange

from tests.fakes import BTC
from tests.recording_worker import ACCOUNTS, Change, read_record
from tests.strategy import Strategy
from worker.bus.private_broker import PrivateBroker
from worker.bus.topology import COMMANDS_EXCHANGE

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


async def started(url: str, state: Path) -> Running:
    """A worker that begins to start; it tells when it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.recording_worker", url, str(SHARDS), str(state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return Running(process, state / "record")


@asynccontextmanager
async def two_workers(url: str, state: Path) -> AsyncIterator[list[Running]]:
    """Two that start at the same time."""
    workers = [await started(url, state / name) for name in ("one", "other")]
    try:
        async with asyncio.timeout(60):
            for worker in workers:
                assert worker.process.stdout is not None
                assert await worker.process.stdout.readline() == b"ready\n"
        yield workers
    finally:
        for worker in workers:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.process.wait()


@dataclass(slots=True)
class Load:
    """Publishes the commands of each account in order, a few ahead of their results."""

    strategy: Strategy
    exchange: AbstractExchange
    room: dict[str, asyncio.Semaphore] = field(default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(AHEAD)))
    accounts: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    third_told: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish everything, and return when every command has its result."""
        async with asyncio.TaskGroup() as publishers:
            publishers.create_task(self._listen())
            for account in ACCOUNTS:
                publishers.create_task(self._publish_all(account.id))

    async def _publish_all(self, account: str) -> None:
        for leverage in range(1, PER_ACCOUNT + 1):
            await self.room[account].acquire()
            body = {"exchange_account_id": account, "symbol": BTC.symbol, "leverage": leverage}
            command_id = str(uuid4())
            self.accounts[command_id] = account
            message = aio_pika.Message(
                json.dumps(body).encode(),
                message_id=command_id,
                headers={"account": account},
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await self.exchange.publish(message, "set_leverage")

    async def _listen(self) -> None:
        while len(self.told) < len(ACCOUNTS) * PER_ACCOUNT:
            async with asyncio.timeout(60):
                event = json.loads((await self.strategy.events.get()).body)
            command_id = event["data"].get("command_id")
            if command_id and command_id not in self.told:
                self.told.add(command_id)
                self.room[self.accounts[command_id]].release()
            if len(self.told) > len(ACCOUNTS) * PER_ACCOUNT / 3:
                self.third_told.set()


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
    async with two_workers(node.url, tmp_path) as workers, Strategy.connected(node.url) as strategy:
        load = Load(strategy, await strategy.channel.get_exchange(COMMANDS_EXCHANGE, ensure=False))
        async with asyncio.TaskGroup() as running:
            running.create_task(load.run())
            await load.third_told.wait()
            going = max(workers, key=lambda worker: worker.record.stat().st_size)
            going.process.send_signal(way)
            await going.process.wait()
            gone = time.monotonic_ns()
    changes = read_record([worker.record for worker in workers], gone)
    begun = Counter((change.account, change.leverage) for change in changes)
    lost = len(ACCOUNTS) * PER_ACCOUNT - len(begun)
    twice = sum(count > 1 for count in begun.values())
    counts = [Counter(change.worker for change in changes if (change.began > gone) is after) for after in (False, True)]
    print(f"lost {lost}, out of order {out_of_order(changes)}, overlaps {overlaps(changes)}, begun again {twice}")
    print(*(sorted(count.values()) for count in counts))
    assert (lost, out_of_order(changes), overlaps(changes)) == (0, 0, 0)
    assert {change.worker for change in changes if change.began > gone} == {
        worker.process.pid for worker in workers if worker is not going
    }
    assert twice == 0 or way is signal.SIGKILL
