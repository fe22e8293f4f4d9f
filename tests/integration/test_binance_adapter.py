"""The Binance adapter against the sandbox: every operation, every kind of account, and the venue at its worst."""

import time
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import (
    FUTURE,
    SWAP,
    SandboxHarness,
    harness_fixtures,
    market,
)
from worker.sandbox.binance.contracts import deliveries
from worker.venues.port.adapter import HistoryQuery, Market
from worker.venues.port.errors import (
    Ambiguous,
    NotSupported,
    PreconditionFailed,
    Refused,
    ValueRefused,
)

PERP, HEDGE, PM = "binance-perp-001", "binance-hedge-001", "binance-pm-001"
LINEAR, INVERSE, FLAT = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT"
CLOSED = {"symbol": "BTCUSDT", "amount": "0", "entry_price": "1"}
"""What makes the first account flat."""
UNKNOWN_OUTCOME = "Unknown error, please check your request or try again later."


shared, harness = harness_fixtures("binance")


def delivery(harness: SandboxHarness) -> Market:
    """The delivery future that the hedged account holds."""
    current, _ = deliveries(time.time_ns() // 1_000_000)
    return market(harness.adapter(HEDGE), f"{LINEAR}-{current.suffix}", FUTURE)


class TestLeverage:
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


class TestMarginMode:
    async def test_a_position_that_cannot_be_read_is_still_in_the_way(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.fault("/fapi/v3/positionRisk", "html")
        with pytest.raises(PreconditionFailed, match="has an open position; close it"):
            await adapter.set_margin_mode(market(adapter, LINEAR), MarginMode.ISOLATED)


class TestPositions:
    async def test_a_portfolio_margin_account_is_read_through_papi_only(self, harness: SandboxHarness) -> None:
        found = await harness.adapter(PM).positions(SWAP)
        assert [(row.symbol, row.margin_mode) for row in found.positions] == [
            (FLAT, MarginMode.CROSS),
            (INVERSE, MarginMode.CROSS),
        ]
        assert all(path.startswith("/papi/") for path in await harness.paths())

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

    async def test_a_family_that_was_flat_is_asked_only_whether_it_still_is(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, positions=[CLOSED])
        adapter = harness.adapter(PERP)
        at_first, then = await adapter.positions(SWAP), await adapter.positions(SWAP)
        assert at_first.coverage == then.coverage == ("linear", "inverse")
        paths = ["/dapi/v1/account", "/dapi/v1/positionRisk", "/fapi/v1/symbolConfig", "/fapi/v3/positionRisk"]
        assert await harness.paths() == sorted([*paths, "/dapi/v1/account", "/fapi/v3/positionRisk"])

    @pytest.mark.parametrize(
        ("held", "symbol"),
        [
            ({"symbol": "BTCUSDT", "amount": "1", "entry_price": "90000"}, LINEAR),
            ({"symbol": "BTCUSD_PERP", "amount": "1", "entry_price": "90000"}, INVERSE),
            ({"symbol": "LTCUSD_PERP", "amount": "3", "entry_price": "100"}, "LTC/USD:LTC"),
        ],
        ids=["USD-M", "COIN-M", "COIN-M, being delivered"],
    )
    async def test_what_is_opened_in_a_family_that_was_flat_is_told_by_the_next_reading(
        self, harness: SandboxHarness, held: dict[str, str], symbol: str
    ) -> None:
        await harness.change(PERP, positions=[CLOSED])
        adapter = harness.adapter(PERP)
        assert (await adapter.positions(SWAP)).positions == ()
        await harness.change(PERP, positions=[held])
        for _ in range(2):
            found = await adapter.positions(SWAP)
            assert [(row.symbol, row.leverage is None) for row in found.positions] == [(symbol, False)]
            assert found.coverage == ("linear", "inverse")

    async def test_a_family_that_was_flat_is_not_called_whole_where_nothing_says_that_it_still_is(
        self, harness: SandboxHarness
    ) -> None:
        await harness.change(PERP, positions=[CLOSED])
        adapter = harness.adapter(PERP)
        await adapter.positions(SWAP)
        await harness.change(PERP, positions=[{"symbol": "BTCUSD_PERP", "amount": "1", "entry_price": "90000"}])
        await harness.fault(
            "/dapi/v1/account", "status", status=400, code=-4402, msg="not available in your region.", times=9
        )
        found = await adapter.positions(SWAP)
        assert [row.symbol for row in found.positions] == [INVERSE]
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

    async def test_the_documented_payment_keeps_its_id(self, harness: SandboxHarness, query: Any) -> None:
        adapter = harness.adapter(PERP)
        (last,) = (await adapter.funding_history(query(market(adapter, LINEAR), limit=1))).entries
        assert (last.id, last.amount, last.code, last.symbol) == ("123456789", Decimal("-0.15"), "USDT", LINEAR)
        assert last.info["tranId"] == 123456789

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


class TestPortfolioMargin:
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


class TestIsolatedMargin:
    async def test_what_was_moved_stands_in_the_venues_own_record(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        eth, began = market(adapter, FLAT), time.time_ns() // 1_000_000 - 1_000
        assert await adapter.margin_movements(eth, began) == ()
        held = await adapter.isolated_margin(eth, "long")
        for amount in (Decimal("10.5"), Decimal("-2.25")):
            await adapter.move_margin(eth, held, amount)
        moves = await adapter.margin_movements(eth, began)
        assert moves is not None
        # The venue writes both down in one millisecond at times, and then tells them in either order.
        assert {(move.side, move.amount) for move in moves} == {("long", Decimal("10.5")), ("long", Decimal("-2.25"))}
        assert len(moves) == 2
        assert await adapter.margin_movements(eth, began + 3_600_000) == ()

    async def test_a_portfolio_margin_account_has_none(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PM)
        assert await adapter.margin_movements(market(adapter, FLAT), 0) is None
