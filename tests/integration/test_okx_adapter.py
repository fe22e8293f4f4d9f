"""The OKX adapter against the sandbox: every operation, every kind of account, and the venue at its worst."""

import asyncio
import logging
import time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import (
    BROKEN_ANSWERS,
    FUTURE,
    PATIENCE_MS,
    SWAP,
    TIMEOUT_MS,
    SandboxHarness,
    harness_fixtures,
    market,
)
from worker.runtime.clock import now
from worker.venues.limits import within
from worker.venues.okx import OkxVenue
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

PERP, HEDGE, PORTFOLIO = "okx-perp-001", "okx-hedge-001", "okx-portfolio-001"
CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
LINEAR, INVERSE, FLAT, SOL = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT", "SOL/USDT:USDT"
SET_LEVERAGE, LEVERAGE_INFO = "/api/v5/account/set-leverage", "/api/v5/account/leverage-info"
POSITIONS, CONFIG = "/api/v5/account/positions", "/api/v5/account/config"
ARCHIVE = "/api/v5/account/bills-archive"


shared, harness = harness_fixtures("okx")


def future(harness: SandboxHarness) -> Market:
    """The expiry future that the first account holds."""
    with pytest.raises(UnknownSymbol) as caught:
        harness.adapter(PERP).market("BTC-USDT-9", FUTURE)
    return harness.adapter(PERP).market(caught.value.details["suggestion"], FUTURE)


