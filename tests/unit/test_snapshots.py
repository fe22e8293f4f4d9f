"""Snapshots of an account: numbered for good, true or marked as old, published when there is something to tell."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas import MarginMode, MarketType
from schemas.control import StreamHealth, StreamState
from schemas.events import Trigger
from tests.support.hand_clock import HandClock
from tests.support.memory_venue import ACCOUNT, BTC, THEN, MemoryBus, MemoryVenue
from tests.unit.snapshot_desk import HEARTBEAT, INTERVAL, LONG, SECOND, Desk, command, desk, snapshot
from worker.ledger.observed.newest import Kept
from worker.runtime.clock import steady
from worker.snapshots.after_commands import GATHER_MS, TRIES
from worker.snapshots.intervals import Interval
from worker.snapshots.latest import Newest, Recent
from worker.venues.port.adapter import Adapter, Market, OpenPositions
from worker.venues.port.errors import AccessDenied, NotSent

UNREADABLE = AccessDenied("the key has expired")


@pytest.fixture
def venue() -> MemoryVenue:
    return MemoryVenue()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
async def worker(url: str, venue: MemoryVenue) -> AsyncIterator[Desk]:
    async with desk(url, venue) as one:
        yield one


def snapshots(bus: MemoryBus) -> list[dict[str, Any]]:
    return bus.told("positions")


def seqs(bus: MemoryBus) -> list[int]:
    return [snapshot["seq"] for snapshot in snapshots(bus)]


# After commands


async def test_a_burst_of_changes_shares_one_snapshot_taken_after_all_of_them(worker: Desk, venue: MemoryVenue) -> None:
    await asyncio.gather(*(worker.after(str(number)) for number in range(20)))
    (snapshot,) = snapshots(worker.bus)
    assert snapshot["command_ids"] == [str(number) for number in range(20)]
    assert (snapshot["trigger"], venue.log) == ("command", ["positions"])


async def test_the_first_change_is_shown_at_once_and_those_that_follow_share_the_next_snapshot(
    url: str, venue: MemoryVenue
) -> None:
    async with desk(url, venue, floor_ms=400) as worker:
        began = steady()
        await worker.after("first")
        first = steady() - began
        for name in ("second", "third"):
            worker.after_commands.owe(command(name))
            await asyncio.sleep(2 * GATHER_MS / 1000)  # without a floor each has one of its own
        await worker.after_commands.settled()
        assert [row["command_ids"] for row in snapshots(worker.bus)] == [["first"], ["second", "third"]]
        assert first < 400 <= steady() - began


async def test_who_stops_takes_what_is_due_without_waiting_for_more(url: str, venue: MemoryVenue) -> None:
    async with desk(url, venue, floor_ms=60_000) as worker:
        await worker.after("first")
        worker.after_commands.owe(command("second"))
        await worker.after_commands.close(5)
        assert [row["command_ids"] for row in snapshots(worker.bus)] == [["first"], ["second"]]


async def test_a_command_gets_its_snapshot_though_nothing_changed(worker: Desk) -> None:
    await worker.after("a", "b")
    assert [snapshot["command_ids"] for snapshot in snapshots(worker.bus)] == [["a"], ["b"]]


async def test_numbers_and_event_ids_go_on_after_a_restart(url: str, venue: MemoryVenue) -> None:
    bus = MemoryBus()
    for command_id in ("a", "b", "c"):
        async with desk(url, venue, bus) as worker:
            await worker.after(command_id)
    assert seqs(bus) == [1, 2, 3]
    assert len({event.id for event in bus.events}) == 3


# What is known while the venue can't be read


async def test_an_unreadable_venue_gives_the_last_positions_known_marked_stale(
    worker: Desk, venue: MemoryVenue
) -> None:
    await worker.after("a")
    venue.contracts = Decimal(7)
    venue.unreadable.append(UNREADABLE)
    await worker.after("b")
    fresh, stale = snapshots(worker.bus)
    assert (fresh["stale"], stale["stale"]) == (False, True)
    assert (stale["positions"], stale["coverage"]) == (fresh["positions"], fresh["coverage"])


async def test_a_stale_snapshot_is_as_of_the_last_time_the_venue_could_be_read(
    worker: Desk, venue: MemoryVenue
) -> None:
    await worker.look()
    await worker.look()  # nothing new, so nothing is told; but it was so until then
    venue.unreadable.append(UNREADABLE)
    await worker.look()
    fresh, stale = snapshots(worker.bus)
    assert stale["as_of"] == fresh["as_of"] + INTERVAL == worker.clock() - INTERVAL


async def test_after_a_restart_the_last_positions_known_come_from_the_ledger_digit_by_digit(
    url: str, venue: MemoryVenue
) -> None:
    bus, venue.contracts = MemoryBus(), Decimal("0.12345678901234567890123")
    async with desk(url, venue, bus) as worker:
        await worker.look()
    venue.unreadable.append(UNREADABLE)
    async with desk(url, venue, bus, worker.clock) as worker:
        await worker.look()
    fresh, stale = [event.body.partition('"positions":')[2] for event in bus.events]
    assert "0.12345678901234567890123" in stale
    assert stale == fresh


async def test_a_venue_that_was_never_read_gives_a_snapshot_that_covers_nothing(url: str) -> None:
    def not_loaded(_: object) -> Adapter:
        raise NotSent("the markets of binance are not loaded yet")

    async with desk(url, MemoryVenue(), adapter_of=not_loaded) as worker:
        await worker.look()
    (snapshot,) = snapshots(worker.bus)
    assert (snapshot["stale"], snapshot["coverage"], snapshot["positions"]) == (True, [], [])


async def test_a_snapshot_of_another_version_leaves_its_number_and_nothing_else(
    worker: Desk, venue: MemoryVenue
) -> None:
    await worker.ledger.snapshots.keep(Kept(ACCOUNT.id, 1, THEN, '{"data": {"positions_v2": []}}'), [])
    await worker.look()
    assert seqs(worker.bus) == [2]
    assert len(snapshots(worker.bus)[0]["positions"]) == 1


# On schedule


async def test_the_first_look_is_told_and_from_then_on_what_changed(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    venue.mark_price += 1000
    await worker.look()
    assert seqs(worker.bus) == [1]
    venue.contracts *= 2
    await worker.look()
    first, second = snapshots(worker.bus)
    assert (first["trigger"], second["trigger"], second["seq"]) == ("schedule", "schedule", 2)
    assert [row["contracts"] for row in second["positions"]] == [0.1]


async def test_the_venue_is_told_as_unreadable_once_and_as_readable_again_once(
    worker: Desk, venue: MemoryVenue
) -> None:
    venue.unreadable.extend([UNREADABLE, UNREADABLE])
    for _ in range(4):
        await worker.look()
    assert [snapshot["stale"] for snapshot in snapshots(worker.bus)] == [True, False]


@pytest.mark.parametrize("readable", [True, False])
async def test_a_snapshot_is_published_every_heartbeat_though_nothing_changed(
    worker: Desk, venue: MemoryVenue, readable: bool
) -> None:
    venue.unreadable.extend([] if readable else [UNREADABLE] * 100)
    told_at = []
    for _ in range(19):
        before = len(worker.bus.events)
        await worker.look()
        told_at += [worker.clock()] * (len(worker.bus.events) - before)
    assert [later - earlier for earlier, later in pairwise(told_at)] == [HEARTBEAT] * 3
    assert seqs(worker.bus) == [1, 2, 3, 4]


async def test_in_a_new_epoch_an_account_that_is_live_is_read_with_its_next_heartbeat(
    url: str, venue: MemoryVenue
) -> None:
    async with desk(url, venue, rhythm=Interval(60 * HEARTBEAT, HEARTBEAT)) as worker:
        live = StreamState(exchange="binance", exchange_account_id=ACCOUNT.id, state=StreamHealth.LIVE, since=0)
        worker.board.put(live)
        await worker.look()
        await worker.look(HEARTBEAT)
        assert (seqs(worker.bus), venue.log) == ([1, 2], ["positions"])
        await worker.ledger.epoch.begin(worker.ledger.epoch.number + 1, [], worker.clock())
        await worker.look(HEARTBEAT)
        assert (seqs(worker.bus), venue.log) == ([1, 2, 3], ["positions", "positions"])


async def test_margin_of_an_account_that_is_live_is_read_soon_after_its_stream_began_and_then_in_its_rhythm(
    url: str, venue: MemoryVenue
) -> None:
    rhythm = Interval(5 * HEARTBEAT, HEARTBEAT)
    for start in (1, 2):  # a restart much later, too: what was read before it is old
        async with desk(url, venue, rhythm=rhythm, tells_margin=True) as worker:
            worker.clock.pass_(start * 100 * HEARTBEAT)
            live = StreamState(exchange="binance", exchange_account_id=ACCOUNT.id, state=StreamHealth.LIVE, since=0)
            worker.board.put(live)
            before = await worker.snapshots.newest(ACCOUNT)
            await worker.snapshots.take(ACCOUNT, before, Trigger.STREAM)
            assert worker.bus.told("margin") == []
            await worker.look(SECOND)
            reads = len(venue.log)
            assert len(worker.bus.told("margin")) == 1
            for _ in range(3):
                await worker.look(SECOND)
            assert (len(venue.log), len(worker.bus.told("margin"))) == (reads, 1)


async def test_a_heartbeat_is_counted_from_the_last_snapshot_whatever_it_was_for(worker: Desk) -> None:
    await worker.look()
    for _ in range(5):
        await worker.look()
    await worker.after("a")
    for _ in range(5):
        await worker.look()
    assert [snapshot["trigger"] for snapshot in snapshots(worker.bus)] == ["schedule", "command"]


async def test_an_account_is_read_once_a_turn_by_however_many_workers(url: str, venue: MemoryVenue) -> None:
    bus, clock = MemoryBus(), HandClock()
    async with desk(url, venue, bus, clock) as one, desk(url, venue, bus, clock) as other:
        for turn in range(1, 6):
            clock.pass_(INTERVAL)
            await asyncio.gather(*(worker.schedule.look(ACCOUNT) for worker in (one, other, one)))
            await other.schedule.look(ACCOUNT)
            assert venue.log == ["positions"] * turn
    assert seqs(bus) == [1]


async def test_a_clock_that_was_set_back_does_not_stop_the_schedule(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    await worker.look(after=-3_600 * SECOND)
    assert venue.log == ["positions"] * 2


async def test_while_the_ledger_fails_nothing_is_told_and_no_number_is_lost(
    worker: Desk, url: str, venue: MemoryVenue
) -> None:
    await worker.look()
    with broken(url):
        venue.contracts *= 2
        await worker.look()
        after = asyncio.create_task(worker.after("a"))
        await asyncio.wait([after], timeout=0.3)
        assert not after.done()
        assert seqs(worker.bus) == [1]
    await after
    assert seqs(worker.bus) == [1, 2]


@contextmanager
def broken(url: str) -> Iterator[None]:
    """The ledger can't be used for snapshots, for as long as the context lasts."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as ledger:
        ledger.execute("ALTER TABLE snapshots RENAME TO elsewhere")
        try:
            yield
        finally:
            ledger.execute("ALTER TABLE elsewhere RENAME TO snapshots")


