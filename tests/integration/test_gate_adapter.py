"""The Gate adapter against the sandbox: every operation, both position modes, and the venue at its worst."""

import asyncio
import logging
import re
import time
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import (
    BROKEN_ANSWERS,
    FUTURE,
    SWAP,
    TIMEOUT_MS,
    SandboxHarness,
    harness_fixtures,
    market,
    unread,
)
from worker.venues.gate import GateVenue
from worker.venues.limits.windows import ROLLING_MARGIN
from worker.venues.port.adapter import Capability, HistoryQuery, Market
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    NotSent,
    NotSupported,
    PreconditionFailed,
    Throttled,
    UnknownSymbol,
    Unlisted,
    ValueRefused,
    VenueError,
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
    @pytest.mark.parametrize(
        ("account_id", "symbol", "mode"),
        [
            (PERP, LINEAR, CROSS),
            (PERP, INVERSE, CROSS),
            (PERP, FLAT, CROSS),
            (PERP, SHORT, ISOLATED),
            (PERP, UNTOUCHED, CROSS),
            (HEDGE, LINEAR, CROSS),
            (HEDGE, FLAT, ISOLATED),
            (HEDGE, UNTOUCHED, CROSS),
        ],
    )
    async def test_it_is_echoed_read_back_and_leaves_the_margin_mode_alone(
        self, harness: SandboxHarness, account_id: str, symbol: str, mode: MarginMode
    ) -> None:
        adapter = harness.adapter(account_id)
        wanted = market(adapter, symbol)
        echo = await adapter.set_leverage(wanted, Decimal(7))
        assert echo.leverage == Decimal(7)
        terms = await adapter.terms(wanted)
        assert terms.all_at(Decimal(7))
        assert (terms.leverage, terms.margin_mode) == (Decimal(7), mode)

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

    async def test_a_delivery_future_has_a_leverage_of_its_own(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(PERP), await held_delivery(harness)
        echo = await adapter.set_leverage(future, Decimal(3))
        terms = await adapter.terms(future)
        assert (echo.leverage, terms.leverage, terms.margin_mode) == (Decimal(3), Decimal(3), ISOLATED)
        assert (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal(10)

    async def test_a_delivery_in_cross_margin_is_left_as_it_is(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(PERP), await held_delivery(harness)
        await crossed(harness, leverage=5)
        with pytest.raises(NotSupported, match="delivery in cross margin"):
            await adapter.set_leverage(future, Decimal(3))
        assert await sent(harness, "POST") == []
        terms = await adapter.terms(future)
        assert (terms.leverage, terms.margin_mode) == (Decimal(5), CROSS)

    @pytest.mark.parametrize(("symbol", "maximum"), [(LINEAR, 125), (INVERSE, 100), (FLAT, 100), (SHORT, 75)])
    @pytest.mark.parametrize(("leverage", "steps"), [("200", ""), ("0", ""), ("4.5", " in whole steps")])
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

    async def test_what_only_the_venue_knows_to_be_too_much_is_refused_by_it(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        with pytest.raises(ValueRefused) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(200))
        assert caught.value.venue_code == "LEVERAGE_TOO_HIGH"

    async def test_a_leverage_whose_margin_is_not_there_is_a_precondition(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        with pytest.raises(PreconditionFailed, match="add margin") as caught:
            await adapter.set_leverage(market(adapter, SHORT), Decimal(1))
        assert caught.value.venue_code == "INSUFFICIENT_AVAILABLE"

    async def test_an_echo_for_another_market_is_no_confirmation(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "status", body={"contract": "ETH_USDT", "lever": "7"})
        with pytest.raises(Ambiguous, match="answered for ETH_USDT"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))

    async def test_accepted_is_not_applied(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "status", status=202, body={"contract": "BTC_USDT", "lever": "7"})
        with pytest.raises(Ambiguous, match="accepted, but not carried out"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))

    async def test_nothing_to_change_is_told(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "status", status=400, body={"label": "NO_CHANGE", "message": "No change"})
        with pytest.raises(AlreadySo):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(10))


class TestMarginMode:
    @pytest.mark.parametrize(
        ("account_id", "symbol", "path"),
        [
            (PERP, FLAT, "/futures/usdt/positions/cross_mode"),
            (PERP, UNTOUCHED, "/futures/usdt/positions/cross_mode"),
            (HEDGE, SHORT, "/futures/usdt/dual_comp/positions/cross_mode"),
        ],
    )
    async def test_a_flat_market_switches_there_and_back_and_keeps_its_leverage(
        self, harness: SandboxHarness, account_id: str, symbol: str, path: str
    ) -> None:
        adapter = harness.adapter(account_id)
        wanted = market(adapter, symbol)
        for mode in (ISOLATED, CROSS):
            echo = await adapter.set_margin_mode(wanted, mode)
            assert (echo.margin_mode, echo.note) == (mode, None)
            terms = await adapter.terms(wanted)
            assert (terms.margin_mode, terms.leverage) == (mode, Decimal(10))
        assert await sent(harness, "POST") == [path, path]

    async def test_it_is_sent_as_a_signed_body(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        (change,) = [entry for entry in await harness.requests() if entry["method"] == "POST"]
        assert (change["params"]["mode"], change["params"]["contract"]) == ("ISOLATED", "ETH_USDT")
        assert change["status"] == 200

    @pytest.mark.parametrize(("account_id", "symbol", "mode"), [(PERP, FLAT, CROSS), (HEDGE, FLAT, ISOLATED)])
    async def test_what_is_so_already_is_no_change(
        self, harness: SandboxHarness, account_id: str, symbol: str, mode: MarginMode
    ) -> None:
        adapter = harness.adapter(account_id)
        with pytest.raises(AlreadySo) as caught:
            await adapter.set_margin_mode(market(adapter, symbol), mode)
        assert caught.value.venue_code == "NO_CHANGE"

    @pytest.mark.parametrize(
        ("account_id", "symbol", "mode", "held"),
        [
            (PERP, LINEAR, ISOLATED, "long 500"),
            (PERP, SHORT, CROSS, "short 10"),
            (PERP, INVERSE, ISOLATED, "long 1000"),
            (HEDGE, LINEAR, ISOLATED, "long 1000 and short 400"),
        ],
    )
    async def test_an_open_position_is_named(
        self, harness: SandboxHarness, account_id: str, symbol: str, mode: MarginMode, held: str
    ) -> None:
        adapter = harness.adapter(account_id)
        with pytest.raises(PreconditionFailed) as caught:
            await adapter.set_margin_mode(market(adapter, symbol), mode)
        assert caught.value.message == (
            f"{symbol} has an open position ({held}); close it before switching its margin mode to {mode}"
        )
        assert caught.value.venue_code == "POSITION_HOLDING"

    async def test_a_position_that_cannot_be_read_is_still_in_the_way(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(f"{USDT}/positions/BTC_USDT", "delay")  # the first question is answered
        await harness.fault(f"{USDT}/positions/BTC_USDT", "html")
        with pytest.raises(PreconditionFailed, match="has an open position; close it"):
            await adapter.set_margin_mode(market(adapter, LINEAR), ISOLATED)

    async def test_open_orders_are_named(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, open_orders={"ETH_USDT": 2})
        with pytest.raises(PreconditionFailed, match="ETH/USDT:USDT has open orders; cancel them") as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        assert caught.value.venue_code == "ORDER_PENDING"

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
    @pytest.mark.parametrize(
        ("account_id", "symbol", "expected"),
        [
            (PERP, LINEAR, ("long", Decimal(500), Decimal("4925.25"))),
            (PERP, SHORT, ("short", Decimal(10), Decimal(1855))),
            (PERP, INVERSE, ("long", Decimal(1000), Decimal(1000))),
            (HEDGE, LINEAR, ("both", Decimal(1400), Decimal("13790.7"))),
            (HEDGE, FLAT, ("long", Decimal(200), Decimal(6400))),
        ],
    )
    async def test_a_position_is_valued_in_quote_and_both_legs_are_summed(
        self, harness: SandboxHarness, account_id: str, symbol: str, expected: tuple[str, Decimal, Decimal]
    ) -> None:
        adapter = harness.adapter(account_id)
        state = await adapter.symbol_state(market(adapter, symbol))
        assert (state.side, state.size, state.notional) == expected

    async def test_a_cross_position_has_its_real_leverage(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        state = await adapter.symbol_state(market(adapter, LINEAR))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(10), CROSS)
        assert state.terms.raw["leverage"] == "0"
        assert state.unrealized_pnl == Decimal("25.25")

    @pytest.mark.parametrize(
        ("account_id", "symbol"), [(PERP, FLAT), (PERP, UNTOUCHED), (HEDGE, SHORT), (HEDGE, UNTOUCHED)]
    )
    async def test_a_flat_market_has_terms_and_no_side(
        self, harness: SandboxHarness, account_id: str, symbol: str
    ) -> None:
        adapter = harness.adapter(account_id)
        state = await adapter.symbol_state(market(adapter, symbol))
        assert (state.side, state.size, state.terms.leverage) == (None, Decimal(0), Decimal(10))

    async def test_an_account_nothing_was_paid_into_says_so(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        with pytest.raises(PreconditionFailed, match="transfer funds into this futures account"):
            await adapter.symbol_state(market(adapter, INVERSE))


class TestPositions:
    async def test_the_seeded_long_position(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        (position,) = (await adapter.positions(SWAP, market(adapter, LINEAR))).positions
        shown = position.model_dump(mode="json")
        assert shown.pop("liquidation_price") > 0
        assert shown == {
            "symbol": LINEAR,
            "side": "long",
            "contracts": 500,
            "contract_size": 0.0001,
            "entry_price": 98000,
            "mark_price": 98505,
            "notional": 4925.25,
            "leverage": 10,
            "unrealized_pnl": 25.25,
            "percentage": 0.51,
            "margin_mode": "cross",
            "collateral": 496.22,
            "timestamp": 1706745600000,
            "datetime": "2024-02-01T00:00:00Z",
            "exchange": "gate",
            "exchange_account_id": PERP,
        }

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

    async def test_swaps_and_futures_are_told_apart(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        swaps, futures = await adapter.positions(SWAP), await adapter.positions(FUTURE)
        assert (swaps.coverage, len(swaps.positions)) == (("usdt", "btc", "usd1"), 3)
        assert (futures.coverage, len(futures.positions)) == (("delivery usdt",), 1)

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

    async def test_an_isolated_position_holds_its_own_margin(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        (position,) = (await adapter.positions(SWAP, market(adapter, SHORT))).positions
        assert (position.collateral, position.percentage) == (Decimal("380.50"), Decimal("2.56"))

    async def test_a_symbol_asks_its_own_part_only(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        found = await adapter.positions(SWAP, market(adapter, INVERSE))
        assert (found.coverage, [row.symbol for row in found.positions]) == (("btc",), [INVERSE])
        assert await sent(harness, "GET") == ["/futures/btc/positions"]

    async def test_more_positions_than_a_page_holds_come_whole(self, harness: SandboxHarness) -> None:
        account = harness.sandbox.open_account("gate", id="many-gate", open_positions=103)
        found = await harness.venue.adapter(account).positions(SWAP)
        assert len({row.symbol for row in found.positions}) == 103

    async def test_a_position_in_a_market_that_is_not_loaded_is_not_left_out(self, harness: SandboxHarness) -> None:
        await harness.fault(f"{USDT}/positions", "status", body=[{"contract": "NEW_USDT", "size": "1"}])
        found = await harness.adapter(PERP).positions(SWAP)
        assert [row.symbol for row in found.positions] == [INVERSE]
        reason = "Gate names a position in NEW_USDT, which is not among its loaded markets"
        assert unread(found) == {"usdt": f"{reason} (NEW_USDT, GET /futures/usdt/positions)"}

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

    async def test_a_book_that_cannot_be_read_hides_no_other_and_nothing_claims_to_be_whole(
        self, harness: SandboxHarness
    ) -> None:
        body = {"label": "FORBIDDEN", "message": "no"}
        await harness.fault("/api/v4/futures/btc/account_book", "status", status=403, body=body, times=None)
        history = await harness.adapter(PERP).realized_pnl(HistoryQuery(None, SWAP, None, 5))
        assert len(history.entries) == 5
        assert [part.name for part in history.parts if part.unread] == ["btc"]
        assert history.next_cursor is not None

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

    @pytest.mark.parametrize("symbol", [LINEAR, FLAT, INVERSE])
    async def test_a_symbols_funding_is_that_part_of_all_funding(self, harness: SandboxHarness, symbol: str) -> None:
        adapter = harness.adapter(PERP)
        everything = await adapter.funding_history(self.query(since=0))
        of_symbol = await adapter.funding_history(self.query(market(adapter, symbol), since=0))
        expected = [entry.id for entry in everything.entries if entry.symbol == symbol]
        assert len(expected) > 500
        assert [entry.id for entry in of_symbol.entries] == expected

    async def test_entries_from_before_contracts_were_noted_are_found_by_symbol(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        first = await adapter.funding_history(self.query(market(adapter, LINEAR), since=0, limit=30))
        assert first.entries[0].timestamp == BEFORE_CONTRACTS
        assert all("contract" not in entry.info for entry in first.entries)
        assert {entry.symbol for entry in first.entries} == {LINEAR}

    async def test_from_since_on_the_first_entries_are_given(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        everything = (await adapter.funding_history(self.query(since=0))).entries
        since = everything[-200].timestamp
        some = await adapter.funding_history(self.query(since=since, limit=50))
        expected = [entry for entry in everything if entry.timestamp >= since][:50]
        assert [entry.timestamp for entry in some.entries] == [entry.timestamp for entry in expected]
        assert some.complete_from == since

    async def test_without_since_the_newest_entries_are_given(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        newest = await adapter.funding_history(self.query(market(adapter, LINEAR), limit=100))
        assert len(newest.entries) == 100
        last = newest.entries[-1]
        assert (last.amount, last.code, last.symbol) == (Decimal("-0.15"), "USDT", LINEAR)
        assert newest.complete_from == newest.entries[0].timestamp

    async def test_without_since_and_limit_a_week_is_given(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        week = await adapter.funding_history(self.query(market(adapter, LINEAR)))
        assert len(week.entries) == 21
        assert abs(week.complete_from - (time.time_ns() // 1_000_000 - 7 * DAY)) < 60_000

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

    async def test_a_part_whose_book_is_broken_is_named_and_hides_no_other(self, harness: SandboxHarness) -> None:
        await harness.fault(f"{USDT}/account_book", "html", times=None)
        history = await harness.adapter(PERP).funding_history(self.query(since=0))
        assert {entry.symbol for entry in history.entries} == {INVERSE}
        assert unread(history).keys() == {"usdt"}


class TestTheVenueAtItsWorst:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            *BROKEN_ANSWERS,
            ({"fault": "status", "status": 500, "body": {"label": "SERVER_ERROR"}}, Ambiguous),
            ({"fault": "status", "status": 503, "body": {"label": "TOO_BUSY"}}, Ambiguous),
            ({"fault": "status", "status": 202, "body": {}}, Ambiguous),
            ({"fault": "status", "status": 429, "body": {"label": "TOO_MANY_REQUESTS"}}, Throttled),
            ({"fault": "status", "status": 429, "body": "<html>"}, Throttled),
            ({"fault": "status", "status": 401, "body": {"label": "INVALID_KEY"}}, AccessDenied),
            ({"fault": "status", "status": 403, "body": {"label": "FORBIDDEN"}}, AccessDenied),
            ({"fault": "status", "status": 400, "body": {"label": "LIQUIDATE_IMMEDIATELY"}}, PreconditionFailed),
            ({"fault": "status", "status": 400, "body": {"label": "NEVER_SEEN"}}, Unlisted),
            ({"fault": "status", "status": 400, "body": "<html>"}, Unlisted),
        ],
        ids=str,
    )  # fmt: skip
    async def test_each_misbehaviour_is_told_apart(
        self, harness: SandboxHarness, fault: dict[str, Any], error: type[VenueError]
    ) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, **fault)
        with pytest.raises(error) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        assert type(caught.value) is error
        account = harness.account(PERP)
        told = f"{caught.value!r} {vars(caught.value)}"
        for secret in (account.reveal("api_key"), account.reveal("secret"), "SIGN", "http://"):
            assert secret not in told

    async def test_keys_that_the_venue_echoes_are_scrubbed(self, harness: SandboxHarness) -> None:
        adapter, account = harness.adapter(PERP), harness.account(PERP)
        key, secret = account.reveal("api_key"), account.reveal("secret")
        body = {"label": "INVALID_KEY", "message": f"Invalid key {key} with {secret}"}
        await harness.fault(SET_LEVERAGE, "status", status=401, body=body)
        with pytest.raises(AccessDenied) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        told = f"{caught.value!r} {vars(caught.value)}"
        assert "***" in told
        assert key not in told
        assert secret not in told

    @pytest.mark.parametrize("path", [f"{USDT}/accounts", f"{USDT}/positions/BTC_USDT"])
    async def test_where_the_present_mode_cannot_be_read_no_change_is_sent(
        self, harness: SandboxHarness, path: str
    ) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(path, "status", status=502, body="<html>")
        with pytest.raises(NotSent, match="nothing was changed"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        assert await sent(harness, "POST") == []

    async def test_what_was_applied_before_the_connection_broke_can_be_read_back(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "reset", apply=True)
        with pytest.raises(Ambiguous):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        assert (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal(5)

    async def test_a_used_up_limit_says_when_it_is_free_again(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.control.put("/limits", json={"futures": 1})
        await adapter.terms(market(adapter, LINEAR))
        with pytest.raises(Throttled) as caught:
            await adapter.terms(market(adapter, LINEAR))
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= 10_000 + ROLLING_MARGIN
        assert len(await harness.paths()) == 2

    @pytest.mark.parametrize("offset_ms", [-120_000, 120_000])
    async def test_a_clock_that_differs_is_set_and_the_request_sent_again(
        self, harness: SandboxHarness, offset_ms: int
    ) -> None:
        await harness.control.put("/clock", json={"offset_ms": offset_ms})
        adapter = harness.adapter(PERP)
        assert (await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))).leverage == Decimal(5)
        await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        statuses = [(entry["path"].removeprefix("/api/v4"), entry["status"]) for entry in await harness.requests()]
        assert statuses[:3] == [
            ("/futures/usdt/accounts", 403),
            ("/spot/time", 200),
            ("/futures/usdt/accounts", 200),
        ]
        assert {status for _, status in statuses[3:]} == {200}

    async def test_a_wrong_secret_is_refused(self, harness: SandboxHarness) -> None:
        account = harness.account(PERP).model_copy(update={"secret": harness.account(HEDGE).secret})
        adapter = harness.venue.adapter(account)
        with pytest.raises(AccessDenied) as caught:
            await adapter.positions(SWAP)
        assert caught.value.venue_code == "INVALID_SIGNATURE"

    async def test_a_cancelled_call_stays_cancelled(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "delay", delay_ms=TIMEOUT_MS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))

    async def test_no_log_line_tells_a_key(self, harness: SandboxHarness, caplog: pytest.LogCaptureFixture) -> None:
        account = harness.account(PERP)
        with caplog.at_level(logging.DEBUG):
            await harness.adapter(PERP).set_margin_mode(market(harness.adapter(PERP), FLAT), ISOLATED)
        assert account.reveal("api_key") not in caplog.text


class TestTheVenue:
    async def test_it_can_do_all_but_portfolio_margin(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        assert adapter.capabilities == frozenset(Capability) - {Capability.PORTFOLIO_MARGIN}
        assert adapter.portfolio_margin is None

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

    async def test_lists_of_which_none_can_be_read_are_reported(self, harness: SandboxHarness) -> None:
        venue = GateVenue(harness.connections, harness.sandbox.base_urls["gate"], TIMEOUT_MS)
        for path in ("futures/usdt/contracts_all", "futures/btc/contracts_all", "futures/usd1/contracts_all"):
            await harness.fault(f"/api/v4/{path}", "html")
        await harness.fault("/api/v4/delivery/usdt/contracts", "html")
        with pytest.raises(VenueError):
            await venue.load()
        with pytest.raises(RuntimeError, match="load"):
            venue.adapter(harness.account(PERP))

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

    async def test_an_account_of_another_address_gets_no_adapter(self, harness: SandboxHarness) -> None:
        account = harness.account(PERP).model_copy(update={"base_url": None})
        with pytest.raises(ValueError, match="another address"):
            harness.venue.adapter(account)
