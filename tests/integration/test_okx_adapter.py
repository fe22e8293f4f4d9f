"""The OKX adapter against the sandbox: every operation, every kind of account, and the venue at its worst."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

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
from worker.telemetry.metrics import WORKER
from worker.venues.limits import within
from worker.venues.okx import OkxVenue
from worker.venues.okx import client as okx_client
from worker.venues.port.adapter import Capability, History, HistoryQuery, Market
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    NotSent,
    NotSupported,
    PreconditionFailed,
    Refused,
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
UNUSUAL = {"13", "14", "24", "32"}
INSTRUMENTS = "/api/v5/public/instruments"


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

    async def test_more_than_the_instrument_allows_names_the_maximum_that_is_in_force_now(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.check_leverage(market(adapter, LINEAR), Decimal(100))
        assert await harness.requests() == []
        with pytest.raises(ValueRefused, match="BTC/USDT:USDT takes 1x to 100x, not 200x"):
            await adapter.check_leverage(market(adapter, LINEAR), Decimal(200))
        with pytest.raises(ValueRefused, match="takes 1x to 50x"):
            await adapter.check_leverage(market(adapter, SOL), Decimal(51))
        assert [entry["params"]["instId"] for entry in await harness.requests()] == ["BTC-USDT-SWAP", "SOL-USDT-SWAP"]

    async def test_a_maximum_raised_at_the_venue_is_taken_at_once(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        row = {"instId": "SOL-USDT-SWAP", "instType": "SWAP", "lever": "75"}
        await harness.fault(INSTRUMENTS, "status", body={"code": "0", "data": [row], "msg": ""}, times=2)
        await adapter.check_leverage(market(adapter, SOL), Decimal(75))
        with pytest.raises(ValueRefused, match="takes 1x to 75x, not 76x"):
            await adapter.check_leverage(market(adapter, SOL), Decimal(76))

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

    @pytest.mark.parametrize(("symbol", "code"), [(LINEAR, "59669"), (SOL, "59668")])
    async def test_orders_that_wait_and_bots_are_a_precondition(
        self, harness: SandboxHarness, symbol: str, code: str
    ) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, waiting_orders={market(adapter, symbol).id: 1})
        with pytest.raises(PreconditionFailed, match="stop its bots") as caught:
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

    async def test_a_position_mode_that_was_switched_meanwhile_is_read_anew_and_the_change_sent_again(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_leverage(market(adapter, LINEAR), Decimal(9))
        ether = {"instrument_id": "ETH-USDT-SWAP", "amount": 10, "entry_price": 3200, "mode": "isolated"}
        await harness.change(PERP, two_sided=True, positions=[ether | {"side": "long"}])
        assert (await adapter.set_leverage(market(adapter, FLAT), Decimal(8))).leverage == Decimal(8)
        sent = [entry["params"].get("posSide") for entry in await harness.requests(SET_LEVERAGE)]
        assert sent == [None, None, "long", "short"]
        assert (await adapter.terms(market(adapter, FLAT))).sides == (Decimal(8), Decimal(8))
        await harness.change(PERP, two_sided=False, positions=[ether | {"side": "long", "amount": 0}, ether])
        assert (await adapter.set_leverage(market(adapter, FLAT), Decimal(7))).leverage == Decimal(7)

    async def test_a_refused_parameter_that_is_not_about_the_position_mode_is_sent_once(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault(SET_LEVERAGE, "status", status=400, body=refused("51000"))
        with pytest.raises(Refused, match="a parameter that this program chose"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(8))
        assert len(await harness.requests(SET_LEVERAGE)) == 1

    async def test_an_account_that_left_portfolio_margin_a_moment_ago_is_not_refused_for_it(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PORTFOLIO)
        with pytest.raises(NotSupported):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))
        await harness.change(PORTFOLIO, level=2)
        assert (await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))).leverage == Decimal(7)

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
        assert (state.side, state.size, state.notional) == ("long", Decimal("0.05"), Decimal("4925.25"))
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

    async def test_an_isolated_position_holds_its_own_margin_without_its_profit(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        (position,) = (await adapter.positions(SWAP, market(adapter, SOL))).positions
        assert [position.collateral, position.unrealized_pnl, position.leverage] == [742, 90, 5]
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
    market: Market | None = None,
    kind: MarketType = SWAP,
    since: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> HistoryQuery:
    return HistoryQuery(market, kind, since, limit, cursor)


async def patiently(asked: Awaitable[History]) -> History:
    """An answer to whoever has time for the venue's pace."""
    with within(now() + PATIENCE_MS):
        return await asked


