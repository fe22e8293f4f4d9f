"""What is made of Bybit's position rows and of its account info."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from worker.venues.bybit.account import AccountInfo, info_of
from worker.venues.bybit.positions import position_of, side_of, state_of, terms_of
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous

LINEAR = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
INVERSE = Market("BTC/USD:BTC", "BTCUSD", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(1))
ROW: dict[str, Any] = {
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
    "positionBalance": "0",
    "liqPrice": "",
    "updatedTime": "1706745600000",
}


def info(mode: str = "REGULAR_MARGIN", status: int = 5) -> AccountInfo:
    return info_of({"marginMode": mode, "unifiedMarginStatus": status})


def test_a_linear_position_in_the_documented_units() -> None:
    position = position_of(ROW, LINEAR, info(), "bybit-perp-001")
    assert position.model_dump(mode="json") == {
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "contracts": 0.05,
        "contract_size": 1,
        "entry_price": 98000,
        "mark_price": 98505,
        "notional": 4925.25,
        "leverage": 10,
        "unrealized_pnl": 25.25,
        "percentage": 0.51,
        "margin_mode": "cross",
        "liquidation_price": None,
        "collateral": 492.52,
        "timestamp": 1706745600000,
        "datetime": "2024-02-01T00:00:00Z",
        "exchange": "bybit",
        "exchange_account_id": "bybit-perp-001",
    }


def test_an_inverse_position_counts_usd_and_earns_coins() -> None:
    row = ROW | {"side": "Sell", "size": "2000", "unrealisedPnl": "0.00010255", "positionIM": "0.0020304568"}
    position = position_of(row, INVERSE, info(), "x")
    assert (position.side, position.contracts, position.notional) == ("short", Decimal(2000), Decimal(2000))
    assert position.percentage == Decimal("0.51")
    assert position.collateral == Decimal("0.00203046")


def test_the_value_is_the_present_one_and_not_the_one_at_entry() -> None:
    assert position_of(ROW | {"positionValue": "4900"}, LINEAR, info(), "x").notional == Decimal("4925.25")


def test_a_classic_isolated_position_holds_its_balance_and_its_profit() -> None:
    row = ROW | {"tradeMode": 1, "positionBalance": "490", "liqPrice": "88690"}
    position = position_of(row, LINEAR, info(status=1), "x")
    assert (position.margin_mode, position.collateral) == (MarginMode.ISOLATED, Decimal("515.25"))
    assert position.liquidation_price == Decimal(88690)


def test_figures_that_portfolio_margin_leaves_empty_are_none_or_zero() -> None:
    row = ROW | {"leverage": "", "positionIM": "", "unrealisedPnl": ""}
    position = position_of(row, LINEAR, info("PORTFOLIO_MARGIN"), "x")
    assert (position.leverage, position.collateral) == (None, None)
    assert position.unrealized_pnl == 0
    assert position.margin_mode is MarginMode.CROSS


@pytest.mark.parametrize(
    ("mode", "status", "trade_mode", "inverse", "expected"),
    [
        ("REGULAR_MARGIN", 5, 0, False, MarginMode.CROSS),
        ("PORTFOLIO_MARGIN", 6, 0, True, MarginMode.CROSS),
        ("ISOLATED_MARGIN", 5, 0, False, MarginMode.ISOLATED),
        ("ISOLATED_MARGIN", 6, 0, True, MarginMode.ISOLATED),
        ("ISOLATED_MARGIN", 3, 0, False, MarginMode.ISOLATED),
        ("ISOLATED_MARGIN", 3, 0, True, MarginMode.CROSS),
        ("REGULAR_MARGIN", 4, 1, True, MarginMode.ISOLATED),
        ("REGULAR_MARGIN", 1, 1, False, MarginMode.ISOLATED),
        ("REGULAR_MARGIN", 1, 0, False, MarginMode.CROSS),
    ],
)
def test_the_margin_mode_is_the_accounts_where_it_is_unified_and_the_rows_elsewhere(
    mode: str, status: int, trade_mode: int, inverse: bool, expected: MarginMode
) -> None:
    assert info(mode, status).mode_of(ROW | {"tradeMode": trade_mode}, inverse=inverse) is expected


def test_two_rows_are_two_sides_with_a_leverage_each() -> None:
    terms = terms_of([ROW | {"leverage": "5"}, ROW | {"leverage": "10"}], info(), LINEAR)
    assert (terms.leverage, terms.sides) == (Decimal(10), (Decimal(5), Decimal(10)))
    assert not terms.all_at(Decimal(10))


def test_one_row_has_no_sides() -> None:
    assert terms_of([ROW | {"leverage": "4.5"}], info(), LINEAR).sides == ()


def test_both_legs_are_summed() -> None:
    rows = [ROW, ROW | {"side": "Sell", "size": "0.01", "unrealisedPnl": "-5"}]
    state = state_of(rows, terms_of(rows, info(), LINEAR), LINEAR)
    assert (state.side, state.size) == ("both", Decimal("0.06"))
    assert (state.notional, state.unrealized_pnl) == (Decimal("5910.30"), Decimal("20.25"))


def test_a_flat_row_has_terms_and_no_side() -> None:
    rows = [ROW | {"side": "", "size": "0", "unrealisedPnl": ""}]
    state = state_of(rows, terms_of(rows, info(), LINEAR), LINEAR)
    assert (state.side, state.size, state.notional) == (None, Decimal(0), Decimal(0))
    assert state.terms.leverage == 10


def test_a_symbol_without_any_row_is_no_answer() -> None:
    with pytest.raises(Ambiguous, match="no row for BTCUSDT"):
        terms_of([], info(), LINEAR)


@pytest.mark.parametrize("raw", [{}, {"marginMode": "NEW"}, {"marginMode": "REGULAR_MARGIN"}])
def test_an_account_info_of_another_shape_is_no_answer(raw: dict[str, Any]) -> None:
    with pytest.raises(Ambiguous):
        info_of(raw)


@pytest.mark.parametrize("side", ["", "None", None])
def test_a_side_nobody_knows_is_no_side(side: Any) -> None:
    with pytest.raises(Ambiguous, match="side"):
        side_of(ROW | {"side": side})


@pytest.mark.parametrize("trade_mode", [2, "1", None])
def test_a_mode_nobody_knows_is_no_mode(trade_mode: Any) -> None:
    with pytest.raises(Ambiguous, match="tradeMode"):
        info(status=1).mode_of(ROW | {"tradeMode": trade_mode}, inverse=False)


@pytest.mark.parametrize("field", ["size", "avgPrice", "markPrice", "updatedTime"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    row = {name: value for name, value in ROW.items() if name != field}
    with pytest.raises(Ambiguous, match=field):
        position_of(row, LINEAR, info(), "x")
