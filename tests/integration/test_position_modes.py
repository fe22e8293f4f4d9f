"""Position modes, where a venue differs from the others: two of one account, one of each market, one of a currency."""

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count

import pytest

from schemas.outcomes import Scope
from schemas.requests import MarginMode, MarketType, PositionMode
from tests.support.sandbox_harness import OpenAdapter, SandboxHarness, market, sandbox_harness
from worker.venues.port.adapter import ModeAddress
from worker.venues.port.errors import (
    AlreadySo,
    Ambiguous,
    NotSupported,
    PreconditionFailed,
    UnknownSymbol,
    ValueRefused,
)

ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE
UM, CM = "/papi/v1/um/positionSide/dual", "/papi/v1/cm/positionSide/dual"
SWITCH, SET_LEVERAGE = "/v5/position/switch-mode", "/api/v5/account/set-leverage"
WHOLE, USDT = ModeAddress(), ModeAddress(settle="USDT")
NUMBERS = count()


@pytest.fixture(scope="module")
async def binance() -> AsyncIterator[SandboxHarness]:
    async with sandbox_harness("binance") as running:
        yield running


@pytest.fixture(scope="module")
async def bybit() -> AsyncIterator[SandboxHarness]:
    async with sandbox_harness("bybit") as running:
        yield running


@pytest.fixture(scope="module")
async def gate() -> AsyncIterator[SandboxHarness]:
    async with sandbox_harness("gate") as running:
        yield running


@pytest.fixture(scope="module")
async def okx() -> AsyncIterator[SandboxHarness]:
    async with sandbox_harness("okx") as running:
        yield running


async def flat(harness: SandboxHarness, **opened: object) -> OpenAdapter:
    await harness.reset()
    account = harness.sandbox.open_account(harness.exchange, id=f"flat-{next(NUMBERS)}", open_positions=0, **opened)
    return harness.adapter(account.id)


async def changes(harness: SandboxHarness) -> list[str]:
    return [entry["path"] for entry in await harness.requests() if entry["method"] == "POST"]


class TestPortfolioMargin:
    async def test_both_kinds_of_markets_are_told(self, binance: SandboxHarness) -> None:
        adapter = await flat(binance, portfolio_margin=True)
        parts = (await adapter.position_modes(WHOLE)).parts
        assert [(part.part, part.scope) for part in parts] == [
            ("linear", Scope.ACCOUNT),
            ("inverse", Scope.ACCOUNT),
        ]

    async def test_where_one_kind_is_so_already_only_the_other_is_switched(self, binance: SandboxHarness) -> None:
        adapter = await flat(binance, portfolio_margin=True)
        await binance.fault(UM, "status", method="GET", body={"dualSidePosition": True})
        await adapter.set_position_mode(WHOLE, HEDGE)
        assert await changes(binance) == [CM]

    async def test_a_refusal_of_the_second_kind_says_that_the_first_one_is_switched(
        self, binance: SandboxHarness
    ) -> None:
        adapter = await flat(binance, portfolio_margin=True)
        await binance.fault(CM, "status", method="POST", status=400, code=-4067, msg="open orders")
        with pytest.raises(PreconditionFailed, match="linear markets are in hedge mode now, but the inverse") as caught:
            await adapter.set_position_mode(WHOLE, HEDGE)
        assert (caught.value.details["done"], caught.value.details["refused"]) == (["linear"], ["inverse"])
        assert caught.value.venue_code == "-4067"

    async def test_a_second_kind_that_never_left_leaves_a_doubt(self, binance: SandboxHarness) -> None:
        adapter = await flat(binance, portfolio_margin=True)
        await binance.fault(CM, "status", method="POST", status=502)
        with pytest.raises(Ambiguous):
            await adapter.set_position_mode(WHOLE, HEDGE)


async def test_usds_and_coin_margined_markets_of_a_standard_account_have_one_mode(binance: SandboxHarness) -> None:
    adapter = await flat(binance)
    await adapter.set_position_mode(WHOLE, HEDGE)
    inverse = ModeAddress(market(adapter, "BTC/USD:BTC"))
    assert (await adapter.position_modes(inverse)).all_in(HEDGE)
    with pytest.raises(AlreadySo):
        await adapter.set_position_mode(inverse, HEDGE)
    assert await changes(binance) == ["/fapi/v1/positionSide/dual"]