class TestHistory:
    async def test_all_funding_comes_once_and_in_order_over_several_pages(self, harness: SandboxHarness) -> None:
        with within(now() + PATIENCE_MS):
            history = await harness.adapter(PERP).funding_history(query(since=0))
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({entry.id for entry in history.entries}) == len(times) == 89 * 3
        assert all(times.count(at) == 3 for at in set(times))
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
        with within(now() + PATIENCE_MS):
            everything = (await adapter.funding_history(query(since=0))).entries
            since = everything[-60].timestamp
            some = await adapter.funding_history(query(since=since, limit=21))
            on = await adapter.funding_history(query(limit=21, cursor=some.next_cursor))
        after = [entry for entry in everything if entry.timestamp >= since]
        assert [*some.entries, *on.entries] == after[:42]
        assert some.complete_from == since
        assert some.complete_to < some.entries[-1].timestamp + DAY

    async def test_the_first_few_of_thousands_of_bills_cost_few_requests_and_no_instant_is_too_full(
        self, harness: SandboxHarness
    ) -> None:
        account = harness.sandbox.open_account("okx", id="busy")
        adapter, at = harness.venue.adapter(account), now() - 30 * DAY
        paid = {"type": "8", "instrument_id": "BTC-USDT-SWAP", "profit": "-0.1"}
        await harness.change("busy", bills=[paid | {"times": 3_900, "apart_ms": 1_900_000, "time": at + 29 * DAY},
                                            paid | {"times": 450, "time": at}])  # fmt: skip
        first = await patiently(adapter.funding_history(query(since=at - 20 * DAY, limit=10)))
        assert len(await harness.requests(ARCHIVE)) < 15
        assert (len(first.entries), first.next_cursor is None) == (10, False)
        answers = [await patiently(adapter.funding_history(query(since=at, limit=300)))]
        while answers[-1].entries[-1].timestamp == at:
            on = query(limit=300, cursor=answers[-1].next_cursor)
            answers.append(await patiently(adapter.funding_history(on)))
        crowd = [entry.id for answer in answers for entry in answer.entries if entry.timestamp == at]
        assert len(set(crowd)) == len(crowd) == 450

    async def test_without_since_and_limit_a_week_is_given(self, harness: SandboxHarness) -> None:
        week = await harness.adapter(PERP).funding_history(query())
        assert len(week.entries) == 21
        assert abs(week.complete_from - (time.time_ns() // 1_000_000 - 7 * DAY)) < 60_000

    async def test_what_the_venue_forgot_is_admitted(self, harness: SandboxHarness) -> None:
        with within(now() + PATIENCE_MS):
            forgets = await harness.adapter(PERP).funding_history(query(since=1))
        assert abs(forgets.complete_from - (time.time_ns() // 1_000_000 - 89 * DAY)) < 60_000

    async def test_futures_are_asked_for_their_funding_for_x_perps_pay_it(self, harness: SandboxHarness) -> None:
        with within(now() + PATIENCE_MS):
            history = await harness.adapter(PERP).funding_history(query(kind=FUTURE, since=5))
        assert {(entry.symbol, entry.code) for entry in history.entries} == {("BTC/USD:USD-310404", "USDC")}
        assert len(history.entries) > 40
        assert {entry["params"]["instType"] for entry in await harness.requests(ARCHIVE)} == {"FUTURES"}

    async def test_profits_are_those_of_every_type_of_bill_that_has_one_in_order_and_at_the_venues_pace(
        self, harness: SandboxHarness
    ) -> None:
        with within(now() + PATIENCE_MS):
            entries = (await harness.adapter(PERP).realized_pnl(query(since=0))).entries
        times = [entry.timestamp for entry in entries]
        assert times == sorted(times)
        assert len({entry.id for entry in entries}) == len(entries)
        assert (entries[-1].symbol, entries[-1].amount) == (LINEAR, Decimal("125.50"))
        assert {entry.info["type"] for entry in entries} == {"2", "5", "9", "13", "14", "24", "32"}
        unusual = {entry.info["type"]: str(entry.amount) for entry in entries if entry.info["type"] in UNUSUAL}
        assert unusual == {"13": "-33.1", "14": "-44.2", "24": "-55.3", "32": "6.6"}
        assert {entry.code for entry in entries if entry.symbol == INVERSE} == {"BTC"}
        assert all(entry.amount for entry in entries)
        assert any(entry.amount < 0 for entry in entries)
        asked = await harness.requests(ARCHIVE)
        assert len(asked) > 5
        assert {entry["status"] for entry in asked} == {200}

    async def test_a_bill_of_a_type_that_nobody_knows_is_told_counted_and_warned_of(
        self, harness: SandboxHarness
    ) -> None:
        realized = {"instrument_id": "ETH-USDT-SWAP", "type": "777", "profit": "-5.5"}
        await harness.change(PERP, bills=[realized, realized | {"profit": "0", "type": "778"}])
        with capture_logs() as told:
            newest = (await harness.adapter(PERP).realized_pnl(query(limit=1))).entries
        assert [(entry.amount, entry.symbol) for entry in newest] == [(Decimal("-5.5"), FLAT)]
        assert WORKER.get_sample_value("perps_dma_unknown_records_total", {"venue": "okx", "type": "777"})
        assert "777" in {line.get("type") for line in told if line["event"] == "unknown_record_type"}

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
        assert [entry.amount for entry in entries if entry.info["type"] == "34"] == [Decimal("3.3")]

    async def test_a_broken_page_breaks_the_history(self, harness: SandboxHarness) -> None:
        await harness.fault(ARCHIVE, "html")
        with pytest.raises(Ambiguous):
            await harness.adapter(PERP).funding_history(query(since=0))


class TestParts:
    async def test_a_refused_type_of_instrument_hides_no_position_of_the_other(self, harness: SandboxHarness) -> None:
        await harness.fault(POSITIONS, "status", params={"instType": "FUTURES"}, body=refused("50030"), times=None)
        found = await harness.adapter(PERP).positions()
        assert {row.symbol for row in found.positions} == {LINEAR, INVERSE, SOL}
        assert found.coverage == ("swap",)
        assert "50030" in {part.name: part.unread or "" for part in found.parts}["future"]

    async def test_a_position_that_cannot_be_read_hides_no_other_and_is_named_as_the_venue_names_it(
        self, harness: SandboxHarness
    ) -> None:
        rows = await raw_positions(harness)
        rows[0] |= {"markPx": ""}
        await harness.fault(POSITIONS, "status", body={"code": "0", "data": rows, "msg": ""})
        found = await harness.adapter(PERP).positions(SWAP)
        assert len(found.positions) == len(rows) - 1
        (part,) = found.parts
        assert part.unread
        assert part.unread.startswith(f"GET {POSITIONS}, {rows[0]['instId']}: the field markPx ")

    @pytest.mark.parametrize("blank", ["liqPx", "lever", "margin", "imr", "adl", "mgnRatio", "usdPx", "bePx"])
    async def test_an_optional_figure_that_is_empty_is_null(self, harness: SandboxHarness, blank: str) -> None:
        rows = [row | {blank: ""} for row in await raw_positions(harness)]
        await harness.fault(POSITIONS, "status", body={"code": "0", "data": rows, "msg": ""})
        found = await harness.adapter(PERP).positions(SWAP)
        assert (len(found.positions), found.coverage) == (len(rows), ("swap",))

    async def test_positions_of_other_sorts_of_instruments_are_nobodys_business_here(
        self, harness: SandboxHarness
    ) -> None:
        rows = await raw_positions(harness)
        margin = rows[0] | {"instType": "MARGIN", "instId": "BTC-USDT", "posCcy": "BTC"}
        await harness.fault(POSITIONS, "status", body={"code": "0", "data": [*rows, margin], "msg": ""})
        found = await harness.adapter(PERP).positions(SWAP)
        assert (len(found.positions), found.coverage) == (len(rows), ("swap",))


BTC = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "uly": "BTC-USDT", "settleCcy": "USDT", "ctVal": "0.01",
       "ctMult": "1", "ctType": "linear", "lever": "100", "state": "live"}  # fmt: skip


def listing(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"code": "0", "data": list(rows), "msg": ""}


async def raw_positions(harness: SandboxHarness) -> list[dict[str, Any]]:
    """The swaps of the first account, as the venue tells them."""
    transport = okx_client.without_keys(harness.connections, harness.sandbox.base_urls["okx"], TIMEOUT_MS)
    body = await transport.for_account(harness.account(PERP)).call("privateGetAccountPositions", {"instType": "SWAP"})
    rows: list[dict[str, Any]] = body["data"]
    return rows


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

    async def test_two_keys_of_one_user_keep_to_its_limit_together(self, harness: SandboxHarness) -> None:
        harness.sandbox.open_account("okx", id="second-key", key_of=PERP)
        adapters = [harness.adapter(PERP), harness.adapter("second-key")]
        for adapter in adapters:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(9))
        await harness.control.post("/reset")  # what was counted before their user was known is past
        with within(now() + PATIENCE_MS):
            asked = (adapter.positions(SWAP) for adapter in adapters for _ in range(8))
            await asyncio.gather(*asked)
        entries = await harness.requests(POSITIONS)
        assert ({entry["account"] for entry in entries}, len(entries)) == ({PERP, "second-key"}, 16)
        assert {entry["status"] for entry in entries} == {200}

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
        await harness.fault(INSTRUMENTS, "html")
        with pytest.raises(Ambiguous):
            await venue.load()
        await venue.load()
        assert venue.adapter(harness.account(PERP)).market(LINEAR, SWAP).id == "BTC-USDT-SWAP"

    async def loaded(self, harness: SandboxHarness, *rows: dict[str, Any]) -> OkxVenue:
        """A venue that lists these swaps beside BTC's, and no futures."""
        await harness.fault(INSTRUMENTS, "status", body=listing(BTC, *rows), params={"instType": "SWAP"})
        await harness.fault(INSTRUMENTS, "status", body=listing(), params={"instType": "FUTURES"})
        venue = OkxVenue(harness.connections, harness.sandbox.base_urls["okx"], TIMEOUT_MS)
        await venue.load()
        return venue

    async def test_a_swap_that_is_only_announced_is_passed_over(self, harness: SandboxHarness) -> None:
        announced = dict.fromkeys(BTC, "") | {"instId": "NEW-USD_UM-SWAP", "instType": "SWAP", "state": "preopen"}
        venue = await self.loaded(harness, announced, {"instId": "", "instType": "SWAP", "state": "preopen"})
        assert venue.adapter(harness.account(PERP)).market(LINEAR, SWAP).contract_size == Decimal("0.01")

    @pytest.mark.parametrize(
        "odd", [{"ctVal": ""}, {"ctVal": "0"}, {"settleCcy": ""}, {"uly": ""}, {"ctType": "quanto"}]
    )
    async def test_an_odd_instrument_is_left_out_alone_and_says_why_to_who_asks_for_it(
        self, harness: SandboxHarness, odd: dict[str, str]
    ) -> None:
        venue = await self.loaded(harness, BTC | {"instId": "ODD-USDT-SWAP", "uly": "ODD-USDT"} | odd)
        adapter = venue.adapter(harness.account(PERP))
        assert adapter.market(LINEAR, SWAP).id == "BTC-USDT-SWAP"
        with pytest.raises(NotSupported, match=f"GET {INSTRUMENTS}, ODD-USDT-SWAP.* {next(iter(odd))} "):
            adapter.market("ODD-USDT-SWAP", SWAP)

    @pytest.mark.parametrize("lever", ["", "0", "much", None])
    async def test_a_highest_leverage_that_is_not_told_leaves_it_to_the_venue(
        self, harness: SandboxHarness, lever: str | None
    ) -> None:
        venue = await self.loaded(harness, BTC | {"instId": "ETH-USDT-SWAP", "uly": "ETH-USDT", "lever": lever})
        adapter = venue.adapter(harness.account(PERP))
        await adapter.check_leverage(adapter.market(FLAT, SWAP), Decimal(500))

    @pytest.mark.parametrize("state", ["suspend", "rebase", "post_only", "preopen"])
    async def test_what_is_not_traded_now_is_listed_all_the_same(self, harness: SandboxHarness, state: str) -> None:
        venue = await self.loaded(harness, BTC | {"instId": "ETH-USDT-SWAP", "uly": "ETH-USDT", "state": state})
        assert venue.adapter(harness.account(PERP)).market(FLAT, SWAP).id == "ETH-USDT-SWAP"

    async def test_two_ids_never_share_a_symbol(self, harness: SandboxHarness) -> None:
        twin = BTC | {"instId": "BTC-USDT_OLD-SWAP", "state": "suspend"}
        venue = await self.loaded(harness, twin)
        adapter = venue.adapter(harness.account(PERP))
        assert adapter.market(LINEAR, SWAP).id == "BTC-USDT-SWAP"
        with pytest.raises(NotSupported, match="share the symbol"):
            adapter.market("BTC-USDT_OLD-SWAP", SWAP)

    async def test_a_multiplier_is_part_of_the_size_of_a_contract(self, harness: SandboxHarness) -> None:
        venue = await self.loaded(harness, BTC | {"instId": "PEPE-USDT-SWAP", "uly": "PEPE-USDT", "ctMult": "1000"})
        adapter = venue.adapter(harness.account(PERP))
        assert adapter.market("PEPE/USDT:USDT", SWAP).contract_size == Decimal(10)

    async def test_a_type_of_instrument_that_is_refused_hides_no_other(self, harness: SandboxHarness) -> None:
        venue = OkxVenue(harness.connections, harness.sandbox.base_urls["okx"], TIMEOUT_MS)
        for code in ("51000", "50030"):
            await harness.fault(INSTRUMENTS, "status", body=refused(code), params={"instType": "FUTURES"}, status=400)
            await venue.load()
            assert venue.adapter(harness.account(PERP)).market(LINEAR, SWAP).id == "BTC-USDT-SWAP"
        await venue.load()
        adapter = venue.adapter(harness.account(PERP))
        assert adapter.market("BTC/USD:USD-310404", FUTURE).id == "BTC-USD_UM_XPERP-310404"
        await harness.fault(INSTRUMENTS, "status", body=refused("51000"), params={"instType": "FUTURES"}, status=400)
        assert not await venue.load()

    async def test_a_misspelt_symbol_is_answered_with_what_was_probably_meant(self, harness: SandboxHarness) -> None:
        with pytest.raises(UnknownSymbol, match="did you mean BTC/USDT:USDT"):
            harness.adapter(PERP).market("BTCUSDT", SWAP)

    def test_everything_but_portfolio_margin_is_declared(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        assert adapter.capabilities == frozenset(Capability) - {Capability.PORTFOLIO_MARGIN}
        assert adapter.portfolio_margin is None
