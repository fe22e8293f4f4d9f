"""The figures of positions are those that Binance's formulas give."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.sandbox.binance import brackets
from worker.sandbox.binance.account import (
    BinanceAccountState,
    BinanceOpenPosition,
    BinancePositionSide,
    BinanceTerms,
    MarginType,
)
from worker.sandbox.binance.brackets import bracket_of, cap_at, highest_leverage
from worker.sandbox.binance.contracts import BinanceContract, deliveries, listed
from worker.sandbox.binance.figures import fixed, money, plain, quantity, some
from worker.sandbox.binance.formulas import PositionLeg, liquidation_price
from worker.sandbox.binance.risk import AccountRisk, PositionRisk

NOVEMBER_2026 = 1_795_000_000_000
CONTRACTS = listed(NOVEMBER_2026)
LINEAR, INVERSE = CONTRACTS["BTCUSDT"], CONTRACTS["BTCUSD_PERP"]
LADDERS = (brackets.BTC, brackets.ETH, brackets.ALTCOIN, brackets.DELIVERY, brackets.COIN_BTC, brackets.COIN_ETH)


def long(contract: BinanceContract, amount: str, entry: str) -> BinanceOpenPosition:
    return BinanceOpenPosition(contract, BinancePositionSide.BOTH, Decimal(amount), Decimal(entry), update_time=1)


def risk_of(
    account: BinanceAccountState, contract: BinanceContract, side: BinancePositionSide = BinancePositionSide.BOTH
) -> PositionRisk:
    [row] = AccountRisk(account).rows(contract, (side,))
    return row


def test_the_documented_example_comes_out_of_the_formulas() -> None:
    account = BinanceAccountState(
        "one", um_wallet={"USDT": Decimal("507.64")}, terms={"BTCUSDT": BinanceTerms(leverage=10)}
    )
    account.hold(long(LINEAR, "0.05", "98000"))
    row = risk_of(account, LINEAR)
    assert (row.notional, row.unrealized_profit) == (Decimal("4925.25"), Decimal("25.25"))
    assert (row.initial_margin, row.maintenance_margin) == (Decimal("492.525"), Decimal("19.701"))
    assert row.liquidation_price == 88200


def test_a_short_earns_when_the_price_falls() -> None:
    leg = PositionLeg(replace(LINEAR, mark_price=Decimal(90_000)), Decimal("-0.5"), Decimal(98_000))
    assert (leg.notional, leg.unrealized_profit) == (Decimal(-45_000), Decimal(4_000))


def test_an_inverse_contract_earns_coins() -> None:
    leg = PositionLeg(replace(INVERSE, mark_price=Decimal(50_000)), Decimal(100), Decimal(40_000))
    assert (leg.notional, leg.unrealized_profit) == (Decimal("0.2"), Decimal("0.05"))


@given(
    amount=st.decimals("-5", "5", places=3).filter(bool),
    entry=st.decimals("50000", "150000", places=2),
    balance=st.decimals("10", "10000", places=2),
)
def test_at_the_linear_liquidation_price_the_balance_equals_the_maintenance_margin(
    amount: Decimal, entry: Decimal, balance: Decimal
) -> None:
    leg = PositionLeg(LINEAR, amount, entry)
    if price := liquidation_price([leg], balance):
        maintenance = abs(amount) * price * leg.bracket.ratio - leg.bracket.cum
        assert abs(balance + amount * (price - entry) - maintenance) < Decimal("1e-12")


@given(
    amount=st.integers(-5_000, 5_000).filter(bool),
    entry=st.decimals("50000", "150000", places=1),
    balance=st.decimals("0.001", "2", places=4),
)
def test_at_the_inverse_liquidation_price_the_balance_equals_the_maintenance_margin(
    amount: int, entry: Decimal, balance: Decimal
) -> None:
    leg = PositionLeg(INVERSE, Decimal(amount), entry)
    if price := liquidation_price([leg], balance):
        usd = amount * INVERSE.size
        maintenance = abs(usd) / price * leg.bracket.ratio - leg.bracket.cum
        assert abs(balance + usd * (1 / entry - 1 / price) - maintenance) < Decimal("1e-12")


def test_a_position_that_no_price_can_liquidate_has_none() -> None:
    assert liquidation_price([PositionLeg(LINEAR, Decimal("0.05"), Decimal(98_000))], Decimal(1_000_000)) == 0


def test_cross_positions_of_one_asset_share_its_wallet_and_an_isolated_one_keeps_its_own() -> None:
    account = BinanceAccountState("one", um_wallet={"USDT": Decimal(1_000)})
    account.hold(long(LINEAR, "0.05", "98000"))
    alone = risk_of(account, LINEAR).liquidation_price
    account.hold(long(CONTRACTS["ETHUSDT"], "2", "3300"))
    shared = risk_of(account, LINEAR).liquidation_price
    account.terms["ETHUSDT"] = BinanceTerms(margin_type=MarginType.ISOLATED)
    account.positions["ETHUSDT"][BinancePositionSide.BOTH].isolated_wallet = Decimal(300)
    isolated = risk_of(account, LINEAR).liquidation_price
    loss, maintenance_margin, per_dollar = 200, 32, Decimal("0.0498")
    assert round((shared - alone) * per_dollar, 12) == loss + maintenance_margin
    assert round((isolated - alone) * per_dollar, 12) == 300
    assert risk_of(account, CONTRACTS["ETHUSDT"]).isolated_margin == 300 - loss


def test_legs_of_a_hedged_contract_are_liquidated_together() -> None:
    account = BinanceAccountState("one", dual_side=True, um_wallet={"USDT": Decimal(5_000)})
    for side, amount in ((BinancePositionSide.LONG, "0.1"), (BinancePositionSide.SHORT, "-0.04")):
        account.hold(BinanceOpenPosition(LINEAR, side, Decimal(amount), Decimal(98_000), update_time=1))
    rows = AccountRisk(account).rows(LINEAR, (BinancePositionSide.LONG, BinancePositionSide.SHORT))
    assert rows[0].liquidation_price == rows[1].liquidation_price > 0


@pytest.mark.parametrize("ladder", LADDERS)
def test_the_maintenance_margin_is_continuous_where_brackets_meet(ladder: tuple[brackets.Bracket, ...]) -> None:
    for lower, upper in pairwise(ladder):
        assert lower.cap == upper.floor
        assert lower.cap * lower.ratio - lower.cum == upper.floor * upper.ratio - upper.cum


def test_less_leverage_allows_larger_positions() -> None:
    assert highest_leverage(brackets.BTC) == 125
    assert [cap_at(brackets.BTC, leverage) for leverage in (125, 10, 1)] == [300_000, 230_000_000, 1_800_000_000]
    assert bracket_of(brackets.BTC, Decimal(300_000)).bracket == 2
    assert bracket_of(brackets.BTC, Decimal(10**12)).bracket == 12


def test_figures_are_written_as_the_venue_writes_them() -> None:
    assert fixed(Decimal("25.25")) == "25.25000000"
    assert [plain(Decimal(value)) for value in ("98000.00", "0", "2492.15625", "1E+4")] == [
        "98000",
        "0",
        "2492.15625",
        "10000",
    ]
    assert [some(Decimal(value)) for value in ("0.00", "1")] == ["0", "1.00000000"]
    assert [money(Decimal(value)) for value in ("10000", "0.005", "0.6", "0.00")] == ["10000.00", "0.005", "0.60", "0"]
    assert [quantity(Decimal("0.05"), 3), quantity(Decimal(100), 0)] == ["0.050", "100"]


@pytest.mark.parametrize(
    ("now", "suffixes"),
    [
        (NOVEMBER_2026, ["261225", "270326"]),
        (1_735_257_599_999, ["241227", "250328"]),  # 2024-12-26 23:59:59.999
        (1_735_286_400_000, ["250328", "250627"]),  # 2024-12-27 08:00, the very moment of delivery
    ],
)
def test_deliveries_fall_on_the_last_friday_of_the_quarter(now: int, suffixes: list[str]) -> None:
    assert [delivery.suffix for delivery in deliveries(now)] == suffixes