class TestLeverage:
    @pytest.mark.parametrize(
        ("account_id", "symbol", "mode"),
        [
            (PERP, LINEAR, CROSS),
            (PERP, FLAT, CROSS),
            (PERP, SOL, ISOLATED),
            (PERP, INVERSE, CROSS),
            (HEDGE, LINEAR, CROSS),
            (HEDGE, FLAT, ISOLATED),
            (HEDGE, INVERSE, CROSS),
            (PORTFOLIO, FLAT, ISOLATED),
        ],
    )
    async def test_the_echo_and_the_read_back_show_it_in_the_mode_of_the_position(
        self, harness: SandboxHarness, account_id: str, symbol: str, mode: MarginMode
    ) -> None:
        adapter = harness.adapter(account_id)
        wanted = market(adapter, symbol)
        before = (await adapter.terms(wanted)).margin_mode if account_id != PORTFOLIO else mode
        echo = await adapter.set_leverage(wanted, Decimal(7))
        assert (echo.leverage, echo.margin_mode, before) == (Decimal(7), mode, mode)
        terms = await adapter.terms(wanted)
        assert terms.all_at(Decimal(7))
        assert terms.margin_mode is mode

    async def test_an_isolated_market_of_two_sides_takes_a_call_for_each(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        assert (await adapter.terms(market(adapter, FLAT))).sides == (Decimal(10), Decimal(5))
        await adapter.set_leverage(market(adapter, FLAT), Decimal(8))
        assert [entry["params"]["posSide"] for entry in await harness.requests(SET_LEVERAGE)] == ["long", "short"]

    async def test_one_side_done_and_one_refused_is_said_as_such(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        refusal = {"code": "59108", "data": [], "msg": "Your account leverage is too low."}
        await harness.fault(SET_LEVERAGE, "delay", apply=True)
        await harness.fault(SET_LEVERAGE, "status", body=refusal)
        with pytest.raises(PreconditionFailed, match="the long side is at 8x now, but the short side") as caught:
            await adapter.set_leverage(market(adapter, FLAT), Decimal(8))
        assert caught.value.details == {"done": ["long"], "refused": ["short"]}
        assert (await adapter.terms(market(adapter, FLAT))).sides == (Decimal(8), Decimal(5))

    async def test_it_leaves_the_leverage_of_the_other_mode_alone(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        sol = market(adapter, SOL)
        echo = await adapter.set_leverage(sol, Decimal(6))
        assert echo.note == "this is the leverage of the cross positions; others are open beside them"
        rows = (await adapter.positions(SWAP, sol)).positions
        assert {row.margin_mode: row.leverage for row in rows} == {CROSS: Decimal(6), ISOLATED: Decimal(3)}

    async def test_the_cross_leverage_of_a_future_is_that_of_its_index(self, harness: SandboxHarness) -> None:
        adapter, wanted = harness.adapter(PERP), future(harness)
        echo = await adapter.set_leverage(wanted, Decimal(4))
        assert echo.note == "OKX has one cross leverage for all BTC-USDT futures"
        assert (await adapter.terms(wanted)).leverage == Decimal(4)
        assert (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal(10)

    async def test_more_than_the_instrument_allows_names_the_maximum_and_asks_nobody(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.check_leverage(market(adapter, LINEAR), Decimal(100))
        with pytest.raises(ValueRefused, match="BTC/USDT:USDT takes 1x to 100x, not 200x"):
            await adapter.check_leverage(market(adapter, LINEAR), Decimal(200))
        with pytest.raises(ValueRefused, match="takes 1x to 50x"):
            await adapter.check_leverage(market(adapter, SOL), Decimal(51))
        assert await harness.requests() == []

    async def test_a_fraction_is_the_venues_to_take(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        echo = await adapter.set_leverage(market(adapter, LINEAR), Decimal("4.5"))
        assert echo.leverage == (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal("4.5")

    @pytest.mark.parametrize(("symbol", "code"), [(LINEAR, "59107"), (SOL, "59101")])
    async def test_open_orders_are_a_precondition(self, harness: SandboxHarness, symbol: str, code: str) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, open_orders={market(adapter, symbol).id: 1})
        with pytest.raises(PreconditionFailed, match="cancel the open orders") as caught:
            await adapter.set_leverage(market(adapter, symbol), Decimal(7))
        assert caught.value.venue_code == code

    async def test_margin_that_does_not_suffice_is_a_precondition(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        await harness.change(HEDGE, positions=[{"instrument_id": "BTC-USDT-SWAP", "amount": 200, "entry_price": 98505,
                                              "side": "long"}])  # fmt: skip
        with pytest.raises(PreconditionFailed) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(1))
        assert caught.value.venue_code == "59108"

    async def test_cross_positions_of_a_portfolio_margin_account_are_refused_before_anything_is_sent(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PORTFOLIO)
        for symbol in (LINEAR, SOL):
            with pytest.raises(NotSupported, match="portfolio margin"):
                await adapter.set_leverage(market(adapter, symbol), Decimal(7))
        assert await harness.requests(SET_LEVERAGE) == []

    async def test_a_position_mode_that_was_changed_meanwhile_is_noticed_by_its_refusal(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_leverage(market(adapter, LINEAR), Decimal(9))
        ether = {"instrument_id": "ETH-USDT-SWAP", "amount": 10, "entry_price": 3200, "mode": "isolated"}
        await harness.change(PERP, two_sided=True, positions=[ether | {"side": "long"}])
        with pytest.raises(ValueRefused) as caught:
            await adapter.set_leverage(market(adapter, FLAT), Decimal(8))
        assert caught.value.venue_code == "51000"
        assert (await adapter.set_leverage(market(adapter, FLAT), Decimal(8))).leverage == Decimal(8)

    @pytest.mark.parametrize("path", [POSITIONS, CONFIG])
    @pytest.mark.parametrize("fault", [{"fault": "html"}, {"fault": "status", "status": 502}], ids=str)
    async def test_what_cannot_be_read_ahead_of_it_means_that_nothing_was_sent(
        self, harness: SandboxHarness, path: str, fault: dict[str, Any]
    ) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(path, **fault)
        with pytest.raises(NotSent, match="nothing was changed"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))
        assert await harness.requests(SET_LEVERAGE) == []

    async def test_an_echo_for_another_market_is_no_confirmation(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        row = {"instId": "ETH-USDT-SWAP", "lever": "7", "mgnMode": "cross", "posSide": "net"}
        await harness.fault(SET_LEVERAGE, "status", body={"code": "0", "data": [row], "msg": ""})
        with pytest.raises(Ambiguous, match="not about the cross leverage of BTC-USDT-SWAP"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))


class TestMarginMode:
    async def test_a_flat_market_gets_its_leverage_in_the_other_mode_and_is_told_what_that_means(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        flat = market(adapter, FLAT)
        echo = await adapter.set_margin_mode(flat, ISOLATED)
        assert (echo.margin_mode, echo.leverage) == (ISOLATED, Decimal(5))
        assert echo.note
        assert "each order (tdMode)" in echo.note
        (sent,) = await harness.requests(SET_LEVERAGE)
        assert sent["params"] == {"instId": flat.id, "lever": "5", "mgnMode": "isolated"}
        assert (await adapter.terms(flat)).leverage == Decimal(5)

    async def test_in_long_short_mode_both_sides_get_it(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        await harness.change(HEDGE, leverages=[{"instrument_id": "BTC-USD-SWAP", "leverage": 6}])
        assert (await adapter.set_margin_mode(market(adapter, INVERSE), ISOLATED)).leverage == Decimal(6)
        assert [entry["params"]["posSide"] for entry in await harness.requests(SET_LEVERAGE)] == ["long", "short"]

    @pytest.mark.parametrize(
        ("account_id", "symbol", "mode"),
        [(PERP, FLAT, CROSS), (PERP, LINEAR, CROSS), (PERP, SOL, ISOLATED), (HEDGE, FLAT, ISOLATED),
         (PORTFOLIO, LINEAR, CROSS)],
    )  # fmt: skip
    async def test_what_is_so_already_is_no_change(
        self, harness: SandboxHarness, account_id: str, symbol: str, mode: MarginMode
    ) -> None:
        adapter = harness.adapter(account_id)
        with pytest.raises(AlreadySo) as caught:
            await adapter.set_margin_mode(market(adapter, symbol), mode)
        assert caught.value.note
        assert await harness.requests(SET_LEVERAGE) == []

    async def test_a_flat_market_whose_other_leverage_is_the_same_has_nothing_to_change(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        with pytest.raises(AlreadySo, match="its isolated leverage is 5x already"):
            await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)

    @pytest.mark.parametrize(
        ("account_id", "symbol", "mode", "named"),
        [
            (PERP, LINEAR, ISOLATED, "an open cross position (long 5)"),
            (PERP, SOL, CROSS, "an open isolated position (short 20)"),
            (HEDGE, LINEAR, ISOLATED, "an open cross position (long 10 and short 4)"),
            (HEDGE, SOL, CROSS, "an open isolated position (short 10)"),
            (PORTFOLIO, LINEAR, ISOLATED, "an open cross position (long 20)"),
        ],
    )
    async def test_an_open_position_of_the_other_mode_is_named(
        self, harness: SandboxHarness, account_id: str, symbol: str, mode: MarginMode, named: str
    ) -> None:
        adapter = harness.adapter(account_id)
        with pytest.raises(PreconditionFailed) as caught:
            await adapter.set_margin_mode(market(adapter, symbol), mode)
        assert caught.value.message == f"{symbol} has {named}; close it before trading it {mode}"
        assert await harness.requests(SET_LEVERAGE) == []

    async def test_a_flat_market_of_a_portfolio_margin_account_has_nothing_to_set(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PORTFOLIO)
        with pytest.raises(NotSupported):
            await adapter.set_margin_mode(market(adapter, SOL), ISOLATED)
        assert {entry["method"] for entry in await harness.requests()} == {"GET"}

    async def test_a_leverage_that_cannot_be_read_means_that_nothing_was_sent(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(LEVERAGE_INFO, "html")
        with pytest.raises(NotSent):
            await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        assert await harness.requests(SET_LEVERAGE) == []


class TestSymbolState:
    async def test_the_documented_position(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        state = await adapter.symbol_state(market(adapter, LINEAR))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(10), CROSS)
        assert (state.side, state.size, state.notional) == ("long", Decimal(5), Decimal("4925.25"))
        assert state.unrealized_pnl == Decimal("25.25")

    @pytest.mark.parametrize(("account_id", "symbol", "leverage"), [(PERP, FLAT, 5), (PERP, "ETH/USD:ETH", 3)])
    async def test_a_flat_market_has_its_cross_leverage_and_no_side(
        self, harness: SandboxHarness, account_id: str, symbol: str, leverage: int
    ) -> None:
        adapter = harness.adapter(account_id)
        state = await adapter.symbol_state(market(adapter, symbol))
        assert (state.side, state.size) == (None, Decimal(0))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(leverage), CROSS)

    async def test_a_position_that_was_closed_a_moment_ago_is_flat(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, positions=[{"instrument_id": "BTC-USDT-SWAP", "amount": 0}])
        state = await adapter.symbol_state(market(adapter, LINEAR))
        assert (state.side, state.size) == (None, Decimal(0))
        assert LINEAR not in {row.symbol for row in (await adapter.positions(SWAP)).positions}

    async def test_cross_and_isolated_positions_side_by_side_are_summed_and_the_larger_mode_counts(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(HEDGE)
        state = await adapter.symbol_state(market(adapter, SOL))
        assert (state.side, state.size, state.notional) == ("both", Decimal(40), Decimal(7_420))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(8), CROSS)

    @pytest.mark.parametrize("symbol", [LINEAR, SOL])
    async def test_a_portfolio_margin_account_has_no_cross_leverage_to_tell(
        self, harness: SandboxHarness, symbol: str
    ) -> None:
        adapter = harness.adapter(PORTFOLIO)
        with pytest.raises(NotSupported, match="portfolio margin account"):
            await adapter.symbol_state(market(adapter, symbol))


class TestPositions:
    async def test_swaps_and_futures_are_told_apart(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        swaps, futures, both = [await adapter.positions(kind) for kind in (SWAP, FUTURE, None)]
        assert {(row.symbol, row.side, row.margin_mode) for row in swaps.positions} == {
            (LINEAR, "long", CROSS),
            (SOL, "short", ISOLATED),
            (INVERSE, "long", CROSS),
        }
        assert [row.symbol for row in futures.positions] == [future(harness).symbol]
        assert {row.symbol for row in both.positions} == {row.symbol for row in swaps.positions + futures.positions}
        assert [found.coverage for found in (swaps, futures, both)] == [("swap",), ("future",), ("swap", "future")]

    async def test_cross_and_isolated_positions_of_a_market_are_both_listed(self, harness: SandboxHarness) -> None:
        rows = (await harness.adapter(HEDGE).positions(SWAP)).positions
        assert sorted((row.symbol, row.side, row.margin_mode.value) for row in rows) == [
            (LINEAR, "long", "cross"),
            (LINEAR, "short", "cross"),
            (FLAT, "long", "isolated"),
            (FLAT, "short", "isolated"),
            (SOL, "long", "cross"),
            (SOL, "short", "isolated"),
        ]

    async def test_an_inverse_position_is_valued_in_quote_and_held_in_coins(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        (position,) = (await adapter.positions(SWAP, market(adapter, INVERSE))).positions
        assert [position.contracts, position.contract_size, position.notional] == [30, 100, 3_000]
        assert (position.collateral, position.percentage) == (Decimal("0.00304569"), Decimal("1.55"))

    async def test_an_isolated_position_holds_its_own_margin(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        (position,) = (await adapter.positions(SWAP, market(adapter, SOL))).positions
        assert [position.collateral, position.leverage] == [742, 5]
        assert position.liquidation_price is not None

    async def test_a_portfolio_margin_account_shows_its_cross_positions_too(self, harness: SandboxHarness) -> None:
        rows = {row.symbol: row for row in (await harness.adapter(PORTFOLIO).positions()).positions}
        assert [rows[LINEAR].contracts, rows[LINEAR].leverage, rows[LINEAR].collateral] == [20, None, None]
        assert rows[FLAT].leverage == 5

    async def test_one_markets_positions_are_asked_for_by_its_id(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        found = await adapter.positions(SWAP, market(adapter, LINEAR))
        assert [row.symbol for row in found.positions] == [LINEAR]
        assert [entry["params"] for entry in await harness.requests()] == [{"instId": "BTC-USDT-SWAP"}]

    async def test_a_hundred_positions_come_whole(self, harness: SandboxHarness) -> None:
        account = harness.sandbox.open_account("okx", id="hundred", open_positions=100)
        found = await harness.venue.adapter(account).positions()
        assert len({row.symbol for row in found.positions}) == 100

    async def test_a_position_in_a_market_that_is_not_loaded_is_not_left_out(self, harness: SandboxHarness) -> None:
        row = {"instId": "NEW-USDT-SWAP", "pos": "1", "posSide": "net"}
        await harness.fault(POSITIONS, "status", body={"code": "0", "data": [row], "msg": ""})
        with pytest.raises(Ambiguous, match="NEW-USDT-SWAP"):
            await harness.adapter(PERP).positions(SWAP)

    @pytest.mark.parametrize(
        "body", [{}, [], [1], {"code": "0"}, {"code": "0", "data": [{"instId": "BTC-USDT-SWAP"}]}], ids=str
    )
    async def test_an_answer_of_another_shape_is_no_positions(self, harness: SandboxHarness, body: Any) -> None:
        await harness.fault(POSITIONS, "status", body=body)
        with pytest.raises(Ambiguous):
            await harness.adapter(PERP).positions(SWAP)


def query(
    market: Market | None = None, kind: MarketType = SWAP, since: int | None = None, limit: int | None = None
) -> HistoryQuery:
    return HistoryQuery(market, kind, since, limit)


class TestHistory:
    async def test_all_funding_comes_once_and_in_order_over_several_pages(self, harness: SandboxHarness) -> None:
        history = await harness.adapter(PERP).funding_history(query(since=0))
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({entry.id for entry in history.entries}) == len(times) == 89 * 3
        assert all(times.count(at) == 3 for at in set(times))
        assert len(await harness.requests(ARCHIVE)) == 3
        assert {(entry.symbol, entry.code) for entry in history.entries} == {
            (LINEAR, "USDT"),
            (SOL, "USDT"),
            (INVERSE, "BTC"),
        }

    async def test_funding_of_cross_and_of_isolated_positions_has_its_sign(self, harness: SandboxHarness) -> None:
        newest = (await harness.adapter(PERP).funding_history(query(limit=3))).entries
        assert {entry.symbol: entry.amount for entry in newest} == {
            LINEAR: Decimal("-0.15"),
            SOL: Decimal("0.03"),
            INVERSE: Decimal("-0.00000152"),
        }

    async def test_one_symbol_is_asked_for_and_given_alone(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        history = await adapter.funding_history(query(market(adapter, LINEAR), since=0))
        assert {entry.symbol for entry in history.entries} == {LINEAR}
        assert len(history.entries) == 89
        assert {entry["params"]["instId"] for entry in await harness.requests(ARCHIVE)} == {"BTC-USDT-SWAP"}

    async def test_from_since_on_the_first_entries_are_given(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        everything = (await adapter.funding_history(query(since=0))).entries
        since = everything[-60].timestamp
        some = await adapter.funding_history(query(since=since, limit=20))
        assert list(some.entries) == [entry for entry in everything if entry.timestamp >= since][:20]
        assert some.complete_from == since

    async def test_without_since_and_limit_a_week_is_given(self, harness: SandboxHarness) -> None:
        week = await harness.adapter(PERP).funding_history(query())
        assert len(week.entries) == 21
        assert abs(week.complete_from - (time.time_ns() // 1_000_000 - 7 * DAY)) < 60_000

    async def test_what_the_venue_forgot_is_admitted(self, harness: SandboxHarness) -> None:
        forgets = await harness.adapter(PERP).funding_history(query(since=1))
        assert abs(forgets.complete_from - (time.time_ns() // 1_000_000 - 90 * DAY)) < 60_000

    async def test_that_futures_have_no_funding_is_what_the_venue_says(self, harness: SandboxHarness) -> None:
        history = await harness.adapter(PERP).funding_history(query(kind=FUTURE, since=5))
        assert history.entries == ()
        assert len(await harness.requests(ARCHIVE)) == 1

    async def test_profits_are_those_of_trades_liquidations_and_deleveraging_in_order_and_at_the_venues_pace(
        self, harness: SandboxHarness
    ) -> None:
        with within(now() + PATIENCE_MS):
            entries = (await harness.adapter(PERP).realized_pnl(query(since=0))).entries
        times = [entry.timestamp for entry in entries]
        assert times == sorted(times)
        assert len({entry.id for entry in entries}) == len(entries)
        assert (entries[-1].symbol, entries[-1].amount) == (LINEAR, Decimal("125.50"))
        assert {entry.info["type"] for entry in entries} == {"2", "5", "9"}
        assert {entry.code for entry in entries if entry.symbol == INVERSE} == {"BTC"}
        assert all(entry.amount for entry in entries)
        assert any(entry.amount < 0 for entry in entries)
        asked = await harness.requests(ARCHIVE)
        assert len(asked) > 5
        assert {entry["status"] for entry in asked} == {200}

    async def test_the_newest_profits_of_all_types_are_cut_together(self, harness: SandboxHarness) -> None:
        newest = (await harness.adapter(PERP).realized_pnl(query(limit=7))).entries
        assert len(newest) == 7
        assert {entry.info["type"] for entry in newest} == {"2"}

    async def test_profits_of_futures_are_their_own_and_delivered_ones_keep_their_id(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        entries = (await adapter.realized_pnl(query(kind=FUTURE, since=0))).entries
        delivered = [entry for entry in entries if entry.info["type"] == "3"]
        assert [(entry.symbol, entry.amount) for entry in delivered] == [(delivered[0].info["instId"], Decimal("61.4"))]
        assert {entry.symbol for entry in entries if entry not in delivered} == {future(harness).symbol}

    async def test_a_broken_page_breaks_the_history(self, harness: SandboxHarness) -> None:
        await harness.fault(ARCHIVE, "html")
        with pytest.raises(Ambiguous):
            await harness.adapter(PERP).funding_history(query(since=0))


def refused(code: str) -> dict[str, Any]:
    return {"code": code, "data": [], "msg": "What the venue says."}


class TestTheVenueAtItsWorst:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            *BROKEN_ANSWERS,
            ({"fault": "status", "status": 503, "body": refused("50001")}, Ambiguous),
            ({"fault": "status", "status": 400, "body": refused("50004")}, Ambiguous),
            ({"fault": "status", "status": 429, "body": refused("50013")}, Ambiguous),
            ({"fault": "status", "body": refused("63999")}, Ambiguous),
            ({"fault": "status", "status": 429, "body": refused("50011")}, Throttled),
            ({"fault": "status", "body": refused("50061")}, Throttled),
            ({"fault": "status", "status": 429, "body": "Too Many Requests"}, Throttled),
            ({"fault": "status", "status": 401, "body": refused("50113")}, AccessDenied),
            ({"fault": "status", "body": refused("59000")}, PreconditionFailed),
            ({"fault": "status", "body": refused("99999")}, Unlisted),
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
        for secret in (*(account.reveal(name) for name in ("api_key", "secret", "passphrase")), "http://"):
            assert secret not in told
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_after == 2_000

    async def test_what_was_applied_before_the_connection_broke_can_be_read_back(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "reset", apply=True)
        with pytest.raises(Ambiguous):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        assert (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal(5)

    @pytest.mark.parametrize("offset_ms", [-120_000, 120_000])
    async def test_a_clock_that_differs_is_set_and_the_request_sent_again(
        self, harness: SandboxHarness, offset_ms: int
    ) -> None:
        await harness.control.put("/clock", json={"offset_ms": offset_ms})
        adapter = harness.adapter(PERP)
        echo = await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        assert echo.leverage == Decimal(5)
        statuses = [(entry["path"].rpartition("/")[2], entry["status"]) for entry in await harness.requests()]
        assert statuses == [
            ("positions", 401),
            ("time", 200),
            ("positions", 200),
            ("config", 200),
            ("set-leverage", 200),
        ]

    @pytest.mark.parametrize(
        ("credential", "code"), [("secret", "50113"), ("passphrase", "50105"), ("api_key", "50119")]
    )
    async def test_each_wrong_credential_is_refused(self, harness: SandboxHarness, credential: str, code: str) -> None:
        wrong = SecretStr("00000000-0000-4000-8000-000000000000")
        account = harness.account(PERP).model_copy(update={credential: wrong})
        with pytest.raises(AccessDenied) as caught:
            await harness.venue.adapter(account).positions(SWAP)
        assert caught.value.venue_code == code

    async def test_a_burst_of_reads_keeps_to_the_limit_and_none_is_refused(self, harness: SandboxHarness) -> None:
        adapter, started = harness.adapter(PERP), time.monotonic()
        with within(now() + PATIENCE_MS):
            await asyncio.gather(*(adapter.terms(market(adapter, LINEAR)) for _ in range(12)))
        assert {entry["status"] for entry in await harness.requests(POSITIONS)} == {200}
        assert time.monotonic() - started > 2

    async def test_a_cancelled_call_stays_cancelled(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "delay", delay_ms=TIMEOUT_MS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))

    async def test_no_log_line_tells_a_credential(
        self, harness: SandboxHarness, caplog: pytest.LogCaptureFixture
    ) -> None:
        account = harness.account(PERP)
        with caplog.at_level(logging.DEBUG):
            await harness.adapter(PERP).positions(SWAP)
        for name in ("api_key", "secret", "passphrase"):
            assert account.reveal(name) not in caplog.text


class TestMarkets:
    async def test_a_venue_that_lists_no_markets_is_reported(self, harness: SandboxHarness) -> None:
        venue = OkxVenue(harness.connections, harness.sandbox.base_urls["okx"], TIMEOUT_MS)
        await harness.fault("/api/v5/public/instruments", "html")
        with pytest.raises(Ambiguous):
            await venue.load()
        await venue.load()
        assert venue.adapter(harness.account(PERP)).market(LINEAR, SWAP).id == "BTC-USDT-SWAP"

    async def test_a_swap_that_is_only_announced_is_passed_over(self, harness: SandboxHarness) -> None:
        announced = {"instId": "NEW-USD_UM-SWAP", "instType": "SWAP", "state": "preopen"}
        live = announced | {"instId": "BTC-USDT-SWAP", "uly": "BTC-USDT", "settleCcy": "USDT", "ctVal": "0.01",
                            "ctType": "linear", "lever": "100", "state": "live"}  # fmt: skip
        venue = OkxVenue(harness.connections, harness.sandbox.base_urls["okx"], TIMEOUT_MS)
        body = {"code": "0", "data": [announced, live], "msg": ""}
        await harness.fault("/api/v5/public/instruments", "status", body=body, times=2)
        await venue.load()
        assert venue.adapter(harness.account(PERP)).market(LINEAR, SWAP).contract_size == Decimal("0.01")

    async def test_a_misspelt_symbol_is_answered_with_what_was_probably_meant(self, harness: SandboxHarness) -> None:
        with pytest.raises(UnknownSymbol, match="did you mean BTC/USDT:USDT"):
            harness.adapter(PERP).market("BTCUSDT", SWAP)

    def test_everything_but_portfolio_margin_is_declared(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        assert adapter.capabilities == frozenset(Capability) - {Capability.PORTFOLIO_MARGIN}
        assert adapter.portfolio_margin is None
