"""Histories over windows, pages and types: ascending, nothing lost, nothing doubled, whatever the borders fall on."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.requests import MarketType
from worker.telemetry.metrics import WORKER
from worker.venues.binance import history
from worker.venues.binance.endpoints import PORTFOLIO, STANDARD, BinanceEndpoints
from worker.venues.binance.history import ASKED_FOR, PAGE, Income, entry_of
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import DAY, walked
from worker.venues.reading.records import Notion

NOW = 1_760_000_000_000
LINEAR, INVERSE = STANDARD
FUNDING, SPECIAL, FEE = "FUNDING_FEE", "SPECIAL_FUNDING_FEE", "COMMISSION"


@dataclass
class Ledger:
    """What the venue keeps, answered by the rules of the income endpoints: times, or times and types."""

    entries: list[Any]
    kept: int | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> int:
        return NOW

    @property
    def rows(self) -> list[dict[str, Any]]:
        pairs = (entry if isinstance(entry, tuple) else (entry, FUNDING) for entry in self.entries)
        rows = [
            {"tranId": number, "time": at, "income": "1", "asset": "USDT", "symbol": "X", "incomeType": kind}
            for number, (at, kind) in enumerate(pairs)
        ]
        return sorted(rows, key=lambda row: row["time"])

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        params = params or {}
        self.calls.append(params)
        if "incomeType" in params and params["incomeType"] not in ASKED_FOR[name]:
            raise AssertionError(f"{name} knows no {params['incomeType']}")
        oldest = max(params["startTime"], NOW - self.kept if self.kept else 0)
        kind = params.get("incomeType")
        found = [row for row in self.rows if oldest <= row["time"] <= params["endTime"]]
        return [row for row in found if kind in (None, row["incomeType"])][: params["limit"]]

    @property
    def types(self) -> list[str | None]:
        """The types it was asked for, in order."""
        return [call.get("incomeType") for call in self.calls]


def reader(ledger: Ledger, endpoints: BinanceEndpoints = LINEAR, notion: Notion = Notion.FUNDING) -> Income:
    return Income(ledger, endpoints, notion, None, lambda row: entry_of(row, "X"))


async def read(ledger: Ledger, asked: HistoryQuery, *more: Any) -> History:
    return await walked([reader(ledger, *more).records()], asked, NOW)


def query(since: int | None = None, limit: int | None = None) -> HistoryQuery:
    return HistoryQuery(None, MarketType.SWAP, since, limit)


async def times_of(ledger: Ledger, asked: HistoryQuery, endpoints: BinanceEndpoints = LINEAR) -> list[int]:
    history = await read(ledger, asked, endpoints)
    assert len({entry.id for entry in history.entries}) == len(history.entries)
    return [entry.timestamp for entry in history.entries]


ages = st.one_of(st.integers(0, 80 * DAY), st.sampled_from([DAY, 7 * DAY, 14 * DAY]))
kinds = st.sampled_from([FUNDING, SPECIAL, FEE])
ledgers = st.lists(st.tuples(ages, kinds, st.integers(0, 2)), max_size=60, unique=True).map(
    lambda rows: Ledger([(NOW - age, kind) for age, kind, _ in rows])
)
"""Up to three entries of a type in one instant, so that none fills a page of four."""


@settings(max_examples=150)
@given(ledger=ledgers, page=st.integers(4, 9), since=st.integers(0, 80 * DAY), limit=st.none() | st.integers(1, 30))
async def test_from_since_on_the_first_entries_come_once_each(
    ledger: Ledger, page: int, since: int, limit: int | None
) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(history, "PAGE", page)
        got = await times_of(ledger, query(NOW - since, limit))
    wanted = sorted(at for at, kind in ledger.entries if at >= NOW - since and kind != FEE)
    assert got == wanted[:limit]


@settings(max_examples=150)
@given(ledger=ledgers, page=st.integers(4, 9), limit=st.integers(1, 30))
async def test_without_since_the_newest_entries_come_once_each(ledger: Ledger, page: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(history, "PAGE", page)
        got = await times_of(ledger, query(limit=limit))
    assert got == sorted(at for at, kind in ledger.entries if kind != FEE)[-limit:]


@settings(max_examples=50)
@given(ledger=ledgers, page=st.integers(4, 9), limit=st.integers(1, 9), newest=st.booleans())
async def test_cursors_pass_through_all_of_it(ledger: Ledger, page: int, limit: int, newest: bool) -> None:
    ids: list[str] = []
    asked = query(None if newest else NOW - 80 * DAY, limit)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(history, "PAGE", page)
        while True:
            found = await read(ledger, asked)
            ids += [entry.id for entry in found.entries]
            if found.next_cursor is None:
                break
            asked = HistoryQuery(None, MarketType.SWAP, None, limit, found.next_cursor)
    assert len(ids) == len(set(ids)) == sum(kind != FEE for _, kind in ledger.entries)


async def test_a_window_that_one_page_holds_is_asked_for_once_and_without_a_type() -> None:
    ledger = Ledger([(NOW - 3, FUNDING), (NOW - 2, FEE), (NOW - 1, SPECIAL)])
    found = await read(ledger, query(NOW - DAY))
    assert [entry.id for entry in found.entries] == ["0", f"{SPECIAL}-2"]
    assert ledger.types == [None]


async def test_among_thousands_of_commissions_the_wanted_types_are_asked_for() -> None:
    ledger = Ledger([(NOW - DAY, FUNDING), *((NOW - number, FEE) for number in range(PAGE)), (NOW, SPECIAL)])
    assert await times_of(ledger, query(NOW - DAY)) == [NOW - DAY, NOW]
    assert ledger.types == [None, FUNDING, SPECIAL]


@pytest.mark.parametrize("endpoints", [*STANDARD, *PORTFOLIO])
@pytest.mark.parametrize("notion", [Notion.FUNDING, Notion.REALIZED_PNL])
async def test_a_family_is_asked_for_the_types_that_its_document_has(
    endpoints: BinanceEndpoints, notion: Notion
) -> None:
    ledger = Ledger([(NOW - number, FEE) for number in range(PAGE)])
    await read(ledger, query(NOW - DAY), endpoints, notion)
    known = ASKED_FOR[endpoints.income]
    assert set(ledger.types) - {None} == {kind for kind, about in known.items() if about is notion}


async def test_a_delivery_is_a_realized_profit() -> None:
    ledger = Ledger([(NOW - 1, "DELIVERED_SETTELMENT"), (NOW, "REALIZED_PNL")])
    found = await read(ledger, query(NOW - DAY), INVERSE, Notion.REALIZED_PNL)
    assert [entry.id for entry in found.entries] == ["DELIVERED_SETTELMENT-0", "1"]


async def test_a_type_that_no_table_has_is_named_counted_and_hides_nothing_else() -> None:
    def counted() -> float:
        labels = {"venue": "binance", "type": "BRAND_NEW_FEE"}
        return WORKER.get_sample_value("perps_dma_unknown_records_total", labels) or 0

    before = counted()
    found = await read(Ledger([(NOW - 2, "BRAND_NEW_FEE"), (NOW - 1, FUNDING)]), query(NOW - DAY))
    assert [entry.id for entry in found.entries] == ["1"]
    assert found.parts[0].unread == (
        "GET /fapi/v1/income has entries of types that no table has, and they are not told: BRAND_NEW_FEE"
    )
    assert counted() == before + 1


async def test_one_number_in_two_types_are_two_entries() -> None:
    class Twice(Ledger):
        @property
        def rows(self) -> list[dict[str, Any]]:
            return [row | {"tranId": 7} for row in super().rows]

    found = await read(Twice([(NOW - 1, FUNDING), (NOW - 1, SPECIAL), (NOW - 1, FEE)]), query(NOW - DAY))
    assert [entry.id for entry in found.entries] == ["7", f"{SPECIAL}-7"]


async def test_with_neither_start_nor_number_the_last_seven_days_are_read() -> None:
    ledger = Ledger([NOW - 8 * DAY, NOW - 6 * DAY, NOW])
    found = await read(ledger, query())
    assert [entry.timestamp for entry in found.entries] == [NOW - 6 * DAY, NOW]
    assert found.complete_from == NOW - 7 * DAY
    assert len(ledger.calls) == 1


async def test_a_since_in_the_future_asks_nothing() -> None:
    ledger = Ledger([NOW])
    assert await times_of(ledger, query(NOW + 1)) == []
    assert ledger.calls == []


async def test_what_the_venue_no_longer_keeps_is_admitted() -> None:
    ledger = Ledger([NOW - 100 * DAY, NOW - 80 * DAY], kept=89 * DAY)
    found = await read(ledger, query(NOW - 120 * DAY))
    assert [entry.timestamp for entry in found.entries] == [NOW - 80 * DAY]
    assert found.complete_from == NOW - 89 * DAY


async def test_where_nothing_is_forgotten_the_history_is_complete_from_since_on() -> None:
    found = await read(Ledger([NOW - 900 * DAY]), query(NOW - 1_000 * DAY), INVERSE)
    assert len(found.entries) == 1
    assert found.complete_from == NOW - 1_000 * DAY


@pytest.mark.parametrize(("endpoints", "span"), [(INVERSE, 365 * DAY), (PORTFOLIO[1], 200 * DAY)])
async def test_no_request_spans_more_than_its_endpoint_takes(endpoints: BinanceEndpoints, span: int) -> None:
    ledger = Ledger([NOW - age * DAY for age in range(0, 1_000, 10)])
    assert await times_of(ledger, query(NOW - 1_000 * DAY), endpoints) == sorted(ledger.entries)
    assert all(call["endTime"] - call["startTime"] < span for call in ledger.calls)


async def test_a_number_of_newest_entries_is_complete_from_its_first_one_on() -> None:
    found = await read(Ledger([NOW - 3, NOW - 2, NOW - 1]), query(limit=2))
    assert found.complete_from == NOW - 2


async def test_newest_entries_that_are_too_few_go_back_to_the_end_of_retention() -> None:
    found = await read(Ledger([NOW - 85 * DAY], kept=89 * DAY), query(limit=5))
    assert len(found.entries) == 1
    assert found.complete_from == NOW - 89 * DAY


async def test_more_entries_of_one_instant_than_the_venue_gives_are_reported_not_dropped() -> None:
    ledger = Ledger([NOW - 5] * (PAGE + 1) + [NOW - 4])
    found = await read(ledger, query(NOW - DAY))
    assert [entry.timestamp for entry in found.entries] == [NOW - 5] * PAGE + [NOW - 4]
    assert found.parts[0].unread == (
        f"GET /fapi/v1/income gives no more than the first {PAGE} entries of one instant ({NOW - 5})"
    )


async def test_an_entry_without_its_time_is_named_and_hides_nothing_else() -> None:
    class Timeless(Ledger):
        async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
            return [{"incomeType": FUNDING, "tranId": 1}, *await super().call(name, params)]

    found = await read(Timeless([NOW - 1]), query(NOW - DAY))
    assert len(found.entries) == 1
    assert found.parts[0].unread == "the field time of the venue's answer is missing (GET /fapi/v1/income)"


async def test_a_row_without_its_id_is_reported() -> None:
    with pytest.raises(Ambiguous, match="tranId"):
        entry_of({"time": NOW, "income": "1", "asset": "USDT", "incomeType": FUNDING}, None)
