"""How Bybit's records become entries, and how its lists are walked through."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from schemas.requests import MarketType
from tests.unit.test_bybit_instruments import INSTRUMENTS
from worker.venues.bybit.account import info_of
from worker.venues.bybit.history import KEPT, SPAN, Source, SourceHistory, funding_sources, profit_sources
from worker.venues.bybit.listing import LONGEST_PAUSE, Listing
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous, Throttled
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import HistoryPage, Records, walked

NOW: Milliseconds = 1_795_000_000_000
LOGGED = {
    "id": "a",
    "symbol": "BTCUSDT",
    "category": "linear",
    "funding": "-0.15",
    "currency": "USDT",
    "transactionTime": str(NOW - 1),
}
EXECUTED = {"execId": "b", "symbol": "BTCUSD", "execFee": "-0.0002", "execTime": str(NOW - 2)}
CLOSED = {
    "orderId": "c",
    "symbol": "BTCUSDT",
    "closedPnl": "12.5",
    "createdTime": str(NOW - 3),
    "updatedTime": str(NOW - 2),
}


class Book:
    """Answers every request with the next of its pages, and the last one for ever; notes what it was asked."""

    def __init__(self, *pages: Any) -> None:
        self._pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def now(self) -> Milliseconds:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append({"name": name, **(params or {})})
        answer = self._pages.pop(0) if len(self._pages) > 1 else self._pages[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(rows: Sequence[dict[str, Any]], cursor: str = "") -> dict[str, Any]:
    return {"retCode": 0, "result": {"list": list(rows), "nextPageCursor": cursor}}


def account(status: int) -> Any:
    return info_of({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": status})


def query(symbol: str | None = None, since: int | None = NOW - 1_000) -> HistoryQuery:
    market = INSTRUMENTS.markets.find(symbol, MarketType.SWAP) if symbol else None
    return HistoryQuery(market, MarketType.SWAP, since, None)


async def read(book: Book, source: Source, asked: HistoryQuery) -> History:
    return await walked([SourceHistory(book, INSTRUMENTS, source, asked).records()], asked, NOW)


async def entries(source: Any, rows: Sequence[dict[str, Any]], symbol: str | None = None) -> tuple[LedgerEntry, ...]:
    return (await read(Book(page(rows)), source, query(symbol))).entries


class TestEntries:
    async def test_the_log_counts_what_is_received_as_positive(self) -> None:
        (source,) = funding_sources(account(5), None)
        (entry,) = await entries(source, [LOGGED])
        assert (entry.id, entry.symbol, entry.amount) == ("a", "BTC/USDT:USDT", Decimal("-0.15"))
        assert (entry.code, entry.timestamp, entry.info) == ("USDT", NOW - 1, LOGGED)

    async def test_an_execution_counts_what_is_paid_as_positive_and_names_no_currency(self) -> None:
        _, inverse = funding_sources(account(1), None)
        (entry,) = await entries(inverse, [EXECUTED])
        assert (entry.id, entry.symbol, entry.amount) == ("b", "BTC/USD:BTC", Decimal("0.0002"))
        assert (entry.code, entry.timestamp) == ("BTC", NOW - 2)

    async def test_a_closed_profit_has_the_time_the_list_goes_by_and_an_id_of_its_own(self) -> None:
        linear, _ = profit_sources(account(5), None)
        (entry,) = await entries(linear, [CLOSED])
        assert (entry.id, entry.amount, entry.code, entry.timestamp) == (
            f"c-{NOW - 3}",
            Decimal("12.5"),
            "USDT",
            NOW - 3,
        )

    @pytest.mark.parametrize(
        "row",
        [
            LOGGED | {"funding": ""},
            LOGGED | {"funding": "0"},
            LOGGED | {"category": "option"},
            LOGGED | {"symbol": "BTCUSDT-27DEC24"},
        ],
    )
    async def test_what_is_no_payment_of_a_swap_is_left_out(self, row: dict[str, Any]) -> None:
        (source,) = funding_sources(account(5), None)
        assert await entries(source, [row]) == ()

    async def test_another_symbol_of_the_same_coin_is_left_out(self) -> None:
        (source,) = funding_sources(account(5), query("BTC/USDT:USDT").market)
        rows = [LOGGED, LOGGED | {"id": "z", "symbol": "BTCPERP", "currency": "USDC"}]
        assert [entry.id for entry in await entries(source, rows, "BTC/USDT:USDT")] == ["a"]

    async def test_a_row_that_comes_twice_is_one_entry_and_the_oldest_stands_first(self) -> None:
        (source,) = funding_sources(account(5), None)
        older = LOGGED | {"id": "older", "transactionTime": str(NOW - 5)}
        assert [entry.id for entry in await entries(source, [LOGGED, older, LOGGED])] == ["older", "a"]

    async def test_a_row_of_another_shape_is_no_record(self) -> None:
        (source,) = funding_sources(account(5), None)
        with pytest.raises(Ambiguous, match="currency"):
            await entries(source, [{name: value for name, value in LOGGED.items() if name != "currency"}])


class TestSources:
    @pytest.mark.parametrize(
        ("status", "symbol", "expected"),
        [
            (5, None, [("Log", None, None)]),
            (6, "BTC/USD:BTC", [("Log", "inverse", "BTC")]),
            (4, None, [("Log", "linear", None), ("List", "inverse", None)]),
            (3, "BTC/USD:BTC", [("List", "inverse", None)]),
            (1, None, [("List", "linear", None), ("List", "inverse", None)]),
            (1, "BTC/USDT:USDT", [("List", "linear", None)]),
        ],
    )
    def test_funding_stands_in_the_log_as_far_as_the_account_is_unified(
        self, status: int, symbol: str | None, expected: list[tuple[str, str | None, str | None]]
    ) -> None:
        sources = funding_sources(account(status), query(symbol).market)
        found = [(s.listing.name, s.params.get("category"), s.params.get("baseCoin")) for s in sources]
        assert [
            (name[-len(end) :], *rest) for (name, *rest), (end, *_) in zip(found, expected, strict=True)
        ] == expected

    async def test_windows_are_seven_days_long_and_begin_no_earlier_than_two_years_ago(self) -> None:
        (source,) = funding_sources(account(5), None)
        book = Book(page([]))
        history = await read(book, source, query(since=0))
        assert history.complete_from == NOW - KEPT
        assert book.asked[0]["startTime"] == NOW - KEPT
        assert book.asked[-1]["endTime"] == NOW
        assert max(asked["endTime"] - asked["startTime"] for asked in book.asked) < SPAN
        following = zip(book.asked, book.asked[1:], strict=False)
        assert all(first["endTime"] + 1 == second["startTime"] for first, second in following)


class TestWindowsAbreast:
    @pytest.fixture
    def reader(self) -> "WindowReader":
        return WindowReader()

    @pytest.mark.parametrize("asked", [query(since=NOW - 300), HistoryQuery(None, MarketType.SWAP, None, 25)])
    async def test_several_at_once_give_what_one_after_the_other_does(
        self, reader: "WindowReader", asked: HistoryQuery
    ) -> None:
        one_by_one = await walked([reader.records(NOW - 400)], asked, NOW)
        assert reader.most == 1
        abreast = await walked([reader.records(NOW - 400, abreast=4)], asked, NOW)
        assert abreast.entries == one_by_one.entries
        assert abreast.entries
        assert reader.most == (4 if asked.limit is None else 1), "who asks for a few may have them in the first window"

    async def test_no_more_than_that_many_are_under_way(self, reader: "WindowReader") -> None:
        await walked([reader.records(NOW - 5_000, abreast=3)], query(since=0), NOW)
        assert reader.most == 3

    async def test_who_asks_for_a_few_meets_more_windows_at_once_the_more_are_empty(
        self, reader: "WindowReader"
    ) -> None:
        reader.has_rows = False
        await walked([reader.records(NOW - 5_000, abreast=3)], HistoryQuery(None, MarketType.SWAP, 0, 5), NOW)
        assert reader.most == 3


class WindowReader:
    """Has one record in every window, and counts how many windows are being read at once."""

    def __init__(self) -> None:
        self.most = 0
        self.has_rows = True
        self._now = 0

    def records(self, launch: Milliseconds, abreast: int = 1) -> Records:
        return Records(
            "records",
            self._page,
            lambda row: int(row["time"]),
            lambda row: LedgerEntry(
                id=str(row["time"]),
                symbol=None,
                amount=Decimal(1),
                code="USDT",
                timestamp=row["time"],
                datetime="",
                info={},
            ),
            span=10,
            launch=launch,
            abreast=abreast,
            requests=1_000,
        )

    async def _page(self, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        last = end // 10 * 10
        return HistoryPage([{"time": last}] if self.has_rows and start <= last else [])


class TestListing:
    async def test_the_cursor_is_followed_to_its_end(self) -> None:
        book = Book(page([{"a": 1}], "one"), page([{"a": 2}], "two"), page([{"a": 3}]))
        assert await Listing("x", 50).rows(book, {"p": 1}) == [{"a": 1}, {"a": 2}, {"a": 3}]
        assert [asked.get("cursor") for asked in book.asked] == [None, "one", "two"]
        assert {asked["limit"] for asked in book.asked} == {50}

    async def test_an_empty_page_ends_it_although_a_cursor_is_named(self) -> None:
        book = Book(page([{"a": 1}], "one"), page([], "two"))
        assert await Listing("x", 50).rows(book, {}) == [{"a": 1}]

    async def test_a_short_page_ends_a_list_whose_cursor_never_does(self) -> None:
        book = Book(page([{"a": 1}], "one"))
        assert await Listing("x", 50, short_is_last=True).rows(book, {}) == [{"a": 1}]
        assert len(book.asked) == 1

    async def test_a_full_page_does_not_end_it(self) -> None:
        book = Book(page([{"a": 1}], "one"), page([]))
        assert await Listing("x", 1, short_is_last=True).rows(book, {}) == [{"a": 1}]
        assert len(book.asked) == 2

    async def test_a_cursor_that_stays_where_it_is_ends_in_doubt(self) -> None:
        with pytest.raises(Ambiguous, match="stays where it is"):
            await Listing("x", 50).rows(Book(page([{"a": 1}], "one")), {})

    async def test_a_limit_that_is_used_up_is_waited_for(self) -> None:
        book = Book(Throttled("too many", retry_after=1), page([{"a": 1}]))
        assert await Listing("x", 50).rows(book, {}) == [{"a": 1}]

    @pytest.mark.parametrize("retry_after", [None, LONGEST_PAUSE + 1])
    async def test_who_is_told_to_wait_for_long_gives_up(self, retry_after: int | None) -> None:
        with pytest.raises(Throttled):
            await Listing("x", 50).rows(Book(Throttled("too many", retry_after=retry_after)), {})

    @pytest.mark.parametrize("body", [{}, {"result": None}, {"result": {}}, {"result": {"list": [1]}}, []])
    async def test_an_answer_of_another_shape_is_no_list(self, body: Any) -> None:
        with pytest.raises(Ambiguous):
            await Listing("x", 50).rows(Book(body), {})