class TestBybit:
    async def test_one_market_is_switched_and_no_other(self, bybit: SandboxHarness) -> None:
        adapter = await flat(bybit)
        eth, btc = (ModeAddress(market(adapter, f"{base}/USDT:USDT")) for base in ("ETH", "BTC"))
        await adapter.set_position_mode(eth, HEDGE)
        assert (await adapter.position_modes(eth)).mode is HEDGE
        assert (await adapter.position_modes(btc)).mode is ONE_WAY

    @pytest.mark.parametrize("symbol", ["BTC/USDC:USDC", "BTC/USD:BTC"])
    async def test_what_has_no_hedge_mode_is_not_asked_to(self, bybit: SandboxHarness, symbol: str) -> None:
        adapter = await flat(bybit)
        address = ModeAddress(market(adapter, symbol))
        with pytest.raises(NotSupported, match="hedge mode for perpetuals in USDT only"):
            await adapter.set_position_mode(address, HEDGE)
        with pytest.raises(AlreadySo):
            await adapter.set_position_mode(address, ONE_WAY)
        assert await changes(bybit) == []

    async def test_of_an_inverse_future_the_venue_decides(self, bybit: SandboxHarness) -> None:
        adapter = await flat(bybit)
        with pytest.raises(UnknownSymbol) as caught:
            market(adapter, "BTCUSDH99", MarketType.FUTURE)
        future = market(adapter, caught.value.details["suggestion"], MarketType.FUTURE)
        with pytest.raises(NotSupported) as refused:
            await adapter.set_position_mode(ModeAddress(future), HEDGE)
        assert (refused.value.venue_code, future.inverse) == ("110029", True)

    async def test_a_coin_that_is_so_already_is_unchanged_for_the_whole_coin(self, bybit: SandboxHarness) -> None:
        adapter = await flat(bybit)
        with pytest.raises(AlreadySo) as caught:
            await adapter.set_position_mode(USDT, ONE_WAY)
        assert (caught.value.scope, caught.value.venue_code) == (Scope.SETTLE, "110025")

    async def test_what_is_open_in_the_wanted_mode_already_is_no_hindrance(self, bybit: SandboxHarness) -> None:
        await bybit.reset()
        adapter = bybit.adapter("bybit-hedge-001")
        with pytest.raises(AlreadySo):
            await adapter.set_position_mode(USDT, HEDGE)
        assert await changes(bybit) == [SWITCH]

    async def test_a_switch_of_a_coin_says_how_far_it_could_be_read_back(self, bybit: SandboxHarness) -> None:
        adapter = await flat(bybit)
        echo = await adapter.set_position_mode(USDT, HEDGE)
        assert (echo.scope, "BTCUSDT was read back" in (echo.note or "")) == (Scope.SETTLE, True)

    async def test_a_coin_that_nothing_settles_in_is_refused(self, bybit: SandboxHarness) -> None:
        adapter = await flat(bybit)
        with pytest.raises(ValueRefused, match="no linear markets that settle in FOO, only in USDC, USDT"):
            await adapter.set_position_mode(ModeAddress(settle="FOO"), HEDGE)
        assert (await adapter.position_modes(ModeAddress(settle="USDC"))).mode is ONE_WAY
        assert await bybit.requests() == []


class TestGate:
    async def test_a_currency_into_which_nothing_was_paid_has_no_mode(self, gate: SandboxHarness) -> None:
        adapter = await flat(gate)
        assert [part.part for part in (await adapter.position_modes(WHOLE)).parts] == ["USDT"]

    async def test_the_modes_of_currencies_may_differ(self, gate: SandboxHarness) -> None:
        await gate.reset()
        await gate.change("gate-perp-001", positions=[{"contract": "BTC_USD", "size": "0"}])
        adapter = gate.adapter("gate-perp-001")
        await adapter.set_position_mode(ModeAddress(settle="BTC"), HEDGE)
        read = await adapter.position_modes(WHOLE)
        assert {part.part: part.position_mode for part in read.parts} == {"USDT": ONE_WAY, "BTC": HEDGE}
        assert read.mode is None

    async def test_deliveries_and_unknown_currencies_are_refused_before_any_call(self, gate: SandboxHarness) -> None:
        adapter = await flat(gate)
        with pytest.raises(ValueRefused, match="no perpetuals that settle in FOO, only in USDT, BTC, USD1"):
            await adapter.position_modes(ModeAddress(settle="FOO"))
        assert await gate.requests() == []


class TestOkx:
    async def test_a_portfolio_margin_account_has_no_hedge_mode(self, okx: SandboxHarness) -> None:
        await okx.reset()
        adapter = okx.adapter("okx-portfolio-001")
        with pytest.raises(NotSupported, match="no hedge mode"):
            await adapter.set_position_mode(WHOLE, HEDGE)
        assert await changes(okx) == []

    async def test_a_leverage_after_a_switch_is_set_by_side(self, okx: SandboxHarness) -> None:
        """What the account's configuration was before the switch is not kept for half a minute."""
        adapter = await flat(okx)
        eth = market(adapter, "ETH/USDT:USDT")
        await adapter.set_leverage(eth, Decimal(7))
        await adapter.set_position_mode(WHOLE, HEDGE)
        await adapter.set_margin_mode(eth, MarginMode.ISOLATED)
        assert await changes(okx) == [SET_LEVERAGE, "/api/v5/account/set-position-mode", SET_LEVERAGE, SET_LEVERAGE]
