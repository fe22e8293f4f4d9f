"""Drift that a venue pushes: told at once, once, and only where no command of ours has asked for it."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Milliseconds
from schemas.requests import MarginMode
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.unit.snapshot_desk import Desk, desk
from worker.accounts.account import Account
from worker.ledger.observed.pushed_drifts import PushedDrift
from worker.snapshots.pushed_terms import Origin, PushedTerms
from worker.venues.port.adapter import MarginSettings
from worker.venues.port.streams import Evidence, Nudge, Why

ETH = "ETH/USDT:USDT"


def nudge(leverage: int | None, symbol: str = BTC.symbol, why: Why = Why.SETTINGS, **more: Any) -> Nudge:
    value = None if leverage is None else Decimal(leverage)
    return Nudge(why, more.pop("at", None), (Evidence(symbol, value, **more),))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def terms(at: Desk) -> PushedTerms:
    return PushedTerms(at.snapshots, at.ledger, at.relay, at.clock)


def told(at: Desk) -> list[tuple[str, str, str, int | None, int | None]]:
    return [
        (data["known_by"], row["symbol"], row["side"], row["leverage_before"], row["leverage"])
        for data in at.bus.told("drift")
        for row in data["positions"]
    ]


async def test_a_leverage_of_an_open_position_is_told_when_it_is_pushed_and_not_again_when_it_is_read(url: str) -> None:
    venue = MemoryVenue()
    async with desk(url, venue) as at:
        await at.look()
        venue.leverage = Decimal(7)
        await terms(at).hear(ACCOUNT, nudge(7), at.clock() + 1)
        assert told(at) == [("push", BTC.symbol, "long", 5, 7)]
        await at.look()
        assert told(at) == [("push", BTC.symbol, "long", 5, 7)]
        assert at.bus.told("positions")[-1]["positions"][0]["leverage"] == 7
        venue.leverage = Decimal(5)
        await at.look()
        venue.leverage = Decimal(7)
        await at.look()
    assert told(at)[1:] == [("read", BTC.symbol, "long", 7, 5), ("read", BTC.symbol, "long", 5, 7)]


async def test_the_same_push_again_or_to_another_worker_is_told_once(url: str) -> None:
    async with desk(url, MemoryVenue()) as at, desk(url, MemoryVenue(), at.bus, at.clock) as other:
        await at.look()
        pushed, heard = nudge(7, at=at.clock()), at.clock() + 1
        here = terms(at)
        await here.hear(ACCOUNT, pushed, heard)
        assert here.repeats(ACCOUNT, pushed)
        await here.hear(ACCOUNT, pushed, heard + 1)
        await terms(other).hear(ACCOUNT, pushed, heard + 2)
    assert len(told(at)) == 1


async def test_what_a_command_of_ours_asks_for_is_no_drift(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        entry = await at.begin("set_leverage", leverage=7)
        await terms(at).hear(ACCOUNT, nudge(7), at.clock() + 1)
        await at.end(entry)
        await terms(at).hear(ACCOUNT, nudge(7), at.clock() + 1)
        assert told(at) == []
        await terms(at).hear(ACCOUNT, nudge(9), at.clock() + 1)
    assert told(at) == [("push", BTC.symbol, "long", 5, 9)]


async def test_of_a_flat_market_a_change_is_told_that_the_venue_says_is_one(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(20, ETH, Why.POSITIONS), at.clock() + 1)
        assert told(at) == []
        await here.hear(ACCOUNT, nudge(7, ETH), at.clock() + 2)
        await here.hear(ACCOUNT, nudge(3, "SOL/USDT:USDT"), at.clock() + 3)
    assert told(at) == [("push", ETH, "flat", 20, 7), ("push", "SOL/USDT:USDT", "flat", None, 3)]


async def test_a_push_that_is_older_than_the_last_reading_says_nothing(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        heard = at.clock()
        await at.look()
        await terms(at).hear(ACCOUNT, nudge(7), heard)
    assert told(at) == []


async def test_a_push_that_says_nothing_of_the_leverage_leaves_it_as_it_was_stated(url: str) -> None:
    venue = MemoryVenue()
    async with desk(url, venue) as at:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(7), at.clock() + 1)
        await here.hear(ACCOUNT, nudge(None, margin_mode=MarginMode.CROSS), at.clock() + 2)
        venue.leverage = Decimal(7)
        await at.look()
    assert told(at) == [("push", BTC.symbol, "long", 5, 7)]


async def test_a_push_is_heard_though_the_clock_was_set_back_since_the_last_reading(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        at.clock.pass_(-3_600_000)
        await terms(at).hear(ACCOUNT, nudge(7, ETH), at.clock())
    assert told(at) == [("push", ETH, "flat", None, 7)]


async def flat(here: PushedTerms, account: Account = ACCOUNT) -> Sequence[PushedDrift]:
    """What waits of markets in which nothing is open."""
    return await here.of_flat_markets(account, await here.waiting(account))


async def shown(at: Desk, here: PushedTerms, leverage: int, asked: Milliseconds | None = None) -> list[bool]:
    """The venue is asked for what waits, and shows this: at once, and when it is settled."""
    settings, moment = MarginSettings(Decimal(leverage), MarginMode.CROSS), at.clock() if asked is None else asked
    return [
        await here.read(ACCOUNT, row, settings, moment, is_settled=is_settled)
        for is_settled in (False, True)
        for row in (await here.waiting(ACCOUNT) if is_settled else await flat(here))
    ]


async def test_a_flat_market_that_shows_what_was_pushed_is_told_no_second_time(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        here = terms(at)
        assert await here.hear(ACCOUNT, nudge(7, ETH), at.clock()) is Origin.OUTSIDE
        assert await shown(at, here, 7) == [True]
        assert await here.waiting(ACCOUNT) == []
    assert told(at) == [("push", ETH, "flat", None, 7)]


async def test_one_that_shows_other_terms_is_told_as_read_once_that_is_settled(url: str) -> None:
    async with desk(url, MemoryVenue()) as at, desk(url, MemoryVenue(), at.bus, at.clock) as other:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(7, ETH), at.clock())
        [row] = await flat(terms(other))
        assert await shown(at, here, 12) == [False, True]
        assert await terms(other).read(ACCOUNT, row, MarginSettings(Decimal(12), MarginMode.CROSS), 0, is_settled=True)
        assert told(at) == [("push", ETH, "flat", None, 7), ("read", ETH, "flat", 7, 12)]
        await here.hear(ACCOUNT, nudge(7, ETH), at.clock() + 1)
    assert told(at)[2:] == [("push", ETH, "flat", 12, 7)]


async def test_what_the_venue_has_pushed_after_it_was_asked_is_waited_for(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(7, ETH), at.clock())
        assert await shown(at, here, 12, asked=at.clock() - 1) == [False, False]
    assert told(at) == [("push", ETH, "flat", None, 7)]


async def test_what_a_command_of_ours_has_asked_for_since_is_no_drift_either(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(7, margin_mode=None), at.clock())
        await at.end(await at.begin("set_leverage", leverage=12))
        assert await shown(at, here, 12) == [True]
        assert await here.waiting(ACCOUNT) == []
    assert told(at) == [("push", BTC.symbol, "long", 5, 7)]


async def test_the_terms_of_a_position_are_asked_for_where_no_reading_of_it_has_shown_them(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(7), at.clock())
        await at.look()
        assert await flat(here) == []
        assert await shown(at, here, 5) == [True]
    assert told(at) == [("push", BTC.symbol, "long", 5, 7), ("read", BTC.symbol, "long", 7, 5)]


async def test_of_okx_the_terms_of_a_position_that_is_gone_say_nothing(url: str) -> None:
    okx = ACCOUNT.model_copy(update={"exchange": "okx"})
    async with desk(url, MemoryVenue()) as at:
        here = terms(at)
        await here.hear(okx, nudge(7, ETH, margin_mode=MarginMode.ISOLATED), at.clock())
        [row] = await flat(here, okx)
        assert await here.read(okx, row, MarginSettings(Decimal(3), MarginMode.CROSS), at.clock(), is_settled=True)
    assert told(at) == [("push", ETH, "flat", None, 7)]


async def test_a_push_that_another_has_overtaken_changes_nothing(url: str) -> None:
    async with desk(url, MemoryVenue()) as at:
        await at.look()
        here = terms(at)
        await here.hear(ACCOUNT, nudge(9, ETH, at=at.clock() + 200), at.clock() + 1)
        await here.hear(ACCOUNT, nudge(7, ETH, at=at.clock() + 100), at.clock() + 2)
        await here.hear(ACCOUNT, nudge(None, ETH, at=at.clock() + 100, margin_mode=MarginMode.CROSS), at.clock() + 3)
        await here.hear(ACCOUNT, nudge(5, ETH, at=at.clock() + 300), at.clock() + 4)
    assert [row for row in told(at) if row[4] is not None] == [
        ("push", ETH, "flat", None, 9),
        ("push", ETH, "flat", 9, 5),
    ]
    assert len(told(at)) == 3, "and one of the margin mode, of which nothing was stated before"
