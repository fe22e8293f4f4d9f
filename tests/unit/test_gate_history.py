"""Gate's account book over windows and pages: ascending, nothing lost, nothing doubled, wherever the borders fall."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas.replies import LedgerEntry
from schemas.requests import MarketType
from worker.venues.gate import history
from worker.venues.gate.endpoints import PARTS, GatePart
from worker.venues.gate.history import (
    BOOK,
    CONTRACTS_SINCE,
    LAUNCH,
    PAGE,
    SPAN,
    AccountBook,
    contract_of,
    entry_of,
    id_of,
)
from worker.venues.port.adapter import History, HistoryQuery, Market
from worker.venues.port.errors import PreconditionFailed
from worker.venues.reading.history import DAY, walked
from worker.venues.reading.records import Notion

NOW = 1_760_000_000_000
USDT, BTC, _, DELIVERY = PARTS
BITCOIN = Market("BTC/USDT:USDT", "BTC_USDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.0001"))


@dataclass
class Book:
    """What the venue keeps, answered by the rules of the account book: whole seconds, the newest first."""

    times: list[int]
    knows_offsets: bool = True
    types: tuple[str, ...] = ("fund",)
    with_ids: bool = True
    calls: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> int:
        return NOW

    def type_of(self, number: int) -> str:
        return self.types[number % len(self.types)]

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        params = params or {}
        self.calls.append(params)
        found = [
            ({"id": str(number)} if self.with_ids else {})
            | {"time": at / 1000, "change": "1", "type": self.type_of(number), "contract": "BTC_USDT"}
            for number, at in sorted(enumerate(self.times), key=lambda row: -row[1])
            if params["from"] <= at / 1000 <= params["to"] and params.get("type") in {None, self.type_of(number)}
        ]
        offset = params.get("offset", 0) if self.knows_offsets else 0
        return found[offset : offset + params["limit"]]


FUNDING, PROFITS = Notion.FUNDING, Notion.REALIZED_PNL


def reader(
    book: Any, part: GatePart = USDT, market: Market | None = None, notion: Notion = Notion.FUNDING
) -> AccountBook:
    def entry(row: dict[str, Any]) -> LedgerEntry:
        return entry_of(row, part, "X")

    return AccountBook(book, part, notion, market, entry)


async def read(
    book: Any,
    asked: HistoryQuery,
    part: GatePart = USDT,
    market: Market | None = None,
    notion: Notion = Notion.FUNDING,
) -> History:
    return await walked([reader(book, part, market, notion).records()], asked, NOW)


def query(since: int | None = None, limit: int | None = None) -> HistoryQuery:
    return HistoryQuery(None, MarketType.SWAP, since, limit)


async def times_of(book: Book, asked: HistoryQuery, part: GatePart = USDT) -> list[int]:
    history = await read(book, asked, part)
    assert len({entry.id for entry in history.entries}) == len(history.entries)
    return [entry.timestamp for entry in history.entries]


@pytest.mark.parametrize("part", [USDT, DELIVERY], ids=lambda part: part.coverage)
async def test_pages_that_end_among_the_entries_of_one_second_lose_none(part: GatePart) -> None:
    seconds = [NOW - DAY + 1_000 * second for second in range(400)]
    times = sorted([at + part_of_second for at in seconds for part_of_second in (0, 1, 250, 999, 999, 0, 7)])
    assert await times_of(Book(times), query(since=NOW - 2 * DAY), part) == times


async def test_a_second_that_fills_pages_is_read_by_offset() -> None:
    times = [NOW - DAY] * (2 * PAGE + 5) + [NOW - DAY + 5_000] * 3
    assert await times_of(Book(times), query(since=NOW - 2 * DAY)) == sorted(times)


async def test_a_second_that_fills_a_page_where_there_is_no_offset_is_reported() -> None:
    book = Book([NOW - DAY + 500] * (PAGE + 5), knows_offsets=False)
    history = await read(book, query(since=NOW - 2 * DAY), DELIVERY)
    assert len(history.entries) == PAGE
    assert history.parts[0].unread == f"Gate gives no more than the first 1000 rows of one instant ({NOW - DAY})"


async def test_windows_follow_each_other_without_a_gap_or_an_overlap() -> None:
    borders = [LAUNCH + SPAN * number + shift for number in (1, 2, 3) for shift in (-1, 0, 1)]
    assert await times_of(Book(borders), query(since=0)) == borders


async def test_the_ends_of_a_stretch_are_exact_though_the_venue_counts_seconds() -> None:
    since = NOW - DAY
    times = [since - 1, since, since + 1, NOW - 1, NOW, NOW + 1]
    assert await times_of(Book(times), query(since=since)) == [since, since + 1, NOW - 1, NOW]


async def test_the_newest_entries_are_found_however_old_they_are() -> None:
    times = [NOW - 900 * DAY, NOW - 400 * DAY, NOW - 3 * DAY]
    assert await times_of(Book(times), query(limit=2)) == times[1:]


@settings(max_examples=60, deadline=None)
@given(
    ages=st.lists(st.integers(0, 40_000), max_size=60, unique_by=lambda age: age // 300),
    since=st.integers(0, 40_000),
    limit=st.integers(1, 60) | st.none(),
)
@example(ages=list(range(0, 4_000, 300)), since=1_001, limit=None)
async def test_any_stretch_of_any_book_comes_whole(ages: list[int], since: int, limit: int | None) -> None:
    page, history.PAGE = history.PAGE, 7
    try:
        found = await times_of(Book([NOW - age for age in ages]), query(NOW - since, limit))
    finally:
        history.PAGE = page
    assert found == sorted(NOW - age for age in ages if age <= since)[:limit]


async def test_the_contract_is_asked_for_only_where_every_entry_names_it() -> None:
    book = Book([])
    await read(book, query(since=CONTRACTS_SINCE - 2 * SPAN), market=BITCOIN)
    named = ["contract" in call for call in book.calls]
    assert named == sorted(named)
    assert (named[0], named[-1]) == (False, True)
    assert all(call["type"] == "fund" for call in book.calls)


async def test_deliveries_are_asked_for_nothing_that_their_documents_do_not_name() -> None:
    book = Book([])
    await read(book, query(since=NOW - DAY), DELIVERY)
    assert [set(call) for call in book.calls] == [{"settle", "from", "to", "limit", "type"}]


DECIDED = {
    PROFITS: {"pnl", "dividend"},
    FUNDING: {"fund"},
}


@pytest.mark.parametrize("notion", DECIDED)
async def test_each_type_is_told_where_it_belongs_and_nowhere_else(notion: Notion) -> None:
    book = Book([NOW - DAY - number for number in range(len(BOOK.table))], types=tuple(BOOK.table))
    history = await read(book, query(since=NOW - 2 * DAY), notion=notion)
    assert {entry.info["type"] for entry in history.entries} == DECIDED[notion]


async def test_a_type_that_nobody_knows_is_told_among_the_profits_and_counted() -> None:
    book = Book([NOW - DAY, NOW - DAY + 1], types=("pnl", "told_by_nobody"))
    with capture_logs() as logs:
        history = await read(book, query(since=NOW - 2 * DAY), notion=PROFITS)
    assert [entry.info["type"] for entry in history.entries] == ["pnl", "told_by_nobody"]
    assert all("type" not in call for call in book.calls), "nothing may be filtered away"
    assert [(row["event"], row["type"]) for row in logs] == [("unknown_record_type", "told_by_nobody")]
    assert (await read(book, query(since=NOW - 2 * DAY))).entries == ()


async def test_entries_without_an_id_count_as_often_as_gate_gives_them() -> None:
    times = [NOW - DAY] * (PAGE + 7) + [NOW - DAY + 5_000] * 3
    for part in (USDT, DELIVERY):
        book = Book(times[7:] if part is DELIVERY else times, with_ids=False)
        history = await read(book, query(since=NOW - 2 * DAY), part)
        assert [entry.timestamp for entry in history.entries] == sorted(book.times)


async def test_where_there_is_no_account_there_is_no_history() -> None:
    class Closed(Book):
        async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
            raise PreconditionFailed("no account", venue_code="USER_NOT_FOUND")

    assert (await read(Closed([]), query(since=NOW - DAY), BTC)).entries == ()


@pytest.mark.parametrize(
    ("row", "contract"),
    [
        ({"contract": "BTC_USDT", "text": "ETH_USDT:1"}, "BTC_USDT"),
        ({"text": "BTC_USDT:6086261"}, "BTC_USDT"),
        ({"contract": "", "text": ""}, None),
        ({}, None),
    ],
)
def test_the_contract_is_a_field_or_in_an_old_entry_part_of_the_text(row: dict[str, Any], contract: str | None) -> None:
    assert contract_of(row) == contract


def test_ids_are_counted_for_each_settle_currency() -> None:
    assert [id_of({"id": "7"}, part) for part in PARTS] == ["usdt-7", "btc-7", "usd1-7", "delivery-usdt-7"]


def test_an_entry_without_an_id_gets_one_that_is_stable_and_its_own() -> None:
    old = {"time": 1690848000.456, "type": "fund", "text": "BTC_USDT:1", "change": "-0.1", "balance": "99.9"}
    others = [old | {"balance": "99.8"}, old | {"text": "ETH_USDT:1"}, old | {"trade_id": "5"}, old | {"type": "fee"}]
    assert id_of(dict(old), USDT) == id_of(old, USDT)
    assert len({id_of(row, USDT) for row in (old, *others)} | {id_of(old, BTC)}) == 6


def test_an_entry_is_paid_in_the_settle_currency_and_keeps_its_sign() -> None:
    row = {"id": "3", "time": 1682294400.123456, "change": "-0.000010152188"}
    entry = entry_of(row, BTC, "BTC/USD:BTC")
    assert (entry.amount, entry.code, entry.timestamp) == (Decimal("-0.000010152188"), "BTC", 1682294400123)
    assert (entry.datetime, entry.info) == ("2023-04-24T00:00:00Z", row)
