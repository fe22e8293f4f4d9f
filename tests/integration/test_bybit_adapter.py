"""The Bybit adapter against the sandbox: every operation, every kind of account, and the venue at its worst."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from schemas.outcomes import Scope
from schemas.replies import LedgerEntry
from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import (
    FUTURE,
    PATIENCE_MS,
    SWAP,
    SandboxHarness,
    harness_fixtures,
    market,
)
from worker.runtime.clock import now
from worker.sandbox.bybit.venue import Bybit
from worker.venues.bybit.history import KEPT
from worker.venues.limits import within
from worker.venues.limits.meter import ROLLING_MARGIN
from worker.venues.port.adapter import HistoryQuery, Market
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    NotSupported,
    PreconditionFailed,
    Throttled,
)
from worker.venues.reading.history import DAY

PERP, CLASSIC, HEDGE = "bybit-perp-001", "bybit-classic-001", "bybit-hedge-001"
LINEAR, USDC, INVERSE, FLAT = "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "ETH/USDT:USDT"
SET_LEVERAGE, SET_MODE, LIST = "/v5/position/set-leverage", "/v5/account/set-margin-mode", "/v5/position/list"
INFO, LOG, EXECUTIONS, CLOSED = (
    "/v5/account/info",
    "/v5/account/transaction-log",
    "/v5/execution/list",
    "/v5/position/closed-pnl",
)
CONTRACTS = "/v5/market/instruments-info"
BEFORE_CLOSED, BEFORE_EXECUTIONS = "/v5/pre-upgrade/position/closed-pnl", "/v5/pre-upgrade/execution/list"
UNLIMITED = {"ip": 1_000_000} | dict.fromkeys((LIST, INFO, LOG, EXECUTIONS, CLOSED), 1_000_000)


shared, harness = harness_fixtures("bybit", UNLIMITED)


def standin(harness: SandboxHarness) -> Bybit:
    """The venue inside the sandbox."""
    venue = harness.sandbox.desks["bybit"].venue
    assert isinstance(venue, Bybit)
    return venue


def opened(harness: SandboxHarness, **content: Any) -> str:
    return harness.sandbox.open_account("bybit", id=f"opened-{uuid4()}", **content).id


async def delivery(harness: SandboxHarness) -> Market:
    """The delivery future that the unified account holds."""
    adapter = harness.adapter(PERP)
    (held,) = (await adapter.positions(FUTURE)).positions
    return adapter.market(held.symbol, FUTURE)


class TestLeverage:
    async def test_an_id_outside_ascii_is_signed_as_it_is_sent(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        named = market(adapter, "币安人生/USDT:USDT")
        await adapter.set_leverage(named, Decimal(3))
        assert (named.id, (await adapter.terms(named)).leverage) == ("币安人生USDT", Decimal(3))
        await harness.change(PERP, positions=[{"symbol": named.id, "size": 3}])
        assert named.symbol in {row.symbol for row in (await adapter.positions()).positions}
        assert (await adapter.realized_pnl(query(named))).entries == ()

    async def test_each_side_has_its_own_until_both_are_set(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        terms = await adapter.terms(market(adapter, LINEAR))
        assert (terms.leverage, terms.sides) == (Decimal(10), (Decimal(10), Decimal(5)))
        await adapter.set_leverage(market(adapter, LINEAR), Decimal(10))
        assert (await adapter.terms(market(adapter, LINEAR))).sides == (Decimal(10), Decimal(10))

    async def test_a_maximum_that_was_raised_since_the_markets_were_loaded_is_no_refusal(
        self, harness: SandboxHarness
    ) -> None:
        adapter, contracts = harness.adapter(PERP), standin(harness).exchange.contracts
        contracts["BTCUSDT"] = replace(contracts["BTCUSDT"], max_leverage=Decimal(125))
        await adapter.check_leverage(market(adapter, LINEAR), Decimal(120))
        await adapter.set_leverage(market(adapter, LINEAR), Decimal(120))
        assert (await adapter.terms(market(adapter, LINEAR))).leverage == Decimal(120)


class TestMarginModeOfAUnifiedAccount:
    async def test_it_changes_for_the_whole_account_and_says_so(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(HEDGE)
        echo = await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.CROSS)
        assert (echo.scope, echo.margin_mode) == (Scope.ACCOUNT, None)
        for symbol in (LINEAR, FLAT, INVERSE):
            assert (await adapter.terms(market(adapter, symbol))).margin_mode is MarginMode.CROSS

    async def test_portfolio_margin_counts_as_cross_and_is_named(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, margin_mode="PORTFOLIO_MARGIN")
        adapter = harness.adapter(PERP)
        with pytest.raises(AlreadySo) as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.CROSS)
        assert caught.value.note
        assert "portfolio margin" in caught.value.note
        terms = await adapter.terms(market(adapter, FLAT))
        assert (terms.margin_mode, terms.raw["account"]["marginMode"]) == (MarginMode.CROSS, "PORTFOLIO_MARGIN")

    @pytest.mark.parametrize("mode", MarginMode)
    async def test_registered_for_symbols_only_it_refuses_before_it_changes_anything(
        self, harness: SandboxHarness, mode: MarginMode
    ) -> None:
        adapter = harness.adapter(PERP, margin_mode_scope="symbol")
        with pytest.raises(NotSupported, match="margin_mode_scope = account"):
            await adapter.set_margin_mode(market(adapter, FLAT), mode)
        assert await harness.paths() == [INFO]

    async def test_a_refusal_tells_the_reasons_and_the_open_positions(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        with pytest.raises(PreconditionFailed) as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert caught.value.venue_code == "3400045"
        assert "Insufficient available balance." in caught.value.message
        assert "BTC/USDT:USDT long 0.05, SOL/USDT:USDT short 12" in caught.value.message
        assert caught.value.details["reasons"][0]["reasonCode"] == "110012"
        assert len(caught.value.details["open_positions"]) == 5

    async def test_positions_that_cannot_be_read_leave_the_reasons(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        await harness.change(PERP, reasons={"3400013": "Repay your loans first."})
        await harness.fault(LIST, "html", times=3)
        with pytest.raises(PreconditionFailed, match="Repay your loans first") as caught:
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert caught.value.details["open_positions"] == []

    async def test_only_the_linear_part_of_the_first_kind_is_unified(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(opened(harness, status=3, open_positions=1))
        linear, inverse = market(adapter, LINEAR), market(adapter, INVERSE)
        assert (await adapter.set_margin_mode(inverse, MarginMode.ISOLATED)).scope is Scope.SYMBOL
        assert (await adapter.terms(linear)).margin_mode is MarginMode.CROSS
        assert (await adapter.set_margin_mode(linear, MarginMode.ISOLATED)).scope is Scope.ACCOUNT


class TestMarginModeOfAClassicAccount:
    @pytest.mark.parametrize("symbol", [LINEAR, FLAT, INVERSE])
    async def test_a_symbol_switches_alone(self, harness: SandboxHarness, symbol: str) -> None:
        adapter = harness.adapter(CLASSIC)
        echo = await adapter.set_margin_mode(market(adapter, symbol), MarginMode.ISOLATED)
        assert echo.scope is Scope.SYMBOL
        assert (await adapter.terms(market(adapter, "XRP/USDT:USDT"))).margin_mode is MarginMode.CROSS

    async def test_it_may_be_registered_for_symbols_only(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(CLASSIC, margin_mode_scope="symbol")
        await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert (await adapter.terms(market(adapter, FLAT))).margin_mode is MarginMode.ISOLATED

    async def test_both_sides_keep_the_leverage_they_have(self, harness: SandboxHarness) -> None:
        account_id = opened(harness, status=1, hedged=True)
        await harness.change(account_id, terms={"BTCUSDT": {"buy": 8, "sell": 8, "isolated": True}})
        adapter = harness.adapter(account_id)
        await adapter.set_margin_mode(market(adapter, LINEAR), MarginMode.CROSS)
        terms = await adapter.terms(market(adapter, LINEAR))
        assert (terms.margin_mode, terms.sides) == (MarginMode.CROSS, (Decimal(8), Decimal(8)))

    async def test_sides_that_differ_are_not_switched_for_bybit_takes_one_leverage_for_both(
        self, harness: SandboxHarness
    ) -> None:
        account_id = opened(harness, status=1, hedged=True)
        await harness.change(account_id, terms={"BTCUSDT": {"buy": 8, "sell": 3, "isolated": True}})
        adapter = harness.adapter(account_id)
        with pytest.raises(PreconditionFailed, match="8x and 3x; set one leverage first"):
            await adapter.set_margin_mode(market(adapter, LINEAR), MarginMode.CROSS)
        with pytest.raises(AlreadySo):
            await adapter.set_margin_mode(market(adapter, LINEAR), MarginMode.ISOLATED)
        terms = await adapter.terms(market(adapter, LINEAR))
        assert (terms.margin_mode, terms.sides) == (MarginMode.ISOLATED, (Decimal(8), Decimal(3)))

    async def test_usdc_contracts_have_none_of_their_own(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(CLASSIC)
        with pytest.raises(NotSupported, match="upgrade the account"):
            await adapter.set_margin_mode(market(adapter, USDC), MarginMode.ISOLATED)
        assert await harness.paths() == [INFO]

    async def test_a_refusal_names_the_position_of_the_symbol(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(CLASSIC)
        body = {"retCode": 110011, "retMsg": "Liquidation.", "result": {}, "time": 1}
        await harness.fault("/v5/position/switch-isolated", "status", body=body)
        with pytest.raises(PreconditionFailed, match=r"open positions: BTC/USDT:USDT long 0\.05$"):
            await adapter.set_margin_mode(market(adapter, LINEAR), MarginMode.ISOLATED)


class TestPositions:
    async def test_every_settle_coin_and_both_categories_are_read(self, harness: SandboxHarness) -> None:
        found = await harness.adapter(PERP).positions()
        assert found.coverage == ("linear USDT", "linear USDC", "inverse")
        future = await delivery(harness)
        assert [(row.symbol, row.side) for row in found.positions] == [
            (LINEAR, "long"),
            ("SOL/USDT:USDT", "short"),
            (future.symbol, "long"),
            (USDC, "long"),
            (INVERSE, "long"),
        ]
        assert {row.margin_mode for row in found.positions} == {MarginMode.CROSS}

    async def test_a_position_in_a_contract_of_any_status_is_told_beside_all_others(
        self, harness: SandboxHarness
    ) -> None:
        untraded = [row for row in standin(harness).exchange.listed_in("linear") if not row.traded]
        assert {row.status for row in untraded} == {"PreLaunch", "Delivering", "Closed"}
        await harness.change(PERP, positions=[{"symbol": row.symbol, "size": 3} for row in untraded])
        found = (await harness.adapter(PERP).positions()).positions
        assert len(found) == 5 + len(untraded)
        assert len({row.symbol for row in found}) == len(found)

    async def test_a_perpetual_that_is_to_be_delisted_stays_a_swap(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, positions=[{"symbol": "LEAVINGUSDT", "size": 3}])
        adapter = harness.adapter(PERP)
        assert "LEAVING/USDT:USDT" in {row.symbol for row in (await adapter.positions(SWAP)).positions}
        assert (await adapter.terms(market(adapter, "LEAVING/USDT:USDT"))).leverage == Decimal(10)

    async def test_a_classic_account_has_both_modes_at_once(self, harness: SandboxHarness) -> None:
        rows = (await harness.adapter(CLASSIC).positions()).positions
        assert [(row.symbol, row.margin_mode, row.collateral) for row in rows] == [
            (LINEAR, MarginMode.CROSS, Decimal("490.00")),
            ("SOL/USDT:USDT", MarginMode.ISOLATED, Decimal("456.60")),
            (INVERSE, MarginMode.CROSS, Decimal("0.00079208")),
        ]

    async def test_both_sides_of_a_hedge_are_positions_with_their_own_leverage(self, harness: SandboxHarness) -> None:
        rows = (await harness.adapter(HEDGE).positions(SWAP)).positions
        legs = [(row.side, row.contracts, row.leverage) for row in rows if row.symbol == LINEAR]
        assert legs == [("long", Decimal("0.1"), Decimal(10)), ("short", Decimal("0.04"), Decimal(5))]
        assert all(row.liquidation_price for row in rows)

    async def test_portfolio_margin_positions_are_complete(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, margin_mode="PORTFOLIO_MARGIN")
        rows = (await harness.adapter(PERP).positions()).positions
        assert {(row.leverage, row.collateral, row.margin_mode) for row in rows} == {(None, None, MarginMode.CROSS)}
        assert len(rows) == 5

    @pytest.mark.parametrize("result", [None, {}, {"list": None}, {"list": [1]}])
    async def test_a_part_of_another_shape_blinds_nothing_else(self, harness: SandboxHarness, result: Any) -> None:
        await harness.fault(LIST, "status", times=2, body=success(result), params={"settleCoin": "USDC"})
        found = await harness.adapter(PERP).positions()
        assert {row.symbol for row in found.positions} >= {LINEAR, INVERSE}
        assert [part.name for part in found.parts if part.unread] == ["linear USDC"]

    @pytest.mark.parametrize("code", [10005, 10024, 110099, 987_654])
    async def test_a_category_that_is_refused_blinds_nothing_else(self, harness: SandboxHarness, code: int) -> None:
        refusal = {"retCode": code, "retMsg": "No.", "result": {}, "time": 1}
        await harness.fault(LIST, "status", times=2, body=refusal, params={"category": "inverse"})
        found = await harness.adapter(PERP).positions()
        assert {row.symbol for row in found.positions} >= {LINEAR, USDC}
        (part,) = [part for part in found.parts if part.unread]
        assert (part.name, str(code) in str(part.unread)) == ("inverse", True)

    async def test_a_row_that_cannot_be_understood_is_missing_alone_and_named(self, harness: SandboxHarness) -> None:
        odd = HELD | {"symbol": "ETHUSDT", "markPrice": ""}
        await harness.fault(LIST, "status", body=success({"list": [odd, HELD], "nextPageCursor": ""}))
        found = await harness.adapter(PERP).positions(SWAP)
        assert LINEAR in {row.symbol for row in found.positions}
        (part,) = [part for part in found.parts if part.unread]
        assert str(part.unread).endswith(
            "the field markPrice of the venue's answer is unreadable (ETHUSDT in GET /v5/position/list)"
        )

    async def test_nothing_that_can_be_read_is_an_error(self, harness: SandboxHarness) -> None:
        await harness.fault(LIST, "status", times=9, body=success({"list": None}))
        with pytest.raises(Ambiguous):
            await harness.adapter(PERP).positions()


def success(result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "time": 1}


HELD: dict[str, Any] = {
    "positionIdx": 0,
    "symbol": "BTCUSDT",
    "side": "Buy",
    "size": "0.05",
    "avgPrice": "98000",
    "markPrice": "98505",
    "leverage": "10",
    "tradeMode": 0,
    "unrealisedPnl": "25.25",
    "positionIM": "492.525",
    "liqPrice": "",
    "updatedTime": "1706745600000",
}


def query(
    only: Market | None = None, kind: MarketType = SWAP, since: int | None = None, limit: int | None = None
) -> HistoryQuery:
    return HistoryQuery(only, kind, since, limit)


class TestHistory:
    @pytest.mark.parametrize("account_id", [PERP, CLASSIC])
    async def test_funding_is_whole_over_two_years_and_many_pages(
        self, harness: SandboxHarness, account_id: str
    ) -> None:
        history = await harness.adapter(account_id).funding_history(query(since=0))
        now = standin(harness).clock.now()
        seeded = standin(harness).states[account_id].funding
        assert len(history.entries) == len(seeded) > 3 * 50
        assert sum(entry.amount for entry in history.entries) == sum(row.amount or 0 for row in seeded)
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({entry.id for entry in history.entries}) == len(times)
        assert now - KEPT - 60_000 < history.complete_from <= now - KEPT
        assert times[0] < now - 700 * DAY

    async def test_both_kinds_of_account_tell_the_same_with_the_sign_of_what_is_received(
        self, harness: SandboxHarness
    ) -> None:
        since = standin(harness).clock.now() - 20 * DAY
        told = []
        for account_id in (PERP, CLASSIC):
            entries = (await harness.adapter(account_id).funding_history(query(since=since))).entries
            told.append(sorted((row.timestamp, row.symbol, row.amount, row.code) for row in entries if row.symbol))
        assert told[0] == told[1]
        signs = {(symbol, code): amount > 0 for _, symbol, amount, code in told[0]}
        assert signs[LINEAR, "USDT"] is False
        assert signs["SOL/USDT:USDT", "USDT"] is True
        assert signs[USDC, "USDC"] is False
        assert signs[INVERSE, "BTC"] is True

    async def test_the_first_kind_of_unified_account_has_each_payment_once(self, harness: SandboxHarness) -> None:
        entries = (
            await harness.adapter(opened(harness, status=4, with_history=True)).funding_history(query(limit=70))
        ).entries
        assert len({(row.timestamp, row.symbol) for row in entries}) == 70
        assert {row.symbol for row in entries} >= {LINEAR, INVERSE}

    async def test_funding_of_futures_is_asked_for_too(self, harness: SandboxHarness) -> None:
        adapter, future = harness.adapter(PERP), await delivery(harness)
        assert (await adapter.funding_history(query(kind=FUTURE))).entries == ()
        assert LOG in await harness.paths()
        await harness.change(PERP, records=[{"type": "SETTLEMENT", "symbol": future.id, "funding": "-0.5"}])
        (entry,) = (await adapter.funding_history(query(kind=FUTURE))).entries
        assert (entry.symbol, entry.amount) == (future.symbol, Decimal("-0.5"))

    async def test_a_dividend_of_a_share_is_told_with_the_funding(self, harness: SandboxHarness) -> None:
        dividend = {"type": "DIVIDEND_SETTLEMENT", "symbol": "TSLAUSDT", "cash_flow": "1.25", "age_ms": 5_000}
        await harness.change(PERP, records=[dividend])
        adapter = harness.adapter(PERP)
        (entry,) = (await adapter.funding_history(query(market(adapter, "TSLA/USDT:USDT")))).entries
        assert (entry.amount, entry.code, entry.info["type"]) == (Decimal("1.25"), "USDT", "DIVIDEND_SETTLEMENT")

    @pytest.mark.parametrize("operation", ["funding_history", "realized_pnl"])
    async def test_two_rows_that_share_an_id_are_two(self, harness: SandboxHarness, operation: str) -> None:
        account_id = opened(harness)
        record = {"type": "SETTLEMENT", "symbol": "BTCUSDT", "funding": "-0.5", "age_ms": 60_000}
        profit = {"symbol": "BTCUSDT", "amount": "1.5", "age_ms": 60_000}
        await harness.change(account_id, records=[record, record], profits=[profit, profit | {"updated_ms": 700}])
        entries = (await getattr(harness.adapter(account_id), operation)(query(limit=50))).entries
        assert [abs(row.amount) for row in entries] == [Decimal("0.5" if operation[0] == "f" else "1.5")] * 2

    async def test_the_history_of_a_delisted_symbol_can_be_asked_for_by_its_symbol(
        self, harness: SandboxHarness
    ) -> None:
        await harness.change(PERP, profits=[{"symbol": "FTTUSDT", "amount": "-7", "age_ms": 90 * DAY}])
        adapter = harness.adapter(PERP)
        (entry,) = (await adapter.realized_pnl(query(market(adapter, "FTT/USDT:USDT"), since=0))).entries
        assert (entry.symbol, entry.amount) == ("FTT/USDT:USDT", Decimal(-7))

    @pytest.mark.parametrize("operation", ["funding_history", "realized_pnl"])
    async def test_what_was_before_an_upgrade_is_told_too(self, harness: SandboxHarness, operation: str) -> None:
        await harness.limit(dict.fromkeys((BEFORE_CLOSED, BEFORE_EXECUTIONS), 1_000_000))
        adapter, same = harness.adapter(HEDGE), harness.adapter(PERP)
        now = standin(harness).clock.now()
        upgraded = standin(harness).states[HEDGE].upgraded
        for wanted in (query(since=now - 40 * DAY), query(market(adapter, LINEAR), since=now - 40 * DAY)):
            told = await everything(adapter, operation, wanted)
            expected = await everything(same, operation, wanted)
            assert sorted((row.symbol, row.amount) for row in told) == sorted(
                (row.symbol, row.amount) for row in expected
            )
            assert told[0].timestamp < upgraded < told[-1].timestamp

    async def test_nobody_is_asked_about_a_time_in_which_the_account_was_unified(self, harness: SandboxHarness) -> None:
        for read in (harness.adapter(PERP).funding_history, harness.adapter(HEDGE).realized_pnl):
            await read(query())
        assert not {BEFORE_CLOSED, BEFORE_EXECUTIONS} & set(await harness.paths())

    async def test_what_cannot_be_told_of_the_time_before_is_named_and_the_rest_told(
        self, harness: SandboxHarness
    ) -> None:
        refusal = {"retCode": 10028, "retMsg": "No.", "result": {}, "time": 1}
        await harness.fault(BEFORE_EXECUTIONS, "status", times=99, body=refusal)
        since = standin(harness).clock.now() - 40 * DAY
        history = await harness.adapter(HEDGE).funding_history(query(since=since))
        assert {part.name for part in history.parts if part.unread} == {
            "linear before unified",
            "inverse before unified",
        }
        assert len(history.entries) > 100

    async def test_realized_profits_are_whole_linear_and_inverse(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        seeded = standin(harness).states[PERP].profits
        swaps = (await adapter.realized_pnl(query(since=0))).entries
        futures = (await adapter.realized_pnl(query(kind=FUTURE, since=0))).entries
        assert len(swaps) + len(futures) == len(seeded) > 3 * 100
        assert {row.symbol for row in futures} == {(await delivery(harness)).symbol}
        assert {row.code for row in swaps} == {"USDT", "USDC", "BTC"}
        assert {row.amount > 0 for row in swaps} == {True, False}
        assert len({row.id for row in swaps}) == len(swaps)
        of_one = (await adapter.realized_pnl(query(market(adapter, LINEAR), since=0))).entries
        assert of_one == tuple(row for row in swaps if row.symbol == LINEAR)

    async def test_more_pages_than_a_second_allows_come_one_second_later(self, harness: SandboxHarness) -> None:
        await harness.limit({LOG: 2})
        since = standin(harness).clock.now() - 6 * DAY
        with within(now() + PATIENCE_MS):
            entries = (await harness.adapter(PERP).funding_history(query(since=since))).entries
        answers = [entry["status"] for entry in await harness.requests() if entry["path"] == LOG]
        assert len(entries) > 2 * 50
        assert (len(answers) >= 3, set(answers)) == (True, {200})

    async def test_a_broken_page_is_asked_for_once_more(self, harness: SandboxHarness) -> None:
        await harness.fault(LOG, "html")
        assert len((await harness.adapter(PERP).funding_history(query(limit=5))).entries) == 5


async def everything(adapter: Any, operation: str, wanted: HistoryQuery) -> list[LedgerEntry]:
    """All that a question is answered with, from cursor to cursor."""
    found: list[LedgerEntry] = []
    while True:
        history = await getattr(adapter, operation)(wanted)
        found += history.entries
        assert [part for part in history.parts if part.unread] == []
        if history.next_cursor is None:
            return found
        wanted = replace(wanted, cursor=history.next_cursor)


class TestTheVenueAtItsWorst:
    async def test_a_limit_that_is_used_up_says_when_it_is_fresh_again(self, harness: SandboxHarness) -> None:
        await harness.limit({SET_LEVERAGE: 1})
        adapter = harness.adapter(PERP)
        await adapter.set_leverage(market(adapter, LINEAR), Decimal(5))
        with pytest.raises(Throttled) as caught:
            await adapter.set_leverage(market(adapter, LINEAR), Decimal(6))
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= 1_000 + ROLLING_MARGIN
        assert len(await harness.paths()) == 1

    async def test_an_address_that_sends_too_much_is_banned(self, harness: SandboxHarness) -> None:
        await harness.limit({"ip": 1})
        adapter = harness.adapter(PERP)
        with pytest.raises(Throttled) as caught:
            await adapter.terms(market(adapter, LINEAR))
        assert caught.value.retry_after == 600_000

    async def test_a_wrong_secret_is_refused_and_the_key_in_the_answer_is_not_told(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP, secret=harness.account(HEDGE).secret)
        with pytest.raises(AccessDenied, match="origin_string") as caught:
            await adapter.positions(SWAP)
        assert caught.value.venue_code == "10004"
        assert harness.account(PERP).reveal("api_key") not in f"{caught.value} {caught.value.raw}"
