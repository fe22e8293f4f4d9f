"""The schedule as it runs: nothing that goes wrong with one account or venue stops it, here or elsewhere."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from schemas import MarketType
from schemas.base import Milliseconds
from tests.support.hand_clock import HandClock
from tests.support.memory_venue import ACCOUNT, MemoryBus, MemoryVenue
from tests.unit.snapshot_desk import desk
from worker.accounts.account import Account, Accounts
from worker.messages.wire import Outgoing
from worker.runtime.clock import now
from worker.snapshots.intervals import Interval
from worker.snapshots.schedule import AT_ONCE
from worker.venues.port.adapter import Adapter, Market, OpenPositions
from worker.venues.port.errors import NotSent

OFTEN = Interval(interval=50, heartbeat=50)
"""Every look is told."""


class WallClock(HandClock):
    """The time as it passes."""

    def __call__(self) -> Milliseconds:
        return now()


@dataclass
class HeardBus(MemoryBus):
    """Lets a test wait for what is published."""

    heard: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def event(self, event: Outgoing) -> None:
        await MemoryBus.event(self, event)
        await self.heard.put(json.loads(event.body)["data"])

    async def snapshots(self, count: int, *accounts: Account) -> None:
        """Returns when so many snapshots of each of the accounts were published."""
        missing = Counter({account.id: count for account in accounts})
        async with asyncio.timeout(40):
            while missing.total():
                missing -= Counter([(await self.heard.get())["exchange_account_id"]])


@dataclass
class HangingVenue(MemoryVenue):
    """It never answers."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        self.log.append("positions")
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


def account(number: int, exchange: str = "binance") -> Account:
    return ACCOUNT.model_copy(update={"id": f"{exchange}-{number}", "exchange": exchange})


@asynccontextmanager
async def running(
    tmp_path: Path,
    adapter_of: Callable[[Account], Adapter],
    *accounts: Account,
    rhythm: Interval = OFTEN,
    served: Accounts | None = None,
) -> AsyncIterator[HeardBus]:
    bus = HeardBus()
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with desk(
        *(url, MemoryVenue(), bus, WallClock()),
        adapter_of=adapter_of,
        accounts=served or Accounts(accounts),
        rhythm=rhythm,
    ) as worker:
        task = asyncio.create_task(worker.schedule.run())
        try:
            yield bus
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()


async def test_every_account_is_read_again_and_again(tmp_path: Path) -> None:
    accounts = [account(number) for number in range(5)]
    async with running(tmp_path, lambda _: MemoryVenue(), *accounts) as bus:
        await bus.snapshots(3, *accounts)


async def test_accounts_that_come_are_read_and_those_that_go_are_no_longer(tmp_path: Path) -> None:
    stays, goes, comes = (account(number) for number in range(3))
    venues, served = {one.id: MemoryVenue() for one in (stays, goes, comes)}, Accounts([stays, goes])
    async with running(tmp_path, lambda one: venues[one.id], served=served) as bus:
        await bus.snapshots(1, stays, goes)
        served.replace([stays, comes])
        await bus.snapshots(1, comes)
        read = len(venues[goes.id].log)
        await bus.snapshots(3, stays, comes)
    assert len(venues[goes.id].log) == read


async def test_a_venue_that_hangs_delays_no_other(tmp_path: Path) -> None:
    hanging, venue, well = HangingVenue(), MemoryVenue(), account(0, "okx")
    stuck = [account(number) for number in range(2 * AT_ONCE)]
    async with running(tmp_path, lambda one: venue if one is well else hanging, *stuck, well) as bus:
        await hanging.asked.wait()
        await bus.snapshots(5, well)
    assert len(hanging.log) <= AT_ONCE
    assert {snapshot["exchange_account_id"] for snapshot in bus.told("positions")} == {well.id}


async def test_a_fault_of_ours_is_logged_and_the_schedule_goes_on(tmp_path: Path) -> None:
    venue, ill, well = MemoryVenue(), account(0), account(1)
    faults = [ZeroDivisionError("a bug")] * 3

    def adapter_of(one: Account) -> Adapter:
        if one is ill and faults:
            raise faults.pop()
        return venue

    with capture_logs() as logs:
        async with running(tmp_path, adapter_of, ill, well) as bus:
            await bus.snapshots(2, ill, well)
    told = [str(entry["exc_info"]) for entry in logs if entry["log_level"] == "error"]
    assert told == ["a bug"] * 3


async def test_markets_that_are_not_loaded_yet_are_waited_for(tmp_path: Path) -> None:
    venue, refusals = MemoryVenue(), [NotSent("the markets of binance are not loaded yet")] * 3

    def adapter_of(_: Account) -> Adapter:
        if refusals:
            raise refusals.pop()
        return venue

    async with running(tmp_path, adapter_of, ACCOUNT) as bus:
        await bus.snapshots(4, ACCOUNT)
    assert [snapshot["stale"] for snapshot in bus.told("positions")[:4]] == [True, True, True, False]


async def test_a_schedule_that_is_turned_off_reads_nothing(tmp_path: Path) -> None:
    venue = MemoryVenue()
    async with desk(f"sqlite:///{tmp_path / 'ledger.db'}", venue, rhythm=Interval(0, 60_000)) as worker:
        await worker.schedule.run()
    assert (venue.log, worker.bus.events) == ([], [])


async def test_what_was_cut_off_in_the_middle_is_taken_again_by_the_next_worker(tmp_path: Path) -> None:
    hanging = HangingVenue()
    async with running(tmp_path, lambda _: hanging, ACCOUNT) as bus:
        await hanging.asked.wait()
    assert bus.events == []
    async with running(tmp_path, lambda _: MemoryVenue(), ACCOUNT) as bus:
        await bus.snapshots(1, ACCOUNT)
    assert bus.told("positions")[0]["seq"] == 1
