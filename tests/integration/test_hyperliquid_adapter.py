"""The Hyperliquid adapter against the sandbox: every operation, both kinds of account, and the venue at its worst."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from schemas.requests import MarginMode
from tests.support.sandbox_harness import (
    BROKEN_ANSWERS,
    FUTURE,
    SWAP,
    TIMEOUT_MS,
    SandboxHarness,
    harness_fixtures,
    market,
    unguarded,
)
from worker.sandbox.hyperliquid.perps import LISTED, Perpetuals
from worker.sandbox.hyperliquid.venue import Hyperliquid
from worker.sandbox.kit.clock import DAY
from worker.venues.lifecycle.registry import VENUES
from worker.venues.limits import Limits
from worker.venues.port.adapter import Capability, History, HistoryQuery
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    ClockSkewed,
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

PERP, VAULT = "hyperliquid-perp-001", "hyperliquid-vault-001"
BTC, FLAT, SHORT, GOLD = "BTC/USDC:USDC", "ETH/USDC:USDC", "SOL/USDC:USDC", "XYZ-GOLD/USDC:USDC"
ON_MAIN, ON_XYZ = ({"type": "clearinghouseState", "dex": dex} for dex in ("", "xyz"))
PLENTY = 10**9


shared, harness = harness_fixtures("hyperliquid", {"api": PLENTY})


@pytest.fixture(autouse=True)
async def as_listed(harness: SandboxHarness) -> AsyncIterator[None]:
    """The venue knows what is listed at the start, whatever a test has had it load."""
    yield
    if stand_in(harness).listing is not LISTED:
        await harness.reset()
        await harness.venue.load()


def stand_in(harness: SandboxHarness) -> Hyperliquid:
    found = harness.sandbox.desks["hyperliquid"].venue
    assert isinstance(found, Hyperliquid)
    return found


async def relist(harness: SandboxHarness, listing: Perpetuals) -> None:
    stand_in(harness).relist(listing)
    await harness.venue.load()


async def question(harness: SandboxHarness, kind: str, **more: Any) -> Any:
    """What the stand-in answers to a question about the account."""
    base_url = harness.sandbox.base_urls["hyperliquid"]
    about = {"type": kind, "user": harness.account().account_address, **more}
    async with httpx.AsyncClient() as client:
        return (await client.post(f"{base_url}/info", json=about)).json()


async def asked(harness: SandboxHarness) -> list[str]:
    return [entry["params"]["type"] for entry in await harness.requests()]


class TestMarkets:
    @pytest.mark.parametrize("more", [0, 209])
    async def test_loading_asks_once_for_all_dexes_and_signs_nothing(self, harness: SandboxHarness, more: int) -> None:
        await relist(harness, LISTED.with_dexes(more))
        assert sorted(await asked(harness)) == ["allPerpMetas", "perpDexs", "spotMeta"]
        assert {entry["path"] for entry in await harness.requests()} == {"/info"}
        assert market(harness.adapter(), BTC).id == "BTC"

    async def test_two_hundred_dexes_load_within_the_limit_of_an_address(self, harness: SandboxHarness) -> None:
        await harness.limit({"api": 60})
        await relist(harness, LISTED.with_dexes(209))
        assert market(harness.adapter(), "D209-ONE/USDC:USDC").id == "d209:ONE"

    @pytest.mark.parametrize("kind", ["perpDexs", "spotMeta"])
    async def test_a_part_of_the_list_is_better_than_none_and_asked_for_again(
        self, harness: SandboxHarness, kind: str
    ) -> None:
        await harness.fault("/info", "status", params={"type": kind}, status=500, body=None)
        fresh = VENUES["hyperliquid"](harness.connections, harness.account().base_url, TIMEOUT_MS, "mainnet")
        wishes: list[str] = []
        await fresh.load(lambda: wishes.append("again"))
        assert wishes == ["again"]
        adapter = fresh.adapter(harness.account())
        assert market(adapter, BTC).id == "BTC"
        with pytest.raises(NotSupported, match="flx:OIL"):
            market(adapter, "flx:OIL")
        await fresh.load()
        assert market(fresh.adapter(harness.account()), "FLX-OIL/USDH:USDH").id == "flx:OIL"

    @pytest.mark.parametrize("kind", ["perpDexs", "spotMeta", "allPerpMetas"])
    async def test_what_was_loaded_is_not_given_up_for_a_part(self, harness: SandboxHarness, kind: str) -> None:
        await harness.fault("/info", "status", params={"type": kind}, status=500, body=None)
        with pytest.raises(Ambiguous):
            await harness.venue.load()
        assert market(harness.venue.adapter(harness.account()), "FLX-OIL/USDH:USDH").id == "flx:OIL"

    async def test_a_dex_of_which_nothing_is_told_moves_nobodys_number(self, harness: SandboxHarness) -> None:
        await relist(harness, LISTED.with_dexes(1).without("flx"))
        adapter = harness.adapter()
        await adapter.set_leverage(market(adapter, "D1-ONE/USDC:USDC"), Decimal(7))
        assert (await harness.requests("/exchange"))[0]["params"]["asset"] == "130000"
        assert (await adapter.terms(market(adapter, "D1-ONE/USDC:USDC"))).leverage == Decimal(7)

    @pytest.mark.parametrize(
        ("symbol", "coin", "settle"),
        [
            (BTC, "BTC", "USDC"),
            (GOLD, "xyz:GOLD", "USDC"),
            ("FLX-OIL/USDH:USDH", "flx:OIL", "USDH"),
            ("KPEPE/USDC:USDC", "kPEPE", "USDC"),
        ],
    )
    async def test_a_market_has_the_venues_coin_as_its_id(
        self, harness: SandboxHarness, symbol: str, coin: str, settle: str
    ) -> None:
        found = market(harness.adapter(), symbol)
        assert (found.id, found.settle, found.contract_size, found.inverse) == (coin, settle, Decimal(1), False)

    async def test_a_misspelt_symbol_gets_a_suggestion(self, harness: SandboxHarness) -> None:
        with pytest.raises(UnknownSymbol, match="did you mean BTC/USDC:USDC"):
            market(harness.adapter(), "BTC/USDT:USDT")

    async def test_there_are_no_futures_and_nobody_is_asked(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        query = HistoryQuery(None, FUTURE, 0, None)
        with pytest.raises(NotSupported):
            adapter.market(BTC, FUTURE)
        for refused in (adapter.positions(FUTURE), adapter.funding_history(query), adapter.realized_pnl(query)):
            with pytest.raises(NotSupported, match="perpetuals only"):
                await refused
        assert await harness.requests() == []

    async def test_a_venue_that_lists_no_markets_is_reported(self, harness: SandboxHarness) -> None:
        for fault in ({"fault": "html"}, {"fault": "status", "body": {}}, {"fault": "status", "body": [None]}):
            await harness.fault("/info", times=5, **fault)
            with pytest.raises(VenueError):
                await harness.venue.load()
            (await harness.control.delete("/faults")).raise_for_status()
        await harness.venue.load()
        assert market(harness.adapter(), BTC).id == "BTC"


class TestLeverage:
    @pytest.mark.parametrize("symbol", [BTC, FLAT, GOLD])
    async def test_the_venue_echoes_nothing_and_the_read_back_shows_it(
        self, harness: SandboxHarness, symbol: str
    ) -> None:
        adapter = harness.adapter()
        echo = await adapter.set_leverage(market(adapter, symbol), Decimal(12))
        assert (echo.leverage, echo.margin_mode, echo.accepted) == (None, None, False)
        assert echo.raw == {"status": "ok", "response": {"type": "default"}}
        assert (await adapter.terms(market(adapter, symbol))).leverage == Decimal(12)

    @pytest.mark.parametrize(
        ("symbol", "mode"),
        [
            (BTC, MarginMode.CROSS),
            (FLAT, MarginMode.CROSS),
            (SHORT, MarginMode.ISOLATED),
            ("CANTO/USDC:USDC", MarginMode.ISOLATED),
            ("XYZ-NVDA/USDC:USDC", MarginMode.ISOLATED),
        ],
    )
    async def test_it_leaves_the_margin_mode_alone(
        self, harness: SandboxHarness, symbol: str, mode: MarginMode
    ) -> None:
        adapter = harness.adapter()
        wanted = market(adapter, symbol)
        leverage = Decimal(3) if mode is MarginMode.ISOLATED and symbol != SHORT else Decimal(15)
        leverage = min(leverage, Decimal(10)) if symbol == "XYZ-NVDA/USDC:USDC" else leverage
        assert (await adapter.terms(wanted)).margin_mode is mode
        await adapter.set_leverage(wanted, leverage)
        terms = await adapter.terms(wanted)
        assert (terms.margin_mode, terms.leverage) == (mode, leverage)

    async def test_a_flat_market_that_was_switched_to_isolated_stays_so(self, harness: SandboxHarness) -> None:
        await harness.change(terms={"ETH": {"leverage": 20, "cross": False}})
        adapter = harness.adapter()
        await adapter.set_leverage(market(adapter, FLAT), Decimal(4))
        terms = await adapter.terms(market(adapter, FLAT))
        assert (terms.margin_mode, terms.leverage) == (MarginMode.ISOLATED, Decimal(4))

    @pytest.mark.parametrize(("symbol", "maximum"), [(BTC, 40), (FLAT, 25), (GOLD, 20), ("CANTO/USDC:USDC", 3)])
    async def test_more_than_the_market_allows_names_the_maximum(
        self, harness: SandboxHarness, symbol: str, maximum: int
    ) -> None:
        adapter = harness.adapter()
        await adapter.check_leverage(market(adapter, symbol), Decimal(maximum))
        assert await harness.requests() == []
        with pytest.raises(ValueRefused, match=f"takes 1x to {maximum}x, not 200x"):
            await adapter.check_leverage(market(adapter, symbol), Decimal(200))
        assert await asked(harness) == ["meta"]

    async def test_a_maximum_that_was_raised_at_the_venue_refuses_nothing(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        stand_in(harness).relist(LISTED.changed("ETH", max_leverage=50))
        await adapter.check_leverage(market(adapter, FLAT), Decimal(50))
        await adapter.set_leverage(market(adapter, FLAT), Decimal(50))
        assert (await adapter.terms(market(adapter, FLAT))).leverage == Decimal(50)

    @pytest.mark.parametrize("mode", ["noCross", "strictIsolated"])
    async def test_cross_is_not_asked_for_where_there_is_none(self, harness: SandboxHarness, mode: str) -> None:
        await relist(harness, LISTED.changed("ETH", margin_mode=mode))
        await harness.change(terms={"ETH": {"leverage": 20, "cross": True}})
        adapter = harness.adapter()
        await adapter.set_leverage(market(adapter, FLAT), Decimal(4))
        terms = await adapter.terms(market(adapter, FLAT))
        assert (terms.margin_mode, terms.leverage) == (MarginMode.ISOLATED, Decimal(4))

    async def test_a_market_that_is_no_longer_isolated_only_is_not_switched(self, harness: SandboxHarness) -> None:
        await relist(harness, LISTED.changed("ETH", margin_mode="noCross"))
        await harness.change(terms={"ETH": {"leverage": 20, "cross": True}})
        stand_in(harness).relist(LISTED.changed("ETH", max_leverage=24))
        adapter = harness.adapter()
        await adapter.set_leverage(market(adapter, FLAT), Decimal(4))
        terms = await adapter.terms(market(adapter, FLAT))
        assert (terms.margin_mode, terms.leverage) == (MarginMode.CROSS, Decimal(4))

    async def test_the_mode_of_an_open_position_is_sent_whatever_its_market_became(
        self, harness: SandboxHarness
    ) -> None:
        await relist(harness, LISTED.changed("BTC", margin_mode="noCross"))
        adapter = harness.adapter()
        with pytest.raises(ValueRefused, match="for isolated margin only"):
            await adapter.set_leverage(market(adapter, BTC), Decimal(12))
        assert [entry["params"]["isCross"] for entry in await harness.requests("/exchange")] == ["True"]

    async def test_what_the_venue_refuses_is_refused(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        with pytest.raises(ValueRefused) as caught:
            await adapter.set_leverage(market(adapter, BTC), Decimal(200))
        assert caught.value.venue_code == "Invalid leverage value"

    @pytest.mark.parametrize(("symbol", "leverage"), [(BTC, 2), (SHORT, 3)])
    async def test_a_lower_leverage_without_margin_is_a_precondition(
        self, harness: SandboxHarness, symbol: str, leverage: int
    ) -> None:
        adapter = harness.adapter()
        with pytest.raises(PreconditionFailed, match="reduce the position or add margin"):
            await adapter.set_leverage(market(adapter, symbol), Decimal(leverage))

    async def test_an_unreadable_margin_mode_means_that_nothing_is_sent(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        await harness.fault("/info", "html")
        with pytest.raises(NotSent, match="nothing was sent"):
            await adapter.set_leverage(market(adapter, BTC), Decimal(12))
        assert {entry["path"] for entry in await harness.requests()} == {"/info"}

    async def test_an_answer_for_another_coin_is_no_answer(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        state: dict[str, Any] = {"assetPositions": []}
        await harness.fault("/info", "status", body=state)
        await harness.fault("/info", "status", body={"coin": "BTC", "leverage": {"type": "cross", "value": 3}})
        with pytest.raises(Ambiguous, match="answered for BTC, not for ETH"):
            await adapter.terms(market(adapter, FLAT))

    @pytest.mark.parametrize("body", [{}, [], {"status": "unknown"}, {"response": {"type": "default"}}])
    async def test_a_success_of_another_shape_is_no_success(self, harness: SandboxHarness, body: Any) -> None:
        adapter = harness.adapter()
        await harness.fault("/exchange", "status", body=body)
        with pytest.raises(Ambiguous):
            await adapter.set_leverage(market(adapter, BTC), Decimal(12))


class TestMarginMode:
    async def test_it_is_unsupported_before_any_call(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        with pytest.raises(NotSupported):
            await adapter.set_margin_mode(market(adapter, FLAT), MarginMode.ISOLATED)
        assert await harness.requests() == []

    @pytest.mark.parametrize("account_id", [PERP, VAULT])
    async def test_it_is_not_declared(self, harness: SandboxHarness, account_id: str) -> None:
        declared = harness.adapter(account_id).capabilities
        assert declared == frozenset(Capability) - {Capability.MARGIN_MODE, Capability.PORTFOLIO_MARGIN}
        assert harness.adapter(account_id).portfolio_margin is None


class TestSymbolState:
    async def test_an_open_position_is_read_with_one_question(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        state = await adapter.symbol_state(market(adapter, BTC))
        assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(10), MarginMode.CROSS)
        assert (state.side, state.size, state.notional) == ("long", Decimal("0.05"), Decimal("4925.25"))
        assert state.unrealized_pnl == Decimal("25.25")
        assert await asked(harness) == ["clearinghouseState"]

    @pytest.mark.parametrize("symbol", [FLAT, "XYZ-NVDA/USDC:USDC", "FLX-OIL/USDH:USDH"])
    async def test_a_flat_market_has_terms_and_no_side(self, harness: SandboxHarness, symbol: str) -> None:
        adapter = harness.adapter()
        state = await adapter.symbol_state(market(adapter, symbol))
        assert (state.side, state.size, state.notional) == (None, Decimal(0), Decimal(0))
        assert state.terms.leverage > 0
        assert await asked(harness) == ["clearinghouseState", "activeAssetData"]


class TestPositions:
    async def test_all_dexes_are_read_and_named(self, harness: SandboxHarness) -> None:
        found = await harness.adapter().positions(SWAP)
        assert found.coverage == ("main", "xyz", "flx")
        assert {(row.symbol, row.side) for row in found.positions} == {
            (BTC, "long"),
            (SHORT, "short"),
            (GOLD, "long"),
        }

    async def test_the_fields_mean_what_is_documented(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        (position,) = (await adapter.positions(SWAP, market(adapter, BTC))).positions
        assert position.model_dump(mode="json") == {
            "symbol": BTC,
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
            "liquidation_price": 72911.4,
            "collateral": 492.52,
            "timestamp": None,
            "datetime": None,
            "exchange": "hyperliquid",
            "exchange_account_id": PERP,
        }

    async def test_an_isolated_position_holds_its_own_margin(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        (position,) = (await adapter.positions(None, market(adapter, SHORT))).positions
        assert (position.margin_mode, position.collateral) == (MarginMode.ISOLATED, Decimal("200.00"))

    @pytest.mark.parametrize(("symbol", "coverage"), [(BTC, "main"), (GOLD, "xyz"), ("FLX-OIL/USDH:USDH", "flx")])
    async def test_a_symbol_asks_its_own_dex_only(self, harness: SandboxHarness, symbol: str, coverage: str) -> None:
        adapter = harness.adapter()
        found = await adapter.positions(SWAP, market(adapter, symbol))
        assert found.coverage == (coverage,)
        assert {row.symbol for row in found.positions} <= {symbol}
        assert await asked(harness) == ["clearinghouseState"]

    async def test_a_position_in_another_collateral_is_counted_in_it(self, harness: SandboxHarness) -> None:
        position = {"coin": "flx:OIL", "size": "10", "entry_price": "60", "margin": "130"}
        await harness.change(positions=[position], balances={"flx": "200"})
        adapter = harness.adapter()
        (found,) = (await adapter.positions(SWAP, market(adapter, "FLX-OIL/USDH:USDH"))).positions
        assert (found.unrealized_pnl, found.collateral) == (Decimal("2.5"), Decimal("130.00"))

    async def test_a_hundred_positions_come_whole(self, harness: SandboxHarness) -> None:
        account = harness.sandbox.open_account("hyperliquid", id="hundred", open_positions=100)
        found = await harness.venue.adapter(account).positions()
        assert len({row.symbol for row in found.positions}) == 100

    async def test_a_position_in_a_market_that_is_not_loaded_is_not_left_out(self, harness: SandboxHarness) -> None:
        row = {"type": "oneWay", "position": {"coin": "NEW", "szi": "1.0"}}
        await harness.fault("/info", "status", params=ON_XYZ, body={"assetPositions": [row]})
        found = await harness.adapter().positions(SWAP)
        assert {row.symbol for row in found.positions} == {BTC, SHORT}
        unread = {part.name: part.unread for part in found.parts}
        assert (unread["main"], unread["flx"]) == (None, None)
        assert "NEW" in str(unread["xyz"])

    @pytest.mark.parametrize(
        "row", [None, {}, {"position": None}, {"position": {"coin": "BTC"}}, {"position": {"coin": "BTC", "szi": "?"}}]
    )
    async def test_a_position_that_cannot_be_read_is_left_out_alone_and_told(
        self, harness: SandboxHarness, row: Any
    ) -> None:
        adapter = harness.adapter()
        state = await question(harness, "clearinghouseState", dex="")
        state["assetPositions"].insert(0, row)
        await harness.fault("/info", "status", params=ON_MAIN, body=state)
        found = await adapter.positions(SWAP)
        assert {row.symbol for row in found.positions} == {BTC, SHORT, GOLD}
        assert found.coverage == ("xyz", "flx")

    @pytest.mark.parametrize(
        "fault", [{"fault": "html"}, {"fault": "status", "status": 500, "body": None}, {"fault": "status", "body": {}}]
    )
    async def test_one_dex_that_cannot_be_read_is_named_and_blinds_no_other(
        self, harness: SandboxHarness, fault: dict[str, Any]
    ) -> None:
        await harness.fault("/info", params=ON_XYZ, times=None, **fault)
        found = await harness.adapter().positions(SWAP)
        assert {row.symbol for row in found.positions} == {BTC, SHORT}
        assert found.coverage == ("main", "flx")
        assert [part.name for part in found.parts if part.unread] == ["xyz"]

    async def test_where_no_dex_can_be_read_that_is_the_answer(self, harness: SandboxHarness) -> None:
        await harness.fault("/info", "html", times=None)
        with pytest.raises(Ambiguous):
            await harness.adapter().positions(SWAP)

    async def test_two_hundred_dexes_are_asked_and_named(self, harness: SandboxHarness) -> None:
        await relist(harness, LISTED.with_dexes(209))
        await harness.change(positions=[{"coin": "d209:ONE", "size": "3"}], balances={"d209": "100"})
        await harness.control.delete("/requests")
        found = await harness.adapter().positions(SWAP)
        assert {row.symbol for row in found.positions} == {BTC, SHORT, GOLD, "D209-ONE/USDC:USDC"}
        assert len(found.coverage) == len(await asked(harness)) == 212

    async def test_a_dex_of_which_the_list_has_nothing_is_asked_all_the_same(self, harness: SandboxHarness) -> None:
        metas = [meta if place != 1 else None for place, meta in enumerate(await question(harness, "allPerpMetas"))]
        await harness.fault("/info", "status", params={"type": "allPerpMetas"}, body=metas)
        try:
            await harness.venue.load()
            found = await harness.adapter().positions(SWAP)
        finally:
            await harness.venue.load()
        assert {row.symbol for row in found.positions} == {BTC, SHORT}
        assert "xyz:GOLD" in str({part.name: part.unread for part in found.parts}["xyz"])

    async def test_a_position_in_what_is_delisted_is_told(self, harness: SandboxHarness) -> None:
        await relist(harness, LISTED.changed("BTC", delisted=True))
        assert BTC in {row.symbol for row in (await harness.adapter().positions(SWAP)).positions}


class TestVault:
    async def test_its_positions_are_read_and_not_those_of_its_leader(self, harness: SandboxHarness) -> None:
        found = await harness.adapter(VAULT).positions(SWAP)
        assert [(row.symbol, row.side) for row in found.positions] == [(BTC, "short"), (FLAT, "long")]
        as_leader = harness.account(VAULT).model_copy(update={"vault_address": None})
        own = await harness.venue.adapter(as_leader).positions(SWAP)
        assert [(row.symbol, row.side) for row in own.positions] == [(SHORT, "long")]

    async def test_its_leverage_is_set_and_not_that_of_its_leader(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter(VAULT)
        as_leader = harness.venue.adapter(harness.account(VAULT).model_copy(update={"vault_address": None}))
        for symbol in (BTC, FLAT, GOLD):
            await adapter.set_leverage(market(adapter, symbol), Decimal(17))
            assert (await adapter.terms(market(adapter, symbol))).leverage == Decimal(17)
            assert (await as_leader.terms(market(adapter, symbol))).leverage == Decimal(20)

    async def test_an_address_that_is_no_vault_is_refused(self, harness: SandboxHarness) -> None:
        account = harness.account(PERP)
        wrong = account.model_copy(update={"vault_address": account.account_address})
        adapter = unguarded(harness.venue.adapter(wrong))
        with pytest.raises(AccessDenied, match="must be a vault or a sub-account"):
            await adapter.set_leverage(market(adapter, FLAT), Decimal(3))


class TestSigning:
    async def test_nothing_but_changes_of_leverage_is_ever_signed(self, harness: SandboxHarness) -> None:
        await harness.venue.load()
        query = HistoryQuery(None, SWAP, None, 5)
        for account_id in (PERP, VAULT):
            adapter = harness.adapter(account_id)
            await adapter.positions()
            await adapter.symbol_state(market(adapter, FLAT))
            await adapter.set_leverage(market(adapter, BTC), Decimal(21))
            await adapter.funding_history(query)
            await adapter.realized_pnl(query)
        signed = [entry["params"]["type"] for entry in await harness.requests() if entry["path"] == "/exchange"]
        assert signed == ["updateLeverage", "updateLeverage"]
        known = {"approveBuilderFee", "setReferrer", "userAbstraction", "userSetAbstraction", "referral"}
        assert known.isdisjoint(await asked(harness))

    async def test_adapters_of_one_signer_never_collide(self, harness: SandboxHarness) -> None:
        adapters = [unguarded(harness.venue.adapter(harness.account(PERP))) for _ in range(4)]
        changes = [
            adapter.set_leverage(market(adapter, FLAT), Decimal(leverage))
            for adapter in adapters
            for leverage in range(2, 12)
        ]
        assert len(await asyncio.gather(*changes)) == 40
        nonces = [entry["params"]["nonce"] for entry in await harness.requests() if entry["path"] == "/exchange"]
        assert len(set(nonces)) == 40

    async def test_a_wallet_that_was_not_approved_is_refused(self, harness: SandboxHarness) -> None:
        stranger = harness.account(PERP).model_copy(update={"secret": SecretStr("0x" + "5a" * 32)})
        adapter = unguarded(harness.venue.adapter(stranger))
        with pytest.raises(AccessDenied, match="does not exist") as caught:
            await adapter.set_leverage(market(adapter, FLAT), Decimal(3))
        assert caught.value.venue_code == "User or API Wallet"

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"secret": SecretStr("no-key")}, "secret"),
            ({"account_address": "0x12"}, "account_address"),
            ({"vault_address": "vault"}, "vault_address"),
        ],
    )
    async def test_malformed_credentials_are_found_out_before_any_call(
        self, harness: SandboxHarness, change: dict[str, Any], named: str
    ) -> None:
        with pytest.raises(AccessDenied, match=f"the {named} of {PERP}") as caught:
            harness.venue.adapter(harness.account(PERP).model_copy(update=change))
        assert "no-key" not in str(caught.value)
        assert await harness.requests() == []


class TestHistory:
    @pytest.mark.parametrize("symbol", [None, BTC, GOLD])
    async def test_all_funding_comes_once_and_in_order(self, harness: SandboxHarness, symbol: str | None) -> None:
        adapter = harness.adapter()
        wanted = market(adapter, symbol) if symbol else None
        history = await adapter.funding_history(HistoryQuery(wanted, SWAP, 0, None))
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({entry.id for entry in history.entries}) == len(times) == 30 * 24 * (1 if symbol else 3)
        assert {entry.symbol for entry in history.entries} == ({symbol} if symbol else {BTC, SHORT, GOLD})
        assert {entry.code for entry in history.entries} == {"USDC"}
        assert history.complete_from == 0
        assert len(await asked(harness)) == 6

    async def test_payments_of_one_instant_over_a_page_border_are_neither_lost_nor_doubled(
        self, harness: SandboxHarness
    ) -> None:
        history = await harness.adapter().funding_history(HistoryQuery(None, SWAP, 0, None))
        by_time: dict[int, int] = {}
        for entry in history.entries:
            by_time[entry.timestamp] = by_time.get(entry.timestamp, 0) + 1
        assert set(by_time.values()) == {3}

    async def test_received_is_positive(self, harness: SandboxHarness) -> None:
        newest = (await harness.adapter().funding_history(HistoryQuery(None, SWAP, None, 3))).entries
        found = {entry.symbol: (entry.amount, entry.info["delta"]["usdc"]) for entry in newest}
        assert found[BTC] == (Decimal("-0.0615"), "-0.0615")
        assert found[SHORT] == (Decimal("0.0116"), "0.0116")

    @pytest.mark.parametrize("operation", ["funding_history", "realized_pnl"])
    async def test_from_since_on_the_first_entries_are_given(self, harness: SandboxHarness, operation: str) -> None:
        ask = getattr(harness.adapter(), operation)
        everything = (await ask(HistoryQuery(None, SWAP, 0, None))).entries
        since = everything[-700].timestamp
        some = await ask(HistoryQuery(None, SWAP, since, 50))
        assert [entry.id for entry in some.entries] == [e.id for e in everything if e.timestamp >= since][:50]
        assert some.complete_from == since

    @pytest.mark.parametrize("operation", ["funding_history", "realized_pnl"])
    async def test_without_since_the_newest_entries_are_given(self, harness: SandboxHarness, operation: str) -> None:
        harness.connections.limits = Limits(granted={"hyperliquid": {"weight": PLENTY}})
        ask = getattr(harness.adapter(), operation)
        everything = (await ask(HistoryQuery(None, SWAP, 0, None))).entries
        newest = await ask(HistoryQuery(None, SWAP, None, 1_000))
        instants = [entry.timestamp for entry in newest.entries]
        assert instants == [entry.timestamp for entry in everything[-1_000:]]
        assert {entry.id for entry in everything[-990:]} <= {entry.id for entry in newest.entries}
        assert instants[0] <= newest.complete_from <= instants[0] + 1

    async def test_without_since_and_limit_a_week_is_given(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        week = await adapter.funding_history(HistoryQuery(market(adapter, BTC), SWAP, None, None))
        assert len(week.entries) == 7 * 24
        assert abs(week.complete_from - (time.time_ns() // 1_000_000 - 7 * DAY)) < 60_000

    @pytest.mark.parametrize("symbol", [None, FLAT, GOLD])
    async def test_all_realized_profits_come_once_and_in_order(
        self, harness: SandboxHarness, symbol: str | None
    ) -> None:
        adapter = harness.adapter()
        wanted = market(adapter, symbol) if symbol else None
        history = await adapter.realized_pnl(HistoryQuery(wanted, SWAP, 0, None))
        times = [entry.timestamp for entry in history.entries]
        assert times == sorted(times)
        assert len({entry.id for entry in history.entries}) == len(times) == 6_600 // 2 // 5 * (1 if symbol else 3)
        assert {entry.symbol for entry in history.entries} == ({symbol} if symbol else {BTC, FLAT, GOLD})
        assert all(entry.amount for entry in history.entries)
        assert len(await asked(harness)) == 6

    async def test_realized_profits_have_their_sign(self, harness: SandboxHarness) -> None:
        newest = (await harness.adapter().realized_pnl(HistoryQuery(None, SWAP, None, 3))).entries
        assert {entry.symbol: entry.amount for entry in newest} == {
            BTC: Decimal("1.25"),
            FLAT: Decimal("-0.75"),
            GOLD: Decimal("0.35"),
        }

    @pytest.mark.parametrize("limit", [None, 10])
    async def test_fills_that_the_venue_has_forgotten_are_admitted(
        self, harness: SandboxHarness, limit: int | None
    ) -> None:
        adapter = harness.venue.adapter(harness.sandbox.open_account("hyperliquid", id=f"busy-{limit}", fills=12_000))
        history = await adapter.realized_pnl(HistoryQuery(None, SWAP, 1, limit))
        oldest = history.entries[0].timestamp
        assert 1 < history.complete_from <= oldest + 30 * 60_000

    async def test_the_newest_fills_are_complete_from_the_first_of_them_on(self, harness: SandboxHarness) -> None:
        adapter = harness.venue.adapter(harness.sandbox.open_account("hyperliquid", id="busy", fills=12_000))
        newest = await adapter.realized_pnl(HistoryQuery(None, SWAP, None, 10))
        assert 0 <= newest.complete_from - newest.entries[0].timestamp <= 1

    async def test_rows_that_share_a_trade_are_all_told(self, harness: SandboxHarness) -> None:
        closed = {"coin": "BTC", "direction": "Close Long", "closed_pnl": "1.5", "time": 1_790_000_000_000}
        twins = [closed | {"tid": 7, "oid": oid, "coin": coin} for oid in (1, 2) for coin in ("BTC", "ETH")]
        settled = [
            closed | {"direction": "Settlement", "closed_pnl": pnl, "oid": 3} for pnl in ("1", "2", "3", "3", "4")
        ]
        await harness.change(fills=[*twins, *settled])
        found = await harness.adapter().realized_pnl(HistoryQuery(None, SWAP, 0, None))
        assert len(found.entries) == 9
        assert sum(entry.amount for entry in found.entries) == Decimal(19)

    async def test_what_nobody_decided_on_is_told_and_what_is_no_perpetual_is_not(
        self, harness: SandboxHarness
    ) -> None:
        row = {"closed_pnl": "1.5", "time": 1_790_000_000_000}
        told = [{"coin": "BTC", "direction": "Unheard Of"}, {"coin": "ETH", "direction": "Liquidated Cross Long"}]
        dust = [{"coin": "@107", "direction": "Spot Dust Conversion"}, {"coin": "#10", "direction": "Settlement"}]
        await harness.change(fills=[row | fill for fill in [*told, *dust]])
        found = await harness.adapter().realized_pnl(HistoryQuery(None, SWAP, 0, None))
        assert {entry.symbol for entry in found.entries} == {BTC, FLAT}

    async def test_a_long_history_is_walked_from_cursor_to_cursor(self, harness: SandboxHarness) -> None:
        paid = {"coin": "BTC", "usdc": "0.5"}
        first = 1_790_000_000_000
        await harness.change(payments=[paid | {"time": first + number // 3} for number in range(2_600)])
        adapter = harness.adapter()
        cursor: str | None = None
        found: list[History] = []
        while cursor or not found:
            history = await adapter.funding_history(HistoryQuery(None, SWAP, 0, 700, cursor))
            found.append(history)
            cursor = history.next_cursor
        entries = [entry for history in found for entry in history.entries]
        assert len(entries) == 2_600
        assert [entry.timestamp for entry in entries] == sorted(entry.timestamp for entry in entries)
        assert found[0].complete_from == 0
        assert all(later.complete_from <= earlier.complete_to + 2 for earlier, later in pairwise(found))

    async def test_an_instant_with_more_than_a_page_is_passed_and_named(self, harness: SandboxHarness) -> None:
        paid = {"coin": "BTC", "usdc": "0.5"}
        await harness.change(payments=[*[paid | {"time": 1_790_000_000_000}] * 700, paid | {"time": 1_790_000_000_001}])
        found = await harness.adapter().funding_history(HistoryQuery(None, SWAP, 0, None))
        assert len(found.entries) == 501
        assert [part.name for part in found.parts if part.unread] == ["userFunding"]

    async def test_a_vault_has_a_history_of_its_own(self, harness: SandboxHarness) -> None:
        query = HistoryQuery(None, SWAP, 0, None)
        assert len((await harness.adapter(VAULT).realized_pnl(query)).entries) == 90

    @pytest.mark.parametrize("operation", ["funding_history", "realized_pnl"])
    async def test_a_broken_page_breaks_the_history(self, harness: SandboxHarness, operation: str) -> None:
        ask = getattr(harness.adapter(), operation)
        await harness.fault("/info", "html")
        with pytest.raises(Ambiguous):
            await ask(HistoryQuery(None, SWAP, 0, None))


NOT_ALLOWED = "Cross position does not have sufficient margin available to decrease leverage."


class TestTheVenueAtItsWorst:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            *BROKEN_ANSWERS,
            ({"fault": "status", "status": 500, "body": "null"}, Ambiguous),
            ({"fault": "status", "status": 429, "body": "null", "retry_after": 3}, Throttled),
            ({"fault": "status", "status": 422, "body": "Failed to deserialize the JSON body"}, Refused),
            ({"fault": "status", "status": 403, "body": "<html>"}, AccessDenied),
            ({"fault": "status", "status": 418, "body": "<html>"}, Unlisted),
            ({"fault": "status", "body": {"status": "err", "response": NOT_ALLOWED}}, PreconditionFailed),
            ({"fault": "status", "body": {"status": "err", "response": "Nobody knows."}}, Unlisted),
        ],
        ids=str,
    )  # fmt: skip
    async def test_each_misbehaviour_is_told_apart(
        self, harness: SandboxHarness, fault: dict[str, Any], error: type[VenueError]
    ) -> None:
        adapter = harness.adapter()
        await harness.fault("/exchange", **fault)
        with pytest.raises(error) as caught:
            await adapter.set_leverage(market(adapter, BTC), Decimal(15))
        assert type(caught.value) is error
        key = harness.account().reveal("secret")
        told = f"{caught.value!r} {vars(caught.value)}"
        for secret in (key, key.removeprefix("0x"), "http://", "signature"):
            assert secret not in told
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_after == 3_000

    async def test_what_was_applied_before_the_connection_broke_can_be_read_back(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        await harness.fault("/exchange", "reset", apply=True)
        with pytest.raises(Ambiguous):
            await adapter.set_leverage(market(adapter, BTC), Decimal(15))
        assert (await adapter.terms(market(adapter, BTC))).leverage == Decimal(15)

    @pytest.mark.parametrize("days", [3, -3])
    async def test_a_clock_that_differs_is_set_and_the_action_sent_again_with_a_new_nonce(
        self, harness: SandboxHarness, days: int
    ) -> None:
        await harness.control.put("/clock", json={"offset_ms": days * DAY})
        adapter = harness.adapter()
        await adapter.set_leverage(market(adapter, BTC), Decimal(15))
        assert (await adapter.terms(market(adapter, BTC))).leverage == Decimal(15)
        entries = await harness.requests()
        sent = [entry["params"]["nonce"] for entry in entries if entry["path"] == "/exchange"]
        assert len(sent) == 2
        assert abs(int(sent[1]) - int(sent[0])) > 2 * DAY

    async def test_a_nonce_that_another_process_has_used_is_replaced(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        await harness.fault(
            "/exchange", "status", body={"status": "err", "response": "Invalid nonce: duplicate nonce 7"}
        )
        await adapter.set_leverage(market(adapter, BTC), Decimal(15))
        assert (await adapter.terms(market(adapter, BTC))).leverage == Decimal(15)

    async def test_a_clock_that_cannot_be_set_is_a_refusal(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        refusal = {"status": "err", "response": "Invalid nonce: duplicate nonce 7"}
        await harness.fault("/exchange", "status", body=refusal, times=2)
        with pytest.raises(ClockSkewed, match="another process"):
            await adapter.set_leverage(market(adapter, BTC), Decimal(15))

    async def test_an_address_without_actions_left_is_throttled(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        await harness.change(actions=10_000)
        await adapter.set_leverage(market(adapter, BTC), Decimal(15))
        with pytest.raises(Throttled, match="one every ten seconds") as caught:
            await adapter.set_leverage(market(adapter, BTC), Decimal(16))
        assert caught.value.retry_after == 10_000

    async def test_a_used_up_weight_is_throttled(self, harness: SandboxHarness) -> None:
        harness.sandbox.desks["hyperliquid"].venue.set_limits({"api": 1})
        with pytest.raises(Throttled) as caught:
            await harness.adapter().positions(SWAP)
        assert caught.value.retry_after
        assert 0 < caught.value.retry_after <= 60_000

    async def test_a_cancelled_call_stays_cancelled(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        await harness.fault("/exchange", "delay", delay_ms=TIMEOUT_MS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await adapter.set_leverage(market(adapter, BTC), Decimal(15))

    async def test_no_log_line_tells_the_key(self, harness: SandboxHarness, caplog: pytest.LogCaptureFixture) -> None:
        adapter = harness.adapter()
        with caplog.at_level("DEBUG"):
            await adapter.set_leverage(market(adapter, BTC), Decimal(15))
        assert harness.account().reveal("secret").removeprefix("0x") not in caplog.text
