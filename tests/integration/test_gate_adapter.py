"""The Gate adapter against the sandbox: every operation, both position modes, and the venue at its worst."""

import re
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import (
    FUTURE,
    SWAP,
    TIMEOUT_MS,
    SandboxHarness,
    harness_fixtures,
    market,
    unread,
)
from worker.venues.gate import GateVenue
from worker.venues.limits.meter import ROLLING_MARGIN
from worker.venues.port.adapter import HistoryQuery, Market
from worker.venues.port.errors import (
    AlreadySo,
    NotSent,
    NotSupported,
    PreconditionFailed,
    Throttled,
    UnknownSymbol,
    ValueRefused,
)
from worker.venues.reading.history import DAY

PERP, HEDGE = "gate-perp-001", "gate-hedge-001"
CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
LINEAR, INVERSE, SHORT = "BTC/USDT:USDT", "BTC/USD:BTC", "SOL/USDT:USDT"
FLAT, UNTOUCHED = "ETH/USDT:USDT", "XRP/USDT:USDT"
USDT = "/api/v4/futures/usdt"
SET_LEVERAGE = f"{USDT}/positions/BTC_USDT/set_leverage"
SWITCH = f"{USDT}/positions/cross_mode"
BEFORE_CONTRACTS = 1_690_848_000_000


shared, harness = harness_fixtures("gate")


async def sent(harness: SandboxHarness, method: str) -> list[str]:
    return [entry["path"].removeprefix("/api/v4") for entry in await harness.requests() if entry["method"] == method]


async def held_delivery(harness: SandboxHarness) -> Market:
    """The delivery future that the one-way account holds."""
    (position,) = (await harness.adapter(PERP).positions(FUTURE)).positions
    return harness.adapter(PERP).market(position.symbol, FUTURE)


async def crossed(harness: SandboxHarness, leverage: int) -> None:
    """Put the delivery that the one-way account holds into cross margin, as only Gate's site can."""
    held = {"contract": "BTC_USDT_CURRENT", "size": -100, "entry_price": 100_200, "leverage": leverage}
    await harness.change(PERP, positions=[held])


