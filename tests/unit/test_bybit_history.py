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
from worker.venues.bybit.account import AccountInfo, Upgrade, info_of
from worker.venues.bybit.history import (
    KEPT,
    MOST_PAGES,
    SPAN,
    Source,
    SourceRecords,
    funding_sources,
    profit_sources,
)
from worker.venues.bybit.instruments import id_of
from worker.venues.bybit.listing import LONGEST_PAUSE, Listing
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous, Throttled
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records, walked
from worker.venues.reading.past_markets import past_market

NOW: Milliseconds = 1_795_000_000_000
LOGGED = {
    "id": "a",
    "symbol": "BTCUSDT",
    "category": "linear",
    "funding": "-0.15",
    "currency": "USDT",
    "transactionTime": str(NOW - 1),
    "type": "SETTLEMENT",
}
EXECUTED = {"execType": "Funding", "execId": "b", "symbol": "BTCUSD", "execFee": "-0.0002", "execTime": str(NOW - 2)}
CLOSED = {
    "orderId": "c",
    "symbol": "BTCUSDT",
    "closedPnl": "12.5",
    "execType": "Trade",
    "createdTime": str(NOW - 9),
    "updatedTime": str(NOW - 4),
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


def account(status: int, changed: int = 0) -> AccountInfo:
    return info_of({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": status, "updatedTime": str(changed)})


def query(symbol: str | None = None, since: int | None = NOW - 1_000) -> HistoryQuery:
    market = INSTRUMENTS.markets.find(symbol, MarketType.SWAP) if symbol else None
    return HistoryQuery(market, MarketType.SWAP, since, None)


def funding(status: int, symbol: str | None = None, changed: int = 0) -> tuple[Source, ...]:
    return funding_sources(account(status, changed), query(symbol).market, NOW)


def profits(status: int, symbol: str | None = None, changed: int = 0) -> tuple[Source, ...]:
    return profit_sources(account(status, changed), query(symbol).market, NOW)


async def read(book: Book, source: Source, asked: HistoryQuery, upgrade: Upgrade | None = None) -> History:
    records = SourceRecords(book, INSTRUMENTS, upgrade or Upgrade(), source, asked).records()
    return await walked([records], asked, NOW)


async def entries(source: Source, rows: Sequence[Row], symbol: str | None = None) -> tuple[LedgerEntry, ...]:
    return (await read(Book(page(rows)), source, query(symbol))).entries


class TestEntries:
    async def test_the_log_counts_what_is_received_as_positive(self) -> None:
        (entry,) = await entries(funding(5)[0], [LOGGED])
        assert (entry.id, entry.symbol, entry.amount) == ("a", "BTC/USDT:USDT", Decimal("-0.15"))
        assert (entry.code, entry.timestamp, entry.info) == ("USDT", NOW - 1, LOGGED)

    async def test_an_execution_counts_what_is_paid_as_positive_and_names_no_currency(self) -> None:
        _, inverse = funding(1)
        (entry,) = await entries(inverse, [EXECUTED])
        assert (entry.id, entry.symbol, entry.amount) == ("b", "BTC/USD:BTC", Decimal("0.0002"))
        assert (entry.code, entry.timestamp) == ("BTC", NOW - 2)

    @pytest.mark.parametrize(("status", "at"), [(5, NOW - 9), (1, NOW - 4)])
    async def test_a_closed_profit_has_the_time_the_list_goes_by(self, status: int, at: int) -> None:
        (entry,) = await entries(profits(status)[0], [CLOSED])
        assert (entry.id, entry.amount, entry.code) == (f"c-{NOW - 4}", Decimal("12.5"), "USDT")
        assert entry.timestamp == at

    @pytest.mark.parametrize("created", [NOW - 500_000, NOW + 500_000])
    async def test_a_row_that_was_given_for_a_window_is_never_lost_to_another_reading_of_its_time(
        self, created: int
    ) -> None:
        (entry,) = await entries(profits(5)[0], [CLOSED | {"createdTime": str(created)}])
        assert entry.timestamp == NOW - 4

    @pytest.mark.parametrize(("late", "told"), [(1_000, 1), (500_000, 0)])
    async def test_a_profit_that_just_misses_its_window_is_told_and_one_that_is_far_off_in_its_own(
        self, late: int, told: int
    ) -> None:
        times = {"createdTime": str(NOW + late), "updatedTime": str(NOW + late)}
        assert [entry.timestamp for entry in await entries(profits(5)[0], [CLOSED | times])] == [NOW] * told

    async def test_a_payment_has_no_time_but_its_own(self) -> None:
        assert await entries(funding(5)[0], [LOGGED | {"transactionTime": str(NOW + 1)}]) == ()

    @pytest.mark.parametrize("digits", ["", "123", "123456"])
    async def test_a_time_in_micro_or_nanoseconds_is_one_in_milliseconds(self, digits: str) -> None:
        (entry,) = await entries(profits(5)[0], [CLOSED | {"createdTime": f"{NOW - 9}{digits}"}])
        assert entry.timestamp == NOW - 9

    @pytest.mark.parametrize(
        "row",
        [
            LOGGED | {"funding": ""},
            LOGGED | {"funding": "0"},
            LOGGED | {"category": "option"},
            LOGGED | {"symbol": "BTCUSDT-27DEC24"},
            LOGGED | {"type": "TRADE", "cashFlow": "7"},
            LOGGED | {"type": "TRANSFER_IN", "cashFlow": "7"},
        ],
    )
    async def test_what_is_no_payment_of_a_swap_is_left_out(self, row: Row) -> None:
        assert await entries(funding(5)[0], [row]) == ()

    async def test_another_symbol_of_the_same_coin_is_left_out(self) -> None:
        rows = [LOGGED, LOGGED | {"id": "z", "symbol": "BTCPERP", "currency": "USDC"}]
        found = await entries(funding(5, "BTC/USDT:USDT")[0], rows, "BTC/USDT:USDT")
        assert [entry.id for entry in found] == ["a"]

    async def test_the_records_of_a_market_that_is_listed_no_longer_are_told_by_its_symbol(self) -> None:
        gone = past_market("LUNA/USDT:USDT", MarketType.SWAP, id_of)
        row = LOGGED | {"symbol": "LUNAUSDT"}
        asked = HistoryQuery(gone, MarketType.SWAP, NOW - 1_000, None)
        history = await read(Book(page([row, LOGGED])), funding(5, "BTC/USDT:USDT")[0], asked)
        assert [(entry.symbol, entry.code) for entry in history.entries] == [("LUNA/USDT:USDT", "USDT")]

    async def test_rows_count_as_they_come_for_no_identity_is_documented_and_the_oldest_stands_first(self) -> None:
        older = LOGGED | {"id": "older", "transactionTime": str(NOW - 5)}
        assert [entry.id for entry in await entries(funding(5)[0], [LOGGED, LOGGED, older])] == ["older", "a", "a"]

    async def test_a_row_of_another_shape_is_named_with_its_market_and_its_endpoint(self) -> None:
        odd = {name: value for name, value in LOGGED.items() if name != "currency"}
        history = await read(Book(page([odd, LOGGED])), funding(5)[0], query())
        assert [entry.id for entry in history.entries] == ["a"]
        assert [part.unread for part in history.parts] == [
            "the field currency of the venue's answer is missing (BTCUSDT in GET /v5/account/transaction-log)"
        ]


class TestTypes:
    async def test_a_payment_of_a_type_that_nobody_knows_is_told(self) -> None:
        (entry,) = await entries(funding(5)[0], [LOGGED | {"type": "SETTLEMENT_OF_2027"}])
        assert (entry.amount, entry.info["type"]) == (Decimal("-0.15"), "SETTLEMENT_OF_2027")

    async def test_a_row_of_a_type_that_nobody_knows_and_without_a_payment_is_not(self) -> None:
        unknown = {"type": "NEW", "funding": "", "transactionTime": str(NOW - 1), "symbol": "", "category": ""}
        history = await read(Book(page([unknown, LOGGED])), funding(5)[0], query())
        assert [entry.id for entry in history.entries] == ["a"]
        assert [part.unread for part in history.parts] == [None]

    @pytest.mark.parametrize("kind", ["BustTrade", "SessionSettlePnL", "ForwardSplitSettle", "NEW", None])
    async def test_a_closed_profit_is_one_whatever_closed_it(self, kind: str | None) -> None:
        assert len(await entries(profits(5)[0], [CLOSED | {"execType": kind}])) == 1

    async def test_a_dividend_is_all_that_moved(self) -> None:
        dividend = LOGGED | {"type": "DIVIDEND_SETTLEMENT", "funding": "", "change": "1.25"}
        (entry,) = await entries(funding(5)[1], [dividend])
        assert entry.amount == Decimal("1.25")


LOG, LIST, BEFORE = (
    "privateGetV5AccountTransactionLog",
    "privateGetV5ExecutionList",
    "privateGetV5PreUpgradeExecutionList",
)
Expected = list[tuple[str, str | None, str | None, str | None]]


class TestSources:
    @pytest.mark.parametrize(
        ("status", "symbol", "expected"),
        [
            (5, None, [(LOG, None, None, "SETTLEMENT"), (LOG, None, None, "DIVIDEND_SETTLEMENT")]),
            (
                6,
                "BTC/USD:BTC",
                [(LOG, "inverse", "BTC", "SETTLEMENT"), (LOG, "inverse", "BTC", "DIVIDEND_SETTLEMENT")],
            ),
            (
                4,
                None,
                [
                    (LOG, "linear", None, "SETTLEMENT"),
                    (LOG, "linear", None, "DIVIDEND_SETTLEMENT"),
                    (LIST, "inverse", None, None),
                ],
            ),
            (3, "BTC/USD:BTC", [(LIST, "inverse", None, None)]),
            (1, None, [(LIST, "linear", None, None), (LIST, "inverse", None, None)]),
            (1, "BTC/USDT:USDT", [(LIST, "linear", None, None)]),
        ],
    )
    def test_funding_stands_in_the_log_as_far_as_the_account_is_unified(
        self, status: int, symbol: str | None, expected: Expected
    ) -> None:
        assert [
            (row.listing.name, *(row.params.get(name) for name in ("category", "baseCoin", "type")))
            for row in funding(status, symbol)
        ] == expected

    @pytest.mark.parametrize(
        ("status", "changed", "expected"),
        [
            (5, NOW - DAY, {"linear", "inverse"}),
            (4, NOW - DAY, {"linear"}),
            (1, NOW - DAY, set()),
            (5, NOW - KEPT, set()),
        ],
    )
    def test_what_was_before_an_upgrade_is_asked_for_where_it_may_still_be_kept(
        self, status: int, changed: int, expected: set[str]
    ) -> None:
        for sources in (funding(status, changed=changed), profits(status, changed=changed)):
            assert {row.category for row in sources if row.before} == expected

    def test_no_two_sources_of_a_question_have_one_name(self) -> None:
        for status in (1, 3, 5):
            for sources in (funding(status, changed=NOW), profits(status, changed=NOW)):
                assert len({row.name for row in sources}) == len(sources)

    async def test_windows_are_no_longer_than_seven_days_and_begin_no_earlier_than_two_years_ago(self) -> None:
        book = Book(page([]))
        history = await read(book, funding(5)[0], query(since=0))
        assert history.complete_from == NOW - KEPT
        assert book.asked[0]["startTime"] == NOW - KEPT
        assert book.asked[-1]["endTime"] == NOW
        assert max(asked["endTime"] - asked["startTime"] for asked in book.asked) < SPAN
        following = zip(book.asked, book.asked[1:], strict=False)
        assert all(first["endTime"] + 1 == second["startTime"] for first, second in following)


class TestBeforeAnUpgrade:
    async def test_nobody_is_asked_about_a_window_in_which_the_account_was_unified(self) -> None:
        upgrade, book = Upgrade(), Book(page([]))
        upgrade.unified_at("linear", NOW - 30 * DAY)
        (_, before, *_) = profits(5, "BTC/USDT:USDT", changed=NOW)
        await read(book, before, query("BTC/USDT:USDT", since=NOW - 20 * DAY), upgrade)
        assert book.asked == []
        await read(book, before, query("BTC/USDT:USDT", since=NOW - 40 * DAY), upgrade)
        assert 0 < len(book.asked) < 5

    async def test_a_record_of_the_unified_account_tells_since_when_it_is_one(self) -> None:
        upgrade = Upgrade()
        await read(Book(page([CLOSED])), profits(5)[0], query(), upgrade)
        assert upgrade.was_unified("linear", NOW - 9)
        assert not upgrade.was_unified("linear", NOW - 10)
        assert not upgrade.was_unified("inverse", NOW)

    async def test_an_execution_of_a_classic_account_tells_nothing_of_the_kind(self) -> None:
        upgrade = Upgrade()
        await read(Book(page([EXECUTED])), funding(1)[1], query(), upgrade)
        assert not upgrade.was_unified("inverse", NOW)

    @pytest.mark.parametrize(("changed", "expected"), [("", False), ("5", True), (str(NOW + 1), False)])
    def test_an_account_was_not_upgraded_after_its_data_were_changed_last(self, changed: str, expected: bool) -> None:
        upgrade, raw = Upgrade(), {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 5, "updatedTime": changed}
        upgrade.told_by(info_of(raw))
        assert upgrade.was_unified("linear", NOW) is expected

    async def test_closed_profits_are_asked_for_by_the_symbols_that_executions_name(self) -> None:
        traded = [{"symbol": "BTCUSDT", "execType": "Trade"}, {"symbol": "ETHUSDT", "execType": "Funding"}]
        book = Book(page(traded), page([CLOSED]))
        before = profits(5, changed=NOW)[1]
        (entry,) = (await read(book, before, query())).entries
        assert entry.symbol == "BTC/USDT:USDT"
        assert [asked.get("symbol") for asked in book.asked] == [None, "BTCUSDT"]

    async def test_more_executions_than_can_be_looked_through_are_named(self) -> None:
        endless = [page([{"symbol": "BTCUSDT", "execType": "Trade"}], f"page {number}") for number in range(MOST_PAGES)]
        history = await read(Book(*endless, page([CLOSED])), profits(5, changed=NOW)[1], query())
        assert len(history.entries) == 1
        assert "ask by symbol" in str(history.parts[0].unread)


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

    async def test_a_page_that_is_not_full_does_not_end_it(self) -> None:
        book = Book(page([{"a": 1}], "one"), page([{"a": 2}], "two"), page([], "three"))
        assert await Listing("x", 50).rows(book, {}) == [{"a": 1}, {"a": 2}]
        assert len(book.asked) == 3

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
