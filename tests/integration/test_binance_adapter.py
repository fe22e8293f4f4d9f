"""The Binance adapter against the sandbox: every operation, every kind of account, and the venue at its worst."""

import asyncio
import logging
import time
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
)
from worker.accounts.account import Accounts
from worker.sandbox.binance.contracts import deliveries
from worker.venues.lifecycle.registry import Venues
from worker.venues.port.adapter import Capability, HistoryQuery, MarginSettings, Market
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    NotSupported,
    PreconditionFailed,
    Refused,
    Throttled,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.reading.history import DAY

PERP, HEDGE, PM = "binance-perp-001", "binance-hedge-001", "binance-pm-001"
LINEAR, INVERSE, FLAT = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT"
UNKNOWN_OUTCOME = "Unknown error, please check your request or try again later."


shared, harness = harness_fixtures("binance")


def delivery(harness: SandboxHarness) -> Market:
    """The delivery future that the hedged account holds."""
    current, _ = deliveries(time.time_ns() // 1_000_000)
    return market(harness.adapter(HEDGE), f"{LINEAR}-{current.suffix}", FUTURE)


class TestLeverage:
    @pytest.mark.parametrize("account_id", [PERP, HEDGE, PM])
    @pytest.mark.parametrize("symbol", [LINEAR, INVERSE])
    async def test_the_echo_and_the_read_back_show_the_leverage(
        self, harness: SandboxHarness, account_id: str, symbol: str
    ) -> None:
        adapter = harness.adapter(account_id)
        wanted = market(adapter, symbol)
        echo = await adapter.set_leverage(wanted, Decimal(7))
        assert (echo.leverage, echo.margin_mode) == (Decimal(7), None)
        assert echo.raw["symbol"] == wanted.id
        assert (await adapter.terms(wanted)).leverage == Decimal(7)

    async def test_a_delivery_future_has_a_leverage_of_its_own(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(HEDGE), delivery(harness)
        await adapter.set_leverage(future, Decimal(3))
        assert (await adapter.terms(future)).leverage == Decimal(3)
        assert (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal(10)

    async def test_it_leaves_the_margin_mode_alone(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        flat = market(adapter, FLAT)
        await adapter.set_margin_mode(flat, MarginMode.ISOLATED)
        await adapter.set_leverage(flat, Decimal(4))
        assert await adapter.terms(flat) == MarginSettings(
            Decimal(4), MarginMode.ISOLATED, (await adapter.terms(flat)).raw
        )

    @pytest.mark.parametrize("account_id", [PERP, PM])
    @pytest.mark.parametrize(("symbol", "maximum"), [(LINEAR, 125), (INVERSE, 125), (FLAT, 100)])
    async def test_more_than_the_bracket_allows_names_the_maximum(
        self, harness: SandboxHarness, account_id: str, symbol: str, maximum: int
    ) -> None:
        adapter = harness.adapter(account_id)
        await adapter.check_leverage(market(adapter, symbol), Decimal(maximum))
        with pytest.raises(ValueRefused, match=f"takes 1x to {maximum}x, not 200x"):
            await adapter.check_leverage(market(adapter, symbol), Decimal(200))
        assert [(asked["params"].get("symbol")) for asked in await harness.requests()] == [
            None,
            market(adapter, symbol).id,
        ]

    @pytest.mark.parametrize("account_id", [PERP, PM])
    @pytest.mark.parametrize("symbol", [FLAT, INVERSE])
    async def test_what_the_venue_raised_within_the_hour_is_not_refused(
        self, harness: SandboxHarness, account_id: str, symbol: str
    ) -> None:
        adapter = harness.adapter(account_id)
        wanted = market(adapter, symbol)
        await adapter.check_leverage(wanted, Decimal(1))
        await harness.change(account_id, max_leverage={wanted.id: 150})
        await adapter.check_leverage(wanted, Decimal(150))
        assert (await adapter.set_leverage(wanted, Decimal(150))).leverage == Decimal(150)

    async def test_unreadable_brackets_leave_it_to_the_venue_which_refuses(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v1/leverageBracket", "html")
        await adapter.check_leverage(market(adapter, LINEAR), Decimal(200))
        with pytest.raises(ValueRefused) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(200))
        assert caught.value.venue_code == "-4028"

    async def test_an_isolated_positions_leverage_cannot_be_lowered(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        with pytest.raises(PreconditionFailed) as caught:
            await adapter.set_leverage(market(adapter, FLAT), Decimal(2))
        assert caught.value.venue_code == "-4161"

    async def test_an_echo_for_another_market_is_no_confirmation(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v1/leverage", "status", body={"symbol": "ETHUSDT", "leverage": 7})
        with pytest.raises(Ambiguous, match="answered for ETHUSDT"):
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(7))


class TestMarginMode:
    @pytest.mark.parametrize("symbol", [FLAT, INVERSE])
    async def test_a_flat_market_switches_and_the_read_back_shows_it(
        self, harness: SandboxHarness, symbol: str
    ) -> None:
        adapter = harness.adapter(PERP)
        wanted = market(adapter, symbol)
        echo = await adapter.set_margin_mode(wanted, MarginMode.ISOLATED)
        assert (echo.margin_mode, echo.accepted) == (None, False)
        assert (await adapter.terms(wanted)).margin_mode is MarginMode.ISOLATED

    async def test_what_is_so_already_is_no_change(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        with pytest.raises(AlreadySo) as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.CROSS)
        assert caught.value.venue_code == "-4046"

    @pytest.mark.parametrize(
        ("account_id", "symbol", "held"),
        [(PERP, LINEAR, "long 0.05"), (HEDGE, LINEAR, "long 0.1 and short 0.04"), (HEDGE, INVERSE, "long 20")],
    )
    async def test_an_open_position_is_named(
        self, harness: SandboxHarness, account_id: str, symbol: str, held: str
    ) -> None:
        adapter = harness.adapter(account_id)
        with pytest.raises(PreconditionFailed) as caught:
            await adapter.set_margin_mode(market(adapter, symbol), MarginMode.ISOLATED)
        assert caught.value.message == (
            f"{symbol} has an open position ({held}); close it before switching its margin mode to isolated"
        )
        assert caught.value.venue_code == "-4048"

    async def test_a_position_that_cannot_be_read_is_still_in_the_way(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v3/positionRisk", "html")
        with pytest.raises(PreconditionFailed, match="has an open position; close it"):
            await adapter.set_margin_mode(market(adapter, LINEAR), MarginMode.ISOLATED)

    async def test_open_orders_are_named(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, open_orders={"ETHUSDT": 2})
        with pytest.raises(PreconditionFailed, match="ETH/USDT:USDT has open orders; cancel them") as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert caught.value.venue_code == "-4047"

    async def test_multi_assets_mode_is_a_precondition(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, multi_assets=True)
        with pytest.raises(PreconditionFailed, match="single-asset mode") as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert caught.value.venue_code == "-4168"

    async def test_portfolio_margin_refuses_before_any_call(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PM)
        with pytest.raises(NotSupported):
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert Capability.MARGIN_MODE not in adapter.capabilities
        assert await harness.requests() == []


class TestSymbolState:
    async def test_the_documented_position(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        state = await adapter.symbol_state(market(adapter, LINEAR))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(10), MarginMode.CROSS)
        assert (state.side, state.size, state.notional) == ("long", Decimal("0.05"), Decimal("4925.25"))
        assert state.unrealized_pnl == Decimal("25.25")

    @pytest.mark.parametrize(
        ("account_id", "symbol"), [(PERP, FLAT), (PERP, INVERSE), (PM, LINEAR), (PM, "ETH/USD:ETH")]
    )
    async def test_a_flat_market_has_terms_and_no_side(
        self, harness: SandboxHarness, account_id: str, symbol: str
    ) -> None:
        adapter = harness.adapter(account_id)
        state = await adapter.symbol_state(market(adapter, symbol))
        assert (state.side, state.size) == (None, Decimal(0))
        assert state.terms.leverage > 0

    async def test_both_legs_of_a_hedge_are_summed(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        state = await adapter.symbol_state(market(adapter, LINEAR))
        assert (state.side, state.size, state.notional) == ("both", Decimal("0.14"), Decimal("13790.70"))

    async def test_an_inverse_position_is_valued_in_quote(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PM)
        state = await adapter.symbol_state(market(adapter, INVERSE))
        assert (state.side, state.size, state.notional) == ("long", Decimal(100), Decimal(10_000))


class TestPositions:
    async def test_the_documented_position(self, harness: SandboxHarness) -> None:
        found = await harness.adapter(PERP).positions(SWAP)
        assert found.coverage == ("linear", "inverse")
        (position,) = found.positions
        assert position.model_dump(mode="json") == {
            "symbol": LINEAR,
            "side": "long",
            "contracts": 0.05,
            "contract_size": 1,
            "entry_price": 98000.00,
            "mark_price": 98505.00,
            "notional": 4925.25,
            "leverage": 10,
            "unrealized_pnl": 25.25,
            "percentage": 0.51,
            "margin_mode": "cross",
            "liquidation_price": 88200.00,
            "collateral": 492.52,
            "timestamp": 1706745600000,
            "datetime": "2024-02-01T00:00:00Z",
            "exchange": "binance",
            "exchange_account_id": PERP,
        }

    async def test_swaps_and_futures_are_told_apart(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        swaps, futures, both = [(await adapter.positions(kind)).positions for kind in (SWAP, FUTURE, None)]
        assert [(row.symbol, row.side) for row in swaps] == [
            (LINEAR, "long"),
            (LINEAR, "short"),
            (FLAT, "long"),
            (INVERSE, "long"),
        ]
        assert [row.symbol for row in futures] == [delivery(harness).symbol]
        assert {row.symbol for row in both} == {row.symbol for row in (*swaps, *futures)}

    async def test_an_isolated_position_holds_its_own_margin(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        (position,) = (await adapter.positions(SWAP, market(adapter, FLAT))).positions
        assert (position.margin_mode, position.collateral) == (MarginMode.ISOLATED, Decimal("650.00"))

    @pytest.mark.parametrize(
        ("account_id", "symbol", "paths", "coverage"),
        [
            (PERP, LINEAR, ["/fapi/v1/symbolConfig", "/fapi/v3/positionRisk"], ("linear",)),
            (PERP, INVERSE, ["/dapi/v1/positionRisk"], ("inverse",)),
            (PM, FLAT, ["/papi/v1/um/positionRisk", "/papi/v1/um/symbolConfig"], ("linear",)),
            (PM, INVERSE, ["/papi/v1/cm/positionRisk"], ("inverse",)),
        ],
    )
    async def test_a_symbol_asks_its_own_family_only(
        self, harness: SandboxHarness, account_id: str, symbol: str, paths: list[str], coverage: tuple[str, ...]
    ) -> None:
        adapter = harness.adapter(account_id)
        found = await adapter.positions(SWAP, market(adapter, symbol))
        assert found.coverage == coverage
        assert {row.symbol for row in found.positions} <= {symbol}
        assert await harness.paths() == paths

    async def test_a_portfolio_margin_account_is_read_through_papi_only(self, harness: SandboxHarness) -> None:
        found = await harness.adapter(PM).positions(SWAP)
        assert [(row.symbol, row.margin_mode) for row in found.positions] == [
            (FLAT, MarginMode.CROSS),
            (INVERSE, MarginMode.CROSS),
        ]
        assert all(path.startswith("/papi/") for path in await harness.paths())

    async def test_a_hundred_positions_come_whole(self, harness: SandboxHarness) -> None:
        account = harness.sandbox.open_account("binance", id="hundred", open_positions=100)
        found = await harness.venue.adapter(account).positions()
        assert len({row.symbol for row in found.positions}) == 100

    async def test_a_position_in_a_market_that_is_not_loaded_is_named_and_hides_no_other(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(HEDGE)
        row = {"symbol": "NEWUSDT", "positionAmt": "1"}
        await harness.fault("/fapi/v3/positionRisk", "status", body=[row])
        found = await adapter.positions(SWAP)
        assert [row.symbol for row in found.positions] == [INVERSE]
        assert found.coverage == ("inverse",)
        [linear] = [part for part in found.parts if part.name == "linear"]
        assert linear.unread == (
            "Binance names a position in NEWUSDT, which is not among its loaded markets "
            "(GET /fapi/v3/positionRisk, NEWUSDT)"
        )

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            ({}, "the answer to GET /fapi/v3/positionRisk is no list of objects"),
            ([1], "the answer to GET /fapi/v3/positionRisk is no list of objects"),
            (
                [{"symbol": "BTCUSDT", "positionAmt": "1"}],
                "the field notional of the venue's answer is missing (GET /fapi/v3/positionRisk, BTCUSDT)",
            ),
            (
                [{"positionAmt": "1"}],
                "the field symbol of the venue's answer is missing (GET /fapi/v3/positionRisk, None)",
            ),
        ],
        ids=str,
    )
    async def test_rows_of_another_shape_are_no_positions(self, harness: SandboxHarness, body: Any, why: str) -> None:
        await harness.fault("/fapi/v3/positionRisk", "status", body=body, times=9)
        found = await harness.adapter(HEDGE).positions(SWAP)
        assert {part.name: part.unread for part in found.parts} == {"linear": why, "inverse": None}
        assert [row.symbol for row in found.positions] == [INVERSE]

    @pytest.mark.parametrize(
        ("account_id", "path"), [(HEDGE, "/dapi/v1/positionRisk"), (PM, "/papi/v1/cm/positionRisk")]
    )
    async def test_a_family_that_is_refused_leaves_the_other(
        self, harness: SandboxHarness, account_id: str, path: str
    ) -> None:
        await harness.fault(path, "status", status=400, code=-4402, msg="not available in your region.", times=9)
        found = await harness.adapter(account_id).positions(SWAP)
        assert found.coverage == ("linear",)
        assert FLAT in {row.symbol for row in found.positions}
        [inverse] = [part.unread for part in found.parts if part.name == "inverse"]
        assert inverse is not None

    async def test_a_position_in_a_contract_that_is_being_delivered_is_told(self, harness: SandboxHarness) -> None:
        held = {"symbol": "LTCUSD_PERP", "amount": "3", "entry_price": "100"}
        await harness.change(PERP, positions=[held])
        found = await harness.adapter(PERP).positions(SWAP)
        assert {row.symbol for row in found.positions} == {LINEAR, "LTC/USD:LTC"}
        assert found.coverage == ("linear", "inverse")

    async def test_without_the_account_nothing_says_that_coin_margined_positions_are_whole(
        self, harness: SandboxHarness
    ) -> None:
        await harness.fault("/dapi/v1/account", "status", status=403, body="<html>", times=9)
        found = await harness.adapter(HEDGE).positions(SWAP)
        assert INVERSE in {row.symbol for row in found.positions}
        assert found.coverage == ("linear",)

    async def test_a_perpetual_that_is_going_to_be_delisted_is_a_perpetual(self, harness: SandboxHarness) -> None:
        held = [{"symbol": name, "amount": "1", "entry_price": "300"} for name in ("TSLAUSDT", "XAUUSDT")]
        await harness.change(PERP, positions=held)
        adapter = harness.adapter(PERP)
        assert market(adapter, "TSLA/USDT:USDT").id == "TSLAUSDT"
        assert {row.symbol for row in (await adapter.positions(SWAP)).positions} == {
            LINEAR,
            "TSLA/USDT:USDT",
            "XAU/USDT:USDT",
        }
        assert (await adapter.positions(FUTURE)).positions == ()
        assert (await adapter.set_leverage(market(adapter, "TSLA/USDT:USDT"), Decimal(3))).leverage == Decimal(3)

    async def test_without_its_settings_a_position_is_told_without_a_leverage(self, harness: SandboxHarness) -> None:
        await harness.fault("/fapi/v1/symbolConfig", "html", times=9)
        found = await harness.adapter(HEDGE).positions(SWAP)
        told = {row.symbol: (row.leverage, row.margin_mode) for row in found.positions}
        assert told[FLAT] == (None, MarginMode.ISOLATED)
        assert told[LINEAR] == (None, MarginMode.CROSS)
        assert found.coverage == ("inverse",)


class TestHistory:
    @pytest.fixture
    def query(self) -> Any:
        def make(
            market: Market | None = None, kind: MarketType = SWAP, since: int | None = None, limit: int | None = None
        ) -> HistoryQuery:
            return HistoryQuery(market, kind, since, limit)

        return make

    @pytest.mark.parametrize("account_id", [PERP, PM])
    @pytest.mark.parametrize("symbol", [None, LINEAR, INVERSE])
    async def test_all_funding_comes_once_and_in_order(
        self, harness: SandboxHarness, query: Any, account_id: str, symbol: str | None
    ) -> None:
        adapter = harness.adapter(account_id)
        wanted = market(adapter, symbol) if symbol else None
        history = await adapter.funding_history(query(wanted, since=0))
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({(entry.id, entry.symbol) for entry in history.entries}) == len(times)
        symbols = {entry.symbol for entry in history.entries}
        assert symbols == {symbol} if symbol else {LINEAR, INVERSE, FLAT} < symbols
        per_linear, per_inverse = 88 * 3, 420 * 3
        expected = {None: 7 * per_linear + 2 * per_inverse, LINEAR: per_linear, INVERSE: per_inverse}
        assert len(times) == expected[symbol]

    async def test_rows_of_one_instant_over_a_page_border_are_neither_lost_nor_doubled(
        self, harness: SandboxHarness, query: Any
    ) -> None:
        history = await harness.adapter(PERP).funding_history(query(since=0))
        by_time: dict[int, int] = {}
        for entry in history.entries:
            if entry.symbol not in (INVERSE, "ETH/USD:ETH"):
                by_time[entry.timestamp] = by_time.get(entry.timestamp, 0) + 1
        assert len(history.entries) > 1_000
        assert set(by_time.values()) == {7}

    async def test_from_since_on_the_first_entries_are_given(self, harness: SandboxHarness, query: Any) -> None:
        adapter = harness.adapter(PERP)
        everything = (await adapter.funding_history(query(since=0))).entries
        since = everything[-200].timestamp
        some = await adapter.funding_history(query(since=since, limit=50))
        expected = [entry for entry in everything if entry.timestamp >= since][:50]
        assert [entry.timestamp for entry in some.entries] == [entry.timestamp for entry in expected]
        assert some.complete_from == since

    async def test_without_since_the_newest_entries_are_given(self, harness: SandboxHarness, query: Any) -> None:
        adapter = harness.adapter(PERP)
        newest = await adapter.funding_history(query(market(adapter, LINEAR), limit=10))
        assert len(newest.entries) == 10
        last = newest.entries[-1]
        assert (last.id, last.amount, last.code, last.symbol) == ("123456789", Decimal("-0.15"), "USDT", LINEAR)
        assert last.info["tranId"] == 123456789
        assert newest.complete_from <= newest.entries[0].timestamp
        assert newest.next_cursor is not None

    async def test_more_newest_entries_than_a_week_holds_are_found_in_earlier_windows(
        self, harness: SandboxHarness, query: Any
    ) -> None:
        adapter = harness.adapter(PERP)
        newest = await adapter.funding_history(query(market(adapter, LINEAR), limit=150))
        assert len(newest.entries) == 150
        assert newest.entries[-1].timestamp - newest.entries[0].timestamp > 49 * DAY

    async def test_without_since_and_limit_a_week_is_given(self, harness: SandboxHarness, query: Any) -> None:
        adapter = harness.adapter(PERP)
        week = await adapter.funding_history(query(market(adapter, LINEAR)))
        assert len(week.entries) == 21
        assert abs(week.complete_from - (time.time_ns() // 1_000_000 - 7 * DAY)) < 60_000

    async def test_what_the_venue_forgot_is_admitted(self, harness: SandboxHarness, query: Any) -> None:
        adapter = harness.adapter(PERP)
        forgets = await adapter.funding_history(query(market(adapter, LINEAR), since=1))
        keeps = await adapter.funding_history(query(market(adapter, INVERSE), since=1))
        assert abs(forgets.complete_from - (time.time_ns() // 1_000_000 - 89 * DAY)) < 60_000
        assert keeps.complete_from == 1

    async def test_that_futures_have_no_funding_is_asked_and_not_assumed(
        self, harness: SandboxHarness, query: Any
    ) -> None:
        future = delivery(harness)
        paid = {"symbol": future.id, "type": "FUNDING_FEE", "amount": "-0.5", "asset": "USDT", "tran_id": 5}
        adapter = harness.adapter(PERP)
        assert (await adapter.funding_history(query(kind=FUTURE))).entries == ()
        assert set(await harness.paths()) == {"/fapi/v1/income", "/dapi/v1/income"}
        await harness.change(PERP, income=[paid])
        [entry] = (await adapter.funding_history(query(kind=FUTURE))).entries
        assert (entry.symbol, entry.amount) == (future.symbol, Decimal("-0.5"))

    async def test_special_funding_and_settled_deliveries_are_told(self, harness: SandboxHarness, query: Any) -> None:
        row = {"symbol": "BTCUSDT", "amount": "2", "asset": "USDT", "tran_id": 5}
        settled = {"symbol": "BTCUSD_250926", "amount": "1", "asset": "BTC", "tran_id": 6, "coin_margined": True}
        await harness.change(
            PERP,
            income=[row | {"type": "SPECIAL_FUNDING_FEE"}, settled | {"type": "DELIVERED_SETTELMENT"}],
        )
        adapter = harness.adapter(PERP)
        assert (await adapter.funding_history(query())).entries[-1].id == "SPECIAL_FUNDING_FEE-5"
        [profit] = (await adapter.realized_pnl(query(kind=FUTURE))).entries[-1:]
        assert (profit.id, profit.symbol) == ("DELIVERED_SETTELMENT-6", "BTCUSD_250926")

    async def test_income_of_a_contract_that_is_listed_no_longer_is_told_by_its_symbol(
        self, harness: SandboxHarness, query: Any
    ) -> None:
        paid = {"symbol": "LUNAUSDT", "type": "FUNDING_FEE", "amount": "-0.5", "asset": "USDT", "tran_id": 5}
        await harness.change(PERP, income=[paid])
        adapter = harness.adapter(PERP)
        past = adapter.past_market("LUNA/USDT:USDT", SWAP)
        [entry] = (await adapter.funding_history(query(past))).entries
        assert (entry.symbol, entry.amount) == ("LUNA/USDT:USDT", Decimal("-0.5"))
        assert (await adapter.funding_history(query())).entries[-1].symbol == "LUNAUSDT"

    async def test_a_type_of_income_that_nobody_knows_is_named(self, harness: SandboxHarness, query: Any) -> None:
        new = {"symbol": "BTCUSDT", "type": "NEW_FEE", "amount": "1.5", "asset": "USDT", "tran_id": 5}
        await harness.change(PERP, income=[new])
        found = await harness.adapter(PERP).realized_pnl(query())
        assert found.entries
        assert {part.name: "NEW_FEE" in (part.unread or "") for part in found.parts} == {
            "linear": True,
            "inverse": False,
        }

    async def test_realized_profits_have_their_sign_and_their_code(self, harness: SandboxHarness, query: Any) -> None:
        adapter = harness.adapter(PERP)
        entries = (await adapter.realized_pnl(query(market(adapter, LINEAR), since=0))).entries
        assert (entries[-1].id, entries[-1].amount) == ("987654321", Decimal("125.50"))
        assert any(entry.amount < 0 for entry in entries)
        inverse = (await adapter.realized_pnl(query(market(adapter, INVERSE), since=0))).entries
        assert {entry.code for entry in inverse} == {"BTC"}

    async def test_realized_profits_of_swaps_and_futures_are_told_apart(
        self, harness: SandboxHarness, query: Any
    ) -> None:
        adapter, future = harness.adapter(PERP), delivery(harness)
        swaps = await adapter.realized_pnl(query(since=0))
        futures = await adapter.realized_pnl(query(kind=FUTURE, since=0))
        assert {entry.symbol for entry in futures.entries} == {future.symbol}
        assert {entry.symbol for entry in swaps.entries} == {LINEAR, FLAT, INVERSE}
        of_symbol = await adapter.realized_pnl(query(future, FUTURE, since=0))
        assert [entry.id for entry in of_symbol.entries] == [entry.id for entry in futures.entries]

    async def test_a_family_whose_income_cannot_be_read_is_named(self, harness: SandboxHarness, query: Any) -> None:
        await harness.fault("/fapi/v1/income", "html", times=None)
        found = await harness.adapter(PERP).funding_history(query())
        assert {part.name: part.unread is None for part in found.parts} == {"linear": False, "inverse": True}
        assert {entry.code for entry in found.entries} == {"BTC", "ETH"}


class TestPortfolioMargin:
    async def test_other_accounts_have_none(self, harness: SandboxHarness) -> None:
        assert harness.adapter(PERP).portfolio_margin is None
        assert Capability.PORTFOLIO_MARGIN not in harness.adapter(PERP).capabilities

    async def test_the_documented_balances(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        balance = await portfolio.balance()
        assert {asset: row.model_dump(mode="json") for asset, row in balance.items()} == {
            "USDT": {
                "cross_margin": {"total": 10000, "free": 8500, "locked": 1500, "borrowed": 0, "interest": 0},
                "um_futures": {"wallet": 2500, "unrealized_pnl": 125.5},
                "cm_futures": {"wallet": 0, "unrealized_pnl": 0},
                "total_wallet_balance": 12500,
                "negative_balance": 0,
            },
            "BTC": {
                "cross_margin": {"total": 0.5, "free": 0.45, "locked": 0.05, "borrowed": 0, "interest": 0},
                "um_futures": {"wallet": 0, "unrealized_pnl": 0},
                "cm_futures": {"wallet": 0.1, "unrealized_pnl": 0.005},
                "total_wallet_balance": 0.6,
                "negative_balance": 0,
            },
        }

    async def test_the_documented_account(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        found = await portfolio.account()
        assert [row["asset"] for row in found.balances] == ["USDT", "BTC"]
        assert found.untold == {}
        assert found.totals.model_dump() == {
            "totalInitialMargin": "1000.00",
            "totalMaintMargin": "200.00",
            "totalWalletBalance": "12500.00",
            "totalUnrealizedProfit": "125.50",
            "totalMarginBalance": "12625.50",
            "availableBalance": "11500.00",
            "maxWithdrawAmount": "11500.00",
        }

    async def test_a_position_margined_in_coins_is_not_added_to_dollars(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        await harness.change(PM, positions=[{"symbol": "ETHBTC", "amount": "100", "entry_price": "0.03"}])
        found = await portfolio.account()
        assert found.totals.totalInitialMargin is found.totals.totalUnrealizedProfit is None
        assert found.untold["totalInitialMargin"].startswith("its amounts are in BTC and USDT")
        assert found.totals.availableBalance is not None

    async def test_the_empty_figure_of_the_documented_answer_is_null(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        body = {"totalAvailableBalance": "", "virtualMaxWithdrawAmount": "5"}
        await harness.fault("/papi/v1/account", "status", body=body)
        totals = (await portfolio.account()).totals
        assert (totals.availableBalance, totals.maxWithdrawAmount) == (None, "5")

    async def test_a_collection_is_accepted_only_in_the_documented_words(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        assert (await portfolio.auto_collect()).accepted
        assert (await portfolio.asset_collect("USDT")).accepted
        others: list[Any] = [{"msg": "ok"}, {}, [], {"msg": "success", "code": 200}]
        for body in others:
            await harness.fault("/papi/v1/auto-collection", "status", body=body)
            with pytest.raises(Ambiguous):
                await portfolio.auto_collect()

    async def test_a_collection_without_an_answer_is_sent_once(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        await harness.fault("/papi/v1/asset-collection", "reset", apply=True)
        with pytest.raises(Ambiguous):
            await portfolio.asset_collect("USDT")
        assert await harness.paths() == ["/papi/v1/asset-collection"]

    async def test_bnb_is_refused_before_any_call(self, harness: SandboxHarness) -> None:
        portfolio = harness.adapter(PM).portfolio_margin
        assert portfolio
        with pytest.raises(NotSupported, match="BNB"):
            await portfolio.asset_collect("BNB")
        assert await harness.requests() == []

    async def test_an_account_without_portfolio_margin_must_enable_it(self, harness: SandboxHarness) -> None:
        account = harness.account(PERP).model_copy(update={"portfolio_margin": True})
        portfolio = harness.venue.adapter(account).portfolio_margin
        assert portfolio
        with pytest.raises(Refused):
            await portfolio.balance()


class TestTheVenueAtItsWorst:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            *BROKEN_ANSWERS,
            ({"fault": "status", "status": 503, "body": UNKNOWN_OUTCOME}, Ambiguous),
            ({"fault": "status", "status": 503, "body": "Service Unavailable."}, Ambiguous),
            ({"fault": "status", "status": 503, "code": -1008, "msg": "Server is busy."}, Throttled),
            ({"fault": "status", "status": 429, "code": -1003, "msg": "Too many.", "retry_after": 3}, Throttled),
            ({"fault": "status", "status": 418, "code": -1003, "msg": "Banned.", "retry_after": 60}, Throttled),
            ({"fault": "status", "status": 401, "code": -2015, "msg": "Invalid API-key."}, AccessDenied),
            ({"fault": "status", "status": 400, "code": -2019, "msg": "Margin is insufficient."}, PreconditionFailed),
            ({"fault": "status", "status": 400, "code": -99999, "msg": "Nobody knows."}, Unlisted),
        ],
        ids=str,
    )  # fmt: skip
    async def test_each_misbehaviour_is_told_apart(
        self, harness: SandboxHarness, fault: dict[str, Any], error: type[VenueError]
    ) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v1/leverage", **fault)
        with pytest.raises(error) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        assert type(caught.value) is error
        account = harness.account(PERP)
        told = f"{caught.value!r} {vars(caught.value)}"
        for secret in (account.reveal("api_key"), account.reveal("secret"), "signature=", "http://"):
            assert secret not in told
        if isinstance(caught.value, Throttled) and "retry_after" in fault:
            assert caught.value.retry_after == fault["retry_after"] * 1_000

    async def test_what_was_applied_before_the_connection_broke_can_be_read_back(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v1/leverage", "reset", apply=True)
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
        statuses = [(entry["path"], entry["status"]) for entry in await harness.requests()]
        assert statuses == [("/fapi/v1/leverage", 400), ("/fapi/v1/time", 200), ("/fapi/v1/leverage", 200)]

    async def test_a_wrong_secret_is_refused(self, harness: SandboxHarness) -> None:
        account = harness.account(PERP).model_copy(update={"secret": harness.account(PM).secret})
        with pytest.raises(AccessDenied) as caught:
            await harness.venue.adapter(account).positions(SWAP)
        assert caught.value.venue_code == "-1022"

    async def test_a_cancelled_call_stays_cancelled(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v1/leverage", "delay", delay_ms=TIMEOUT_MS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))

    async def test_no_log_line_tells_a_key(self, harness: SandboxHarness, caplog: pytest.LogCaptureFixture) -> None:
        account = harness.account(PERP)
        with caplog.at_level(logging.DEBUG):
            await harness.adapter(PERP).positions(SWAP)
        assert account.reveal("api_key") not in caplog.text


async def test_a_venue_that_lists_no_markets_is_reported(harness: SandboxHarness) -> None:
    venues = Venues(harness.connections, Accounts(harness.sandbox.accounts), TIMEOUT_MS)
    await harness.fault("/fapi/v1/exchangeInfo", "html")
    with pytest.raises(Ambiguous):
        await venues.load_once(harness.account(PERP))
    await venues.load_once(harness.account(PERP))
    assert venues.adapter(harness.account(PERP)).market(LINEAR, SWAP).id == "BTCUSDT"
