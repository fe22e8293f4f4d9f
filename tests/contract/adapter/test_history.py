"""What every adapter promises of histories: whole, in order, each record once, from whichever end it is asked for."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from tests.contract.adapter.venue_cases import each
from tests.support.sandbox_harness import PATIENCE_MS, SWAP, SandboxHarness, market, unread
from tests.support.venues.description import (
    DescribedVenue,
    ForgetsCase,
    NewestCase,
    OfSymbolCase,
    StretchCase,
    UnreadableCase,
    WeekCase,
    WholeCase,
)
from worker.runtime.clock import now
from worker.venues.limits import within
from worker.venues.port.adapter import Adapter, History, HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import DAY


async def told(
    adapter: Adapter,
    operation: str,
    symbol: str | None = None,
    *,
    since: Milliseconds | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> History:
    """A history, asked for by somebody who has time for the venue's pace."""
    query = HistoryQuery(market(adapter, symbol) if symbol else None, SWAP, since, limit, cursor)
    with within(now() + PATIENCE_MS):
        history: History = await getattr(adapter, operation)(query)
    return history


def _days_ago(days: int) -> Milliseconds:
    """An instant; with 0 the beginning of everything."""
    return now() - days * DAY if days else 0


def _times(entries: Sequence[LedgerEntry]) -> list[Milliseconds]:
    return [entry.timestamp for entry in entries]


@each(lambda venue: venue.whole)
async def test_all_that_is_kept_comes_once_and_in_order(
    harness: SandboxHarness, venue: DescribedVenue, case: WholeCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    history = await told(adapter, case.operation, case.symbol, since=0)
    times = _times(history.entries)
    assert times == sorted(times)
    assert len({(entry.id, entry.symbol) for entry in history.entries}) == len(times) == case.size
    assert case.kinds in (None, {(entry.symbol, entry.code) for entry in history.entries})
    assert case.symbol is None or {entry.symbol for entry in history.entries} == {case.symbol}
    if case.per_instant is not None:
        others, expected = case.per_instant
        per_instant = Counter(entry.timestamp for entry in history.entries if entry.symbol not in others)
        assert set(per_instant.values()) == {expected}


@each(lambda venue: venue.of_symbol)
async def test_the_records_of_a_symbol_are_those_of_all_that_are_of_the_symbol(
    harness: SandboxHarness, venue: DescribedVenue, case: OfSymbolCase
) -> None:
    adapter, since = harness.adapter(venue.account(case.account)), _days_ago(case.days)
    everything = await told(adapter, case.operation, since=since)
    of_symbol = await told(adapter, case.operation, case.symbol, since=since)
    expected = tuple(entry for entry in everything.entries if entry.symbol == case.symbol)
    assert of_symbol.entries == expected
    assert len(expected) >= case.least


@each(lambda venue: venue.stretches)
async def test_from_since_on_the_first_records_are_given_and_the_cursor_goes_on(
    harness: SandboxHarness, venue: DescribedVenue, case: StretchCase
) -> None:
    adapter = harness.adapter()
    everything = (await told(adapter, case.operation, since=_days_ago(case.days))).entries
    since = everything[-case.back].timestamp
    some = await told(adapter, case.operation, since=since, limit=case.limit)
    on = await told(adapter, case.operation, limit=case.limit, since=since, cursor=some.next_cursor)
    after = [entry for entry in everything if entry.timestamp >= since]
    assert _times(some.entries) == _times(after[: case.limit])
    assert _times(on.entries) == _times(after[case.limit : 2 * case.limit])
    both = [(entry.id, entry.symbol) for entry in (*some.entries, *on.entries)]
    assert len(set(both)) == len(both)
    assert some.complete_from == since
    assert some.complete_to < some.entries[-1].timestamp + DAY


@each(lambda venue: venue.newest)
async def test_without_since_the_newest_records_are_given_with_their_sign(
    harness: SandboxHarness, venue: DescribedVenue, case: NewestCase
) -> None:
    adapter = harness.adapter()
    newest = await told(adapter, case.operation, case.symbol, limit=case.limit)
    assert len(newest.entries) == case.limit
    first = newest.entries[0].timestamp
    everything = (await told(adapter, case.operation, case.symbol, since=first - 1)).entries
    assert _times(newest.entries) == _times(everything[-case.limit :])
    assert newest.complete_from <= first + 1
    assert newest.next_cursor is not None
    last = {entry.symbol: entry.amount for entry in newest.entries}
    assert {symbol: last[symbol] for symbol in case.amounts} == {
        symbol: Decimal(amount) for symbol, amount in case.amounts.items()
    }


@each(lambda venue: venue.weeks)
async def test_without_since_and_limit_a_week_is_given(
    harness: SandboxHarness, venue: DescribedVenue, case: WeekCase
) -> None:
    week = await told(harness.adapter(), case.operation, case.symbol)
    assert len(week.entries) == case.size
    assert abs(week.complete_from - (now() - 7 * DAY)) < 60_000


@each(lambda venue: venue.forgets)
async def test_what_the_venue_forgot_is_admitted(
    harness: SandboxHarness, venue: DescribedVenue, case: ForgetsCase
) -> None:
    history = await told(harness.adapter(), case.operation, case.symbol, since=1)
    if case.days is None:
        assert history.complete_from == 1
    else:
        assert abs(history.complete_from - (now() - case.days * DAY)) < 60_000


@each(lambda venue: venue.unreadable)
async def test_records_that_cannot_be_read_are_named_and_hide_no_other(
    harness: SandboxHarness, venue: DescribedVenue, case: UnreadableCase
) -> None:
    await harness.fault(case.path, "html", times=None)
    if case.part is None:
        with pytest.raises(Ambiguous):
            await told(harness.adapter(), case.operation, limit=5)
        return
    history = await told(harness.adapter(), case.operation, limit=5)
    assert len(history.entries) == 5
    assert unread(history).keys() == {case.part}
    assert history.next_cursor is not None