# Beside another worker


@dataclass
class Meanwhile(MemoryVenue):
    """Something happens while the venue is asked for positions."""

    happens: Callable[[], Awaitable[None]] | None = None

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        found = await MemoryVenue.positions(self, market_type, market)
        if self.happens is not None:
            await self.happens()
        return found


@asynccontextmanager
async def two_workers(url: str, times: int) -> AsyncIterator[tuple[Desk, Meanwhile]]:
    """Whenever the first one asks, so many times, the other takes a snapshot of the state that came after."""
    bus, clock, slow, venue = MemoryBus(), HandClock(), Meanwhile(), MemoryVenue()
    async with desk(url, slow, bus, clock) as worker, desk(url, venue, bus, clock) as other:
        left = times

        async def happens() -> None:
            nonlocal left
            if left:
                left -= 1
                venue.contracts += 1
                slow.contracts = venue.contracts
                await other.after("other")

        slow.happens = happens
        yield worker, slow


async def test_a_snapshot_that_another_worker_overtook_is_taken_anew_and_never_of_an_older_state(url: str) -> None:
    async with two_workers(url, times=3) as (worker, venue):
        await worker.after("mine")
    assert seqs(worker.bus) == [1, 2, 3, 4]
    assert [row["contracts"] for row in snapshots(worker.bus)[-1]["positions"]] == [3.05]
    assert snapshots(worker.bus)[-1]["command_ids"] == ["mine"]
    assert venue.log == ["positions"] * 4