class TestLeverage:
    async def test_a_one_way_market_is_set_through_the_endpoint_that_names_the_mode(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_leverage(market(adapter, SHORT), Decimal(7))
        (change,) = [entry for entry in await harness.requests() if entry["method"] == "POST"]
        assert change["path"] == f"{USDT}/positions/SOL_USDT/set_leverage"
        assert (change["params"]["leverage"], change["params"]["margin_mode"]) == ("7", "isolated")

    async def test_both_sides_of_a_hedged_market_are_set_by_one_request(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        assert (await adapter.terms(market(adapter, FLAT))).sides == (Decimal(10), Decimal(20))
        await adapter.set_leverage(market(adapter, FLAT), Decimal(15))
        assert await sent(harness, "POST") == ["/futures/usdt/dual_comp/positions/ETH_USDT/leverage"]
        assert (await adapter.terms(market(adapter, FLAT))).sides == (Decimal(15), Decimal(15))

    async def test_a_delivery_in_cross_margin_is_left_as_it_is(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(PERP), await held_delivery(harness)
        await crossed(harness, leverage=5)
        with pytest.raises(NotSupported, match="delivery in cross margin"):
            await adapter.set_leverage(future, Decimal(3))
        assert await sent(harness, "POST") == []
        terms = await adapter.terms(future)
        assert (terms.leverage, terms.margin_mode) == (Decimal(5), CROSS)

    @pytest.mark.parametrize(("symbol", "maximum"), [(LINEAR, 125), (INVERSE, 100), (FLAT, 100), (SHORT, 75)])
    @pytest.mark.parametrize(("leverage", "steps"), [("0", ""), ("4.5", " in whole steps")])
    async def test_a_leverage_out_of_range_names_the_range_and_changes_nothing(
        self, harness: SandboxHarness, symbol: str, maximum: int, leverage: str, steps: str
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.check_leverage(market(adapter, symbol), Decimal(maximum))
        assert await harness.requests() == []
        with pytest.raises(ValueRefused) as caught:
            await adapter.check_leverage(market(adapter, symbol), Decimal(leverage))
        assert caught.value.message == f"{symbol} takes 1x to {maximum}x{steps}, not {leverage}x"
        assert [path.rpartition("/")[0].rpartition("/")[2] for path in await harness.paths()] == ["contracts"]

    async def test_nothing_to_change_is_told(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "status", status=400, body={"label": "NO_CHANGE", "message": "No change"})
        with pytest.raises(AlreadySo):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(10))


class TestMarginMode:
    async def test_it_is_sent_as_a_signed_body(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        (change,) = [entry for entry in await harness.requests() if entry["method"] == "POST"]
        assert (change["params"]["mode"], change["params"]["contract"]) == ("ISOLATED", "ETH_USDT")
        assert change["status"] == 200

    async def test_a_position_that_cannot_be_read_is_still_in_the_way(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(f"{USDT}/positions/BTC_USDT", "delay")  # the first question is answered
        await harness.fault(f"{USDT}/positions/BTC_USDT", "html")
        with pytest.raises(PreconditionFailed, match="has an open position; close it"):
            await adapter.set_margin_mode(market(adapter, LINEAR), ISOLATED)

    async def test_a_delivery_is_isolated_and_keeps_its_leverage(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(PERP), await held_delivery(harness)
        await crossed(harness, leverage=6)
        assert (await adapter.set_margin_mode(future, ISOLATED)).margin_mode is ISOLATED
        terms = await adapter.terms(future)
        assert (terms.margin_mode, terms.leverage) == (ISOLATED, Decimal(6))
        with pytest.raises(AlreadySo):
            await adapter.set_margin_mode(future, ISOLATED)

    async def test_a_delivery_is_not_made_cross_for_its_leverage_would_jump(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(PERP), await held_delivery(harness)
        with pytest.raises(NotSupported, match="keep its leverage"):
            await adapter.set_margin_mode(future, CROSS)
        assert await sent(harness, "POST") == []
        terms = await adapter.terms(future)
        assert (terms.margin_mode, terms.leverage) == (ISOLATED, Decimal(5))


class TestSymbolState:
    async def test_a_cross_position_has_its_real_leverage(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        state = await adapter.symbol_state(market(adapter, LINEAR))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(10), CROSS)
        assert state.terms.raw["leverage"] == "0"
        assert state.unrealized_pnl == Decimal("25.25")

    async def test_an_account_nothing_was_paid_into_says_so(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        with pytest.raises(PreconditionFailed, match="transfer funds into this futures account"):
            await adapter.symbol_state(market(adapter, INVERSE))


class TestPositions:
    async def test_every_settle_currency_and_every_type_is_read(self, harness: SandboxHarness) -> None:
        found = await harness.adapter(PERP).positions()
        assert found.coverage == ("usdt", "btc", "usd1", "delivery usdt")
        future = (await held_delivery(harness)).symbol
        assert [(row.symbol, row.side, row.margin_mode) for row in found.positions] == [
            (LINEAR, "long", CROSS),
            (SHORT, "short", ISOLATED),
            (INVERSE, "long", CROSS),
            (future, "short", ISOLATED),
        ]

    async def test_both_legs_of_a_hedge_are_listed_and_missing_accounts_hold_nothing(
        self, harness: SandboxHarness
    ) -> None:
        found = await harness.adapter(HEDGE).positions()
        assert [(row.symbol, row.side) for row in found.positions] == [
            (LINEAR, "long"),
            (LINEAR, "short"),
            (FLAT, "long"),
        ]
        assert found.coverage == ("usdt", "btc", "usd1", "delivery usdt")

    @pytest.mark.parametrize("body", [{}, [1], [{"contract": "BTC_USDT", "size": "1"}], [{"size": "1"}]])
    async def test_rows_of_another_shape_are_no_positions(self, harness: SandboxHarness, body: Any) -> None:
        await harness.fault(f"{USDT}/positions", "status", body=body, times=2)
        found = await harness.adapter(PERP).positions(SWAP)
        assert [row.symbol for row in found.positions] == [INVERSE]
        assert unread(found).keys() == {"usdt"}


class TestParts:
    """One part, one contract, one row that can't be read hides nothing else, and is named."""

    @pytest.mark.parametrize(
        ("fault", "says"),
        [
            (
                {"status": 403, "body": {"label": "FORBIDDEN", "message": "no"}},
                r"\(FORBIDDEN\) to /futures/btc/positions",
            ),
            ({"status": 500, "body": "<html>", "times": 2}, "/futures/btc/positions with HTTP 500"),
            ({"body": {}, "times": 2}, "GET /futures/btc/positions is no list"),
            ({"body": [{"contract": "ODD_USD", "size": "1"}]}, r"ODD_USD.*GET /futures/btc/positions"),
            ({"body": [{"contract": "BTC_USD", "size": ""}]}, r"the field size .*BTC_USD, GET /futures/btc/positions"),
        ],
        ids=str,
    )
    async def test_the_rest_is_told_and_what_is_wrong_is_named(
        self, harness: SandboxHarness, fault: dict[str, Any], says: str
    ) -> None:
        await harness.fault("/api/v4/futures/btc/positions", "status", **fault)
        found = await harness.adapter(PERP).positions()
        assert found.coverage == ("usdt", "usd1", "delivery usdt")
        (reason,) = [part.unread for part in found.parts if part.unread]
        assert re.search(says, reason)
        assert {row.symbol for row in found.positions} >= {LINEAR, SHORT}

    async def test_one_odd_row_hides_none_of_its_neighbours(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        told = (await adapter.positions(SWAP)).positions
        body = [{"contract": "BTC_USDT", "size": None}, *await self.rows(harness)]
        await harness.fault(f"{USDT}/positions", "status", body=body)
        found = await adapter.positions(SWAP)
        assert found.positions == told
        assert "usdt" not in found.coverage

    async def test_another_contracts_odd_row_is_no_matter_of_the_one_asked_for(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        body = [{"contract": "NEW_USDT", "size": "1"}, *await self.rows(harness)]
        await harness.fault(f"{USDT}/positions", "status", body=body)
        found = await adapter.positions(SWAP, market(adapter, SHORT))
        assert ([row.symbol for row in found.positions], found.coverage) == ([SHORT], ("usdt",))

    async def rows(self, harness: SandboxHarness) -> list[dict[str, Any]]:
        """The rows of the account's open positions in USDT, as Gate gives them."""
        body: list[dict[str, Any]] = await harness.adapter(PERP)._transport.call(  # type: ignore[attr-defined]
            "privateFuturesGetSettlePositions", {"settle": "usdt", "holding": "true"}
        )
        return body

    async def test_funding_of_deliveries_is_asked_for_and_told(self, harness: SandboxHarness) -> None:
        entry = {"family": "delivery", "type": "fund", "change": "-0.5", "contract": "BTC_USDT_20260626"}
        await harness.change(PERP, book=[entry])
        history = await harness.adapter(PERP).funding_history(HistoryQuery(None, FUTURE, 0, None))
        assert [(row.symbol, row.amount) for row in history.entries] == [("BTC/USDT:USDT-260626", Decimal("-0.5"))]
        assert [part.name for part in history.parts] == ["delivery usdt"]


class TestHistory:
    def query(
        self, market: Market | None = None, kind: MarketType = SWAP, since: int | None = None, limit: int | None = None
    ) -> HistoryQuery:
        return HistoryQuery(market, kind, since, limit)

    async def test_all_funding_comes_once_and_in_order(self, harness: SandboxHarness) -> None:
        history = await harness.adapter(PERP).funding_history(self.query(since=0))
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({entry.id for entry in history.entries}) == len(times) > 3_000
        assert {entry.code for entry in history.entries if entry.symbol == INVERSE} == {"BTC"}
        per_instant = Counter(entry.timestamp for entry in history.entries if entry.info.get("contract"))
        assert set(per_instant.values()) == {6}

    async def test_entries_from_before_contracts_were_noted_are_found_by_symbol(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        first = await adapter.funding_history(self.query(market(adapter, LINEAR), since=0, limit=30))
        assert first.entries[0].timestamp == BEFORE_CONTRACTS
        assert all("contract" not in entry.info for entry in first.entries)
        assert {entry.symbol for entry in first.entries} == {LINEAR}

    async def test_that_futures_have_no_funding_is_what_the_venue_says(self, harness: SandboxHarness) -> None:
        history = await harness.adapter(PERP).funding_history(self.query(kind=FUTURE, since=5))
        assert (history.entries, history.complete_from) == ((), 5)
        assert {row["path"] for row in await harness.requests()} == {"/api/v4/delivery/usdt/account_book"}

    async def test_realized_profits_come_whole_with_their_sign(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        history = await adapter.realized_pnl(self.query(since=0))
        assert len({entry.id for entry in history.entries}) == len(history.entries) > 2_500
        assert history.entries[-1].amount > 0
        assert any(entry.amount < 0 for entry in history.entries)
        assert {entry.symbol for entry in history.entries} == {LINEAR, FLAT, INVERSE, "MU/USDT:USDT"}
        assert {entry.info["type"] for entry in history.entries} == {"pnl", "dividend"}

    async def test_a_dividend_of_a_stock_contract_is_a_profit_and_no_funding(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        stock = market(adapter, "MU/USDT:USDT")
        (entry,) = (await adapter.realized_pnl(self.query(stock, since=0))).entries
        assert (entry.info["type"], entry.amount, entry.symbol) == ("dividend", Decimal("3.45"), "MU/USDT:USDT")
        assert (await adapter.funding_history(self.query(stock, since=0))).entries == ()

    async def test_an_entry_of_a_type_that_nobody_knows_is_told(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, book=[{"type": "brand_new", "change": "7.5", "contract": "BTC_USDT"}])
        adapter = harness.adapter(PERP)
        newest = await adapter.realized_pnl(self.query(market(adapter, LINEAR), limit=1))
        assert [(entry.info["type"], entry.amount) for entry in newest.entries] == [("brand_new", Decimal("7.5"))]

    async def test_more_entries_of_one_instant_than_a_page_holds_are_passed(self, harness: SandboxHarness) -> None:
        at = BEFORE_CONTRACTS + 400 * DAY
        entry = {"type": "pnl", "change": "1", "contract": "BTC_USDT", "time": at, "count": 2_345}
        await harness.change(PERP, book=[entry, entry | {"with_id": False, "count": 5}])
        adapter = harness.adapter(PERP)
        bitcoin, told, cursor = market(adapter, LINEAR), 0, None
        while True:
            query = HistoryQuery(bitcoin, SWAP, at, 1_000, cursor)
            history = await adapter.realized_pnl(query)
            told += sum(entry.timestamp == at for entry in history.entries)
            if (cursor := history.next_cursor) is None or history.entries[-1].timestamp > at:
                break
        assert told == 2_350

    async def test_a_deliverys_profits_include_its_settlement_and_name_delisted_contracts(
        self, harness: SandboxHarness
    ) -> None:
        adapter, future = harness.adapter(PERP), await held_delivery(harness)
        history = await adapter.realized_pnl(self.query(kind=FUTURE, since=0))
        assert {entry.info["type"] for entry in history.entries} == {"pnl"}
        assert {entry.symbol for entry in history.entries} == {future.symbol, "BTC/USDT:USDT-260626"}
        of_symbol = await adapter.realized_pnl(self.query(future, FUTURE, since=0))
        assert {entry.symbol for entry in of_symbol.entries} == {future.symbol}

    async def test_a_delivery_that_was_delivered_can_be_asked_for_by_its_symbol(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        delivered = adapter.market("BTC/USDT:USDT-260626", FUTURE)
        history = await adapter.realized_pnl(self.query(delivered, FUTURE, since=0))
        assert [(entry.symbol, entry.amount) for entry in history.entries] == [(delivered.symbol, Decimal("33.21"))]
        with pytest.raises(UnknownSymbol):
            await adapter.set_leverage(delivered, Decimal(3))

    @pytest.mark.parametrize(
        "symbol", ["BTC/USDT:USDT-991231", "NONE/USDT:USDT-260626", "BTC/USDT:USDT-269999", "BTC/USD:BTC-260626"]
    )
    async def test_what_can_never_have_been_delivered_is_no_symbol(self, harness: SandboxHarness, symbol: str) -> None:
        with pytest.raises(UnknownSymbol):
            harness.adapter(PERP).market(symbol, FUTURE)

    async def test_an_account_without_any_has_an_empty_history(self, harness: SandboxHarness) -> None:
        history = await harness.adapter(HEDGE).realized_pnl(self.query(since=0))
        assert (history.entries, history.complete_from) == ((), 0)


class TestTheVenueAtItsWorst:
    async def test_a_used_up_limit_says_when_it_is_free_again(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.control.put("/limits", json={"futures": 1})
        await adapter.terms(market(adapter, LINEAR))
        with pytest.raises(Throttled) as caught:
            await adapter.terms(market(adapter, LINEAR))
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= 10_000 + ROLLING_MARGIN
        assert len(await harness.paths()) == 2


class TestTheVenue:
    async def test_markets_are_loaded_list_by_list_and_without_a_key(self, harness: SandboxHarness) -> None:
        await GateVenue(harness.connections, harness.sandbox.base_urls["gate"], TIMEOUT_MS).load()
        entries = await harness.requests()
        assert sorted(entry["path"].removeprefix("/api/v4") for entry in entries) == [
            "/delivery/usdt/contracts",
            "/futures/btc/contracts_all",
            "/futures/usd1/contracts_all",
            "/futures/usdt/contracts_all",
        ]
        assert {entry["account"] for entry in entries} == {None}

    @pytest.mark.parametrize(
        ("symbol", "market_id"),
        [
            ("GTC/USDT:USDT", "GTC_USDT"),
            ("币安人生/USDT:USDT", "币安人生_USDT"),
            ("BTC/USD1:USD1", "BTC_USD1"),
            ("MTL/USDT:USDT", "MTL_USDT"),
            ("OMG/USDT:USDT", "OMG_USDT"),
        ],
    )
    async def test_every_contract_that_is_listed_has_a_market_under_gates_own_names(
        self, harness: SandboxHarness, symbol: str, market_id: str
    ) -> None:
        assert market(harness.adapter(PERP), symbol).id == market_id

    async def test_a_contract_outside_ascii_is_set_and_read(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        wanted = market(adapter, "币安人生/USDT:USDT")
        assert (await adapter.set_leverage(wanted, Decimal(7))).leverage == Decimal(7)
        assert (await adapter.set_margin_mode(wanted, ISOLATED)).margin_mode is ISOLATED
        assert (await adapter.terms(wanted)).all_at(Decimal(7))
        assert (await adapter.funding_history(HistoryQuery(wanted, SWAP, None, None))).entries == ()

    async def test_where_the_list_of_all_is_refused_the_list_of_what_is_traded_serves(
        self, harness: SandboxHarness
    ) -> None:
        venue = GateVenue(harness.connections, harness.sandbox.base_urls["gate"], TIMEOUT_MS)
        await harness.fault(f"{USDT}/contracts_all", "status", status=404, body={"label": "NOT_FOUND"})
        await venue.load()
        adapter = venue.adapter(harness.account(PERP))
        assert market(adapter, LINEAR).id == "BTC_USDT"
        with pytest.raises(UnknownSymbol):
            market(adapter, "OMG/USDT:USDT")

    async def test_a_position_in_a_contract_that_was_delisted_is_told(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, positions=[{"contract": "OMG_USDT", "size": 5, "entry_price": "0.25"}])
        found = await harness.adapter(PERP).positions(SWAP)
        assert ("OMG/USDT:USDT", "long", Decimal(5)) in {
            (row.symbol, row.side, row.contracts) for row in found.positions
        }

    @pytest.mark.parametrize("fault", [{"fault": "html"}, {"fault": "status", "status": 502, "body": {"label": "X"}}])
    async def test_one_list_that_cannot_be_read_blinds_none_of_the_others(
        self, harness: SandboxHarness, fault: dict[str, Any]
    ) -> None:
        wanted: list[None] = []
        venue = GateVenue(harness.connections, harness.sandbox.base_urls["gate"], TIMEOUT_MS)
        await harness.fault("/api/v4/futures/usd1/contracts_all", **fault)
        await venue.load(lambda: wanted.append(None))
        assert len(wanted) == 1, "it is to be read again soon"
        adapter = venue.adapter(harness.account(PERP))
        assert market(adapter, LINEAR).id == "BTC_USDT"
        with pytest.raises(NotSent, match=r"its list could not be read \(GET /futures/usd1/contracts"):
            market(adapter, "BTC/USD1:USD1")
        with pytest.raises(UnknownSymbol):
            market(adapter, "NONE/USDT:USDT")
        assert await venue.load()
        assert market(venue.adapter(harness.account(PERP)), "BTC/USD1:USD1").id == "BTC_USD1"
        await harness.fault("/api/v4/futures/usd1/contracts_all", **fault)
        assert not await venue.load(), "what was known of it stays"

    async def test_an_odd_contract_is_left_out_alone(self, harness: SandboxHarness) -> None:
        venue = GateVenue(harness.connections, harness.sandbox.base_urls["gate"], TIMEOUT_MS)
        good = {"name": "BTC_USDT", "type": "direct", "quanto_multiplier": "0.0001", "leverage_max": ""}
        odd = [good | {"name": "ODD_USDT", "type": None}, good | {"name": "NIL_USDT", "quanto_multiplier": "0"}]
        await harness.fault(f"{USDT}/contracts_all", "status", body=[*odd, good])
        await venue.load()
        adapter = venue.adapter(harness.account(PERP))
        await adapter.check_leverage(market(adapter, LINEAR), Decimal(125))
        with pytest.raises(NotSupported, match=r"can't be used: the field type of .*GET /futures/usdt/contracts"):
            market(adapter, "ODD/USDT:USDT")

    async def test_a_position_in_usd1_is_told(self, harness: SandboxHarness) -> None:
        held = {"contract": "BTC_USD1", "size": "0.5", "entry_price": 98_000}
        await harness.change(PERP, paid_in={"futures usd1": 1_000}, positions=[held])
        (position,) = [
            row for row in (await harness.adapter(PERP).positions(SWAP)).positions if row.symbol.endswith("USD1")
        ]
        assert (position.symbol, position.contracts) == ("BTC/USD1:USD1", Decimal("0.5"))
