"""The Hyperliquid adapter against the sandbox: every operation, both kinds of account, and the venue at its worst."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from schemas.requests import MarginMode
from tests.support.sandbox_harness import (
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
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Throttled,
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
    async def test_a_flat_market_that_was_switched_to_isolated_stays_so(self, harness: SandboxHarness) -> None:
        await harness.change(terms={"ETH": {"leverage": 20, "cross": False}})
        adapter = harness.adapter()
        await adapter.set_leverage(market(adapter, FLAT), Decimal(4))
        terms = await adapter.terms(market(adapter, FLAT))
        assert (terms.margin_mode, terms.leverage) == (MarginMode.ISOLATED, Decimal(4))

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

    @pytest.mark.parametrize(("symbol", "leverage"), [(BTC, 2), (SHORT, 3)])
    async def test_a_lower_leverage_without_margin_is_a_precondition(
        self, harness: SandboxHarness, symbol: str, leverage: int
    ) -> None:
        adapter = harness.adapter()
        with pytest.raises(PreconditionFailed, match="reduce the position or add margin"):
            await adapter.set_leverage(market(adapter, symbol), Decimal(leverage))

    async def test_an_answer_for_another_coin_is_no_answer(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        state: dict[str, Any] = {"assetPositions": []}
        await harness.fault("/info", "status", body=state)
        await harness.fault("/info", "status", body={"coin": "BTC", "leverage": {"type": "cross", "value": 3}})
        with pytest.raises(Ambiguous, match="answered for BTC, not for ETH"):
            await adapter.terms(market(adapter, FLAT))


class TestSymbolState:
    async def test_an_open_position_is_read_with_one_question(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        state = await adapter.symbol_state(market(adapter, BTC))
        assert (state.terms.leverage, state.size) == (Decimal(10), Decimal("0.05"))
        assert await asked(harness) == ["clearinghouseState"]

    async def test_a_flat_market_is_read_with_two_questions(self, harness: SandboxHarness) -> None:
        adapter = harness.adapter()
        assert (await adapter.symbol_state(market(adapter, FLAT))).terms.leverage > 0
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

    async def test_a_position_in_another_collateral_is_counted_in_it(self, harness: SandboxHarness) -> None:
        position = {"coin": "flx:OIL", "size": "10", "entry_price": "60", "margin": "130"}
        await harness.change(positions=[position], balances={"flx": "200"})
        adapter = harness.adapter()
        (found,) = (await adapter.positions(SWAP, market(adapter, "FLX-OIL/USDH:USDH"))).positions
        assert (found.unrealized_pnl, found.collateral) == (Decimal("2.5"), Decimal("130.00"))

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
    @pytest.mark.parametrize("symbol", [None, GOLD])
    @pytest.mark.parametrize("operation", ["funding_history", "realized_pnl"])
    async def test_everything_costs_six_questions(
        self, harness: SandboxHarness, operation: str, symbol: str | None
    ) -> None:
        adapter = harness.adapter()
        wanted = market(adapter, symbol) if symbol else None
        history = await getattr(adapter, operation)(HistoryQuery(wanted, SWAP, 0, None))
        assert (history.complete_from, history.next_cursor) == (0, None)
        assert len(await asked(harness)) == 6

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


NOT_ALLOWED = "Cross position does not have sufficient margin available to decrease leverage."


class TestTheVenueAtItsWorst:
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