async def test_a_scheduled_snapshot_that_another_worker_overtook_is_left_to_it(url: str) -> None:
    async with two_workers(url, times=1) as (worker, venue):
        await worker.look()
    assert [snapshot["command_ids"] for snapshot in snapshots(worker.bus)] == [["other"]]
    assert venue.log == ["positions"]


async def test_a_snapshot_that_is_always_overtaken_is_given_up(url: str) -> None:
    async with two_workers(url, times=1_000) as (worker, venue):
        await worker.after("mine")
    assert venue.log == ["positions"] * TRIES
    assert {tuple(snapshot["command_ids"]) for snapshot in snapshots(worker.bus)} == {("other",)}


# Drift


async def test_terms_that_changed_outside_are_told_with_the_snapshot_that_shows_them(
    worker: Desk, venue: MemoryVenue
) -> None:
    await worker.look()
    venue.leverage, venue.margin_mode = Decimal(20), MarginMode.ISOLATED
    await worker.look()
    assert [event.routing_key for event in worker.bus.events[1:]] == [
        f"positions.binance.{ACCOUNT.id}",
        f"control.drift.binance.{ACCOUNT.id}",
    ]
    (drift,) = worker.bus.told("drift")
    assert (drift["seq"], drift["as_of"]) == (2, worker.clock())
    assert drift["positions"] == [
        {
            "symbol": BTC.symbol,
            "side": "long",
            "leverage_before": 5,
            "leverage": 20,
            "margin_mode_before": "cross",
            "margin_mode": "isolated",
        }
    ]


