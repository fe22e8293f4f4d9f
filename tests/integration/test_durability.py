"""What is told before the disk has it, and what is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.memory_venue import ACCOUNT, MemoryBus, MemoryVenue
from tests.support.worker_harness import COLLECT, TIMEOUT_MS, TO_10X, Body, WorkerHarness
from worker.accounts.account import Accounts
from worker.app.parts import build_worker
from worker.config.settings import Settings
from worker.ledger.ledger import Ledger, open_database
from worker.ledger.sql.database import Database


class SlowDisk(Ledger):
    """A ledger whose disk is done when it is told to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "w-1")
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def flushed(self, *, gathered: bool = False) -> None:
        self.asked.set()
        await self.go_on.wait()
        await super().flushed(gathered=gathered)


@asynccontextmanager
async def on_a_slow_disk(ledger_url: str) -> AsyncIterator[tuple[WorkerHarness, SlowDisk]]:
    """A worker on it."""
    database = await open_database(ledger_url)
    ledger, venue, bus = SlowDisk(database), MemoryVenue(), MemoryBus()
    settings = Settings(state=Path("/nonexistent"), timeout_ms=TIMEOUT_MS)
    yield (
        WorkerHarness(build_worker(settings, Accounts((ACCOUNT,)), lambda _: venue, ledger, bus), ledger, venue, bus),
        ledger,
    )
    await database.close()


async def test_a_setting_in_force_is_answered_at_once_and_told_to_everybody_when_it_is_on_the_disk(
    ledger_url: str,
) -> None:
    async with on_a_slow_disk(ledger_url) as (harness, disk):
        delivering = asyncio.create_task(harness.deliver(body=TO_10X))
        async with asyncio.timeout(40):
            await disk.asked.wait()
            assert [reply["statusCode"] for reply in harness.replies] == [200]
            assert harness.bus.events == []
            disk.go_on.set()
            await delivering
        assert harness.outcomes == ["applied"]


@pytest.mark.parametrize(
    ("operation", "body", "outcome"),
    [
        ("set_leverage", {**TO_10X, "symbol": "NO/USDT:USDT"}, "rejected"),
        ("pm_auto_collect", COLLECT, "applied"),
    ],
)
async def test_what_could_end_otherwise_if_the_record_were_lost_is_told_when_it_is_on_the_disk(
    ledger_url: str, operation: str, body: Body, outcome: str
) -> None:
    async with on_a_slow_disk(ledger_url) as (harness, disk):
        delivering = asyncio.create_task(harness.deliver(operation, body))
        async with asyncio.timeout(40):
            await disk.asked.wait()
            assert (harness.replies, harness.bus.events) == ([], [])
            disk.go_on.set()
            await delivering
        assert (len(harness.replies), harness.outcomes) == (1, [outcome])
