"""The OKX adapter against the sandbox: every operation, every kind of account, and the venue at its worst."""

import asyncio
import time
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import (
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
from worker.venues.port.adapter import History, HistoryQuery, Market
from worker.venues.port.errors import (
    AlreadySo,
    Ambiguous,
    NotSent,
    NotSupported,
    PreconditionFailed,
    Refused,
    UnknownSymbol,
    ValueRefused,
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

    async def test_a_maximum_raised_at_the_venue_is_taken_at_once(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        row = {"instId": "SOL-USDT-SWAP", "instType": "SWAP", "lever": "75"}
        await harness.fault(INSTRUMENTS, "status", body={"code": "0", "data": [row], "msg": ""}, times=2)
        await adapter.check_leverage(market(adapter, SOL), Decimal(75))
        with pytest.raises(ValueRefused, match="takes 1x to 75x, not 76x"):
            await adapter.check_leverage(market(adapter, SOL), Decimal(76))

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

    async def test_a_flat_market_whose_other_leverage_is_the_same_has_nothing_to_change(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)
        with pytest.raises(AlreadySo, match="its isolated leverage is 5x already"):
            await adapter.set_margin_mode(market(adapter, FLAT), ISOLATED)

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
    async def test_one_symbol_is_asked_for_and_given_alone(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        history = await adapter.funding_history(query(market(adapter, LINEAR), since=0))
        assert {entry.symbol for entry in history.entries} == {LINEAR}
        assert len(history.entries) == 89
        assert {entry["params"]["instId"] for entry in await harness.requests(ARCHIVE)} == {"BTC-USDT-SWAP"}

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


class TestMarkets:
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


class TestIsolatedMargin:
    async def test_what_was_moved_stands_in_the_bills(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        sol, began = market(adapter, "SOL/USDT:USDT"), now() - 1_000
        assert await adapter.margin_movements(sol, began) == ()
        held = await adapter.isolated_margin(sol, None)
        for amount in (Decimal("10.5"), Decimal("-2.25")):
            await adapter.move_margin(sol, held, amount)
        moves = await adapter.margin_movements(sol, began)
        assert {(move.side, move.amount) for move in moves or ()} == {(None, Decimal("10.5")), (None, Decimal("-2.25"))}
        assert await adapter.margin_movements(market(adapter, LINEAR), began) == ()
        assert await adapter.margin_movements(sol, now() + 3_600_000) == ()

    async def test_other_bills_and_margin_that_okx_added_by_itself_are_no_moves(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(PERP)
        sol = market(adapter, "SOL/USDT:USDT")
        row = {"type": "6", "subType": "162", "instId": sol.id, "posBalChg": "5", "ts": str(now())}
        others = [row, row | {"subType": "161", "posBalChg": "-5"}, row | {"subType": "160", "instId": "BTC-USDT-SWAP"}]
        await harness.fault(
            "/api/v5/account/bills", "status", body={"code": "0", "data": others, "msg": ""}, status=200
        )
        moves = await adapter.margin_movements(sol, 0)
        assert moves is not None
        assert [move.amount for move in moves] == [Decimal(-5)]