async def test_drift_is_told_once(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    venue.leverage = Decimal(20)
    for _ in range(10):
        await worker.look()
    assert len(worker.bus.told("drift")) == 1


async def test_a_snapshot_after_a_command_tells_drift_as_well(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    venue.leverage = Decimal(20)
    await worker.after("a")
    assert [drift["seq"] for drift in worker.bus.told("drift")] == [2]


async def test_what_a_command_of_ours_asked_for_is_no_drift(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    await worker.end(await worker.begin("set_leverage", leverage=20))
    venue.leverage = Decimal(20)
    await worker.look()
    await worker.end(await worker.begin("set_margin_mode", margin_mode="isolated"))
    venue.margin_mode = MarginMode.ISOLATED
    await worker.look()
    assert (seqs(worker.bus), worker.bus.told("drift")) == ([1, 2, 3], [])


async def test_what_a_command_under_way_asks_for_is_no_drift(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    await worker.begin("set_leverage", leverage=20)
    venue.leverage = Decimal(20)
    await worker.look()
    assert worker.bus.told("drift") == []


async def test_another_value_than_we_asked_for_is_drift(worker: Desk, venue: MemoryVenue) -> None:
    await worker.look()
    await worker.end(await worker.begin("set_leverage", leverage=20))
    venue.leverage = Decimal(21)
    await worker.look()
    assert len(worker.bus.told("drift")) == 1


async def test_a_command_from_before_the_last_reading_explains_nothing(worker: Desk, venue: MemoryVenue) -> None:
    await worker.end(await worker.begin("set_leverage", leverage=20))
    await worker.look()
    await worker.look()
    venue.leverage = Decimal(20)
    await worker.look()
    assert len(worker.bus.told("drift")) == 1


async def test_a_venue_that_shows_our_change_a_moment_late_is_no_drift(worker: Desk, venue: MemoryVenue) -> None:
    await worker.end(await worker.begin("set_leverage", leverage=20))
    await worker.look(after=SECOND)
    venue.leverage = Decimal(20)
    await worker.look()
    assert worker.bus.told("drift") == []


@pytest.mark.parametrize(("asked_for", "told"), [(20, 0), (19, 1)])
async def test_what_changed_while_the_venue_could_not_be_read_is_drift_unless_we_asked_for_it(
    worker: Desk, venue: MemoryVenue, asked_for: int, told: int
) -> None:
    await worker.look()
    await worker.end(await worker.begin("set_leverage", leverage=asked_for))
    venue.leverage = Decimal(20)
    venue.unreadable.extend([UNREADABLE] * 7)
    for _ in range(7):
        await worker.look()
    assert worker.bus.told("drift") == []
    await worker.look()
    assert len(worker.bus.told("drift")) == told


async def test_drift_and_its_snapshot_are_recorded_together_or_not_at_all(url: str, venue: MemoryVenue) -> None:
    async with two_workers(url, times=0) as (worker, slow):
        await worker.look()
        slow.leverage = Decimal(20)

        async def overtaken() -> None:
            newest = await worker.ledger.snapshots.newest(ACCOUNT.id)
            assert newest is not None
            await worker.ledger.snapshots.keep(replace(newest, seq=newest.seq + 1), [])

        slow.happens = overtaken
        await worker.look()
    assert (seqs(worker.bus), worker.bus.told("drift")) == ([1], [])


# Remembered


def newest(account: str, seq: int, positions: int) -> Newest:
    held = snapshot(*[LONG] * positions, seq=seq, exchange_account_id=account)
    event = json.dumps({"data": held.model_dump(mode="json")})
    return Newest(Kept(account, seq, THEN, event), held, THEN, 1)


def test_what_the_ledger_still_has_is_not_read_anew_and_what_another_worker_recorded_is() -> None:
    recent, known = Recent(), newest(ACCOUNT.id, 1, 1)
    recent.remember(known)
    assert recent.of(ACCOUNT, known.kept) is known
    later = replace(known.kept, as_of=THEN + SECOND)
    assert recent.of(ACCOUNT, later) == replace(known, kept=later)
    others = recent.of(ACCOUNT, replace(known.kept, seq=2, event="of another version"))
    assert (others.kept.seq, others.snapshot.positions) == (2, ())


def test_of_what_is_remembered_the_oldest_goes_first() -> None:
    recent = Recent(most_positions=10)
    kept = [newest(name, 1, 3) for name in ("a", "b", "c")]
    for one in kept:
        recent.remember(one)
    parsed = [recent.of(ACCOUNT.model_copy(update={"id": one.kept.account}), one.kept) is not one for one in kept[::-1]]
    assert parsed == [False, False, True]
