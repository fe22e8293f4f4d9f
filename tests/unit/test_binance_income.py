"""Histories over windows and pages: ascending, nothing lost, nothing doubled, whatever the borders fall on."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.requests import MarketType
from worker.venues.binance import income
from worker.venues.binance.endpoints import PORTFOLIO, STANDARD, BinanceEndpoints
from worker.venues.binance.income import Income, IncomeType, entry_of
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import DAY, walked

NOW = 1_760_000_000_000
LINEAR, INVERSE = STANDARD


@dataclass
class Ledger:
    """What the venue keeps, answered by the rules of the income endpoints."""

    times: list[int]
    kept: int | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        params = params or {}
        self.calls.append(params)
        oldest = max(params["startTime"], NOW - self.kept if self.kept else 0)
        found = [
            {"tranId": number, "time": at, "income": "1", "asset": "USDT", "symbol": "X", "incomeType": "FUNDING_FEE"}
            for number, at in sorted(enumerate(self.times), key=lambda row: row[1])
            if oldest <= at <= params["endTime"]
        ]
        return found[: params["limit"]]


def reader(ledger: Ledger, endpoints: BinanceEndpoints = LINEAR) -> Income:
    return Income(ledger, endpoints, IncomeType.FUNDING_FEE, None, lambda row: entry_of(row, "X"))


async def read(ledger: Ledger, *more: Any) -> History:
    *endpoints, asked = more
    return await walked([reader(ledger, *endpoints).records()], asked, NOW)


def query(since: int | None = None, limit: int | None = None) -> HistoryQuery:
    return HistoryQuery(None, MarketType.SWAP, since, limit)


async def times_of(ledger: Ledger, asked: HistoryQuery, endpoints: BinanceEndpoints = LINEAR) -> list[int]:
    history = await read(ledger, endpoints, asked)
    assert len({entry.id for entry in history.entries}) == len(history.entries)
    return [entry.timestamp for entry in history.entries]


ages = st.lists(
    st.one_of(st.integers(0, 80 * DAY), st.sampled_from([DAY, 7 * DAY, 14 * DAY])), max_size=60, unique=True
)


@settings(max_examples=150)
@given(ages=ages, page=st.integers(2, 7), since=st.integers(0, 80 * DAY), limit=st.none() | st.integers(1, 30))
async def test_from_since_on_the_first_entries_come_once_each(
    ages: list[int], page: int, since: int, limit: int | None
) -> None:
    ledger = Ledger([NOW - age for age in ages])
    with pytest.MonkeyPatch.context() as small:
        small.setattr(income, "PAGE", page)
        got = await times_of(ledger, query(NOW - since, limit))
    assert got == sorted(at for at in ledger.times if at >= NOW - since)[:limit]


@settings(max_examples=150)
@given(ages=ages, page=st.integers(2, 7), limit=st.integers(1, 30))
async def test_without_since_the_newest_entries_come_once_each(ages: list[int], page: int, limit: int) -> None:
    ledger = Ledger([NOW - age for age in ages])
    with pytest.MonkeyPatch.context() as small:
        small.setattr(income, "PAGE", page)
        got = await times_of(ledger, query(limit=limit))
    assert got == sorted(ledger.times)[-limit:]


async def test_with_neither_start_nor_number_the_last_seven_days_are_read() -> None:
    ledger = Ledger([NOW - 8 * DAY, NOW - 6 * DAY, NOW])
    history = await read(ledger, query())
    assert [entry.timestamp for entry in history.entries] == [NOW - 6 * DAY, NOW]
    assert history.complete_from == NOW - 7 * DAY
    assert len(ledger.calls) == 1


async def test_a_since_in_the_future_asks_nothing() -> None:
    ledger = Ledger([NOW])
    assert await times_of(ledger, query(NOW + 1)) == []
    assert ledger.calls == []


async def test_what_the_venue_no_longer_keeps_is_admitted() -> None:
    ledger = Ledger([NOW - 100 * DAY, NOW - 80 * DAY], kept=90 * DAY)
    history = await read(ledger, query(NOW - 120 * DAY))
    assert [entry.timestamp for entry in history.entries] == [NOW - 80 * DAY]
    assert history.complete_from == NOW - 90 * DAY


async def test_where_nothing_is_forgotten_the_history_is_complete_from_since_on() -> None:
    history = await read(Ledger([NOW - 900 * DAY]), INVERSE, query(NOW - 1_000 * DAY))
    assert len(history.entries) == 1
    assert history.complete_from == NOW - 1_000 * DAY


@pytest.mark.parametrize(("endpoints", "span"), [(INVERSE, 365 * DAY), (PORTFOLIO[1], 200 * DAY)])
async def test_no_request_spans_more_than_its_endpoint_takes(endpoints: BinanceEndpoints, span: int) -> None:
    ledger = Ledger([NOW - age * DAY for age in range(0, 1_000, 10)])
    assert await times_of(ledger, query(NOW - 1_000 * DAY), endpoints) == sorted(ledger.times)
    assert all(call["endTime"] - call["startTime"] < span for call in ledger.calls)


async def test_a_number_of_newest_entries_is_complete_from_its_first_one_on() -> None:
    history = await read(Ledger([NOW - 3, NOW - 2, NOW - 1]), query(limit=2))
    assert history.complete_from == NOW - 2


async def test_newest_entries_that_are_too_few_go_back_to_the_end_of_retention() -> None:
    history = await read(Ledger([NOW - 85 * DAY], kept=90 * DAY), query(limit=5))
    assert len(history.entries) == 1
    assert history.complete_from == NOW - 90 * DAY


async def test_more_entries_of_one_instant_than_the_venue_gives_are_reported_not_dropped() -> None:
    ledger = Ledger([NOW - 5] * (income.PAGE + 1))
    history = await read(ledger, query(NOW - DAY))
    assert len(history.entries) == income.PAGE
    assert history.parts[0].unread == f"Binance gives no more than the first 1000 rows of one instant ({NOW - 5})"


async def test_a_row_without_its_id_is_reported() -> None:
    with pytest.raises(Ambiguous, match="tranId"):
        entry_of({"time": NOW, "income": "1", "asset": "USDT"}, None)
