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


@pytest.mark.parametrize(
    ("mode", "status", "trade_mode", "expected"),
    [
        ("REGULAR_MARGIN", 5, 0, "492.52"),
        ("ISOLATED_MARGIN", 5, 0, "492.52"),
        ("REGULAR_MARGIN", 1, 0, "490"),
        ("REGULAR_MARGIN", 1, 1, "490"),
        ("PORTFOLIO_MARGIN", 5, 0, None),
    ],
)
def test_the_collateral_is_the_margin_without_the_profit_whatever_the_account(
    mode: str, status: int, trade_mode: int, expected: str | None
) -> None:
    initial = "" if mode == "PORTFOLIO_MARGIN" else "492.525" if status == 5 else "12345"
    row = ROW | {"tradeMode": trade_mode, "positionIM": initial, "positionBalance": "490", "liqPrice": "88690"}
    position = position_of(row, LINEAR, info(mode, status), "x")
    assert position.collateral == (None if expected is None else Decimal(expected))
    assert position.liquidation_price == Decimal(88690)


def test_figures_that_portfolio_margin_leaves_empty_are_null() -> None:
    row = ROW | {"leverage": "", "positionIM": "", "liqPrice": ""}
    position = position_of(row, LINEAR, info("PORTFOLIO_MARGIN"), "x")
    assert (position.leverage, position.collateral, position.liquidation_price) == (None, None, None)
    assert position.margin_mode is MarginMode.CROSS


@pytest.mark.parametrize("side", ["Buy", "Sell"])
@pytest.mark.parametrize("market", [LINEAR, INVERSE], ids=lambda market: market.id)
def test_a_profit_that_is_left_empty_is_computed(market: Market, side: str) -> None:
    row = ROW | {"side": side, "unrealisedPnl": "", "size": "0.05" if market is LINEAR else "2000"}
    profit = position_of(row, market, info(), "x").unrealized_pnl
    gain = Decimal("25.25") if market is LINEAR else Decimal(2000) / 98000 - Decimal(2000) / 98505
    assert profit == (gain if side == "Buy" else -gain)


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("field", ["updatedTime", "leverage", "liqPrice", "positionIM", "takeProfit", "bustPrice"])
def test_an_optional_figure_that_is_empty_costs_nothing_else(field: str, empty: Any) -> None:
    position = position_of(ROW | {field: empty}, LINEAR, info(), "x")
    assert (position.symbol, position.contracts) == ("BTC/USDT:USDT", Decimal("0.05"))
    assert (position.timestamp is None) == (field == "updatedTime")


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


@pytest.mark.parametrize("status", [0, 2, 7])
def test_a_type_of_account_nobody_knows_is_taken_for_none_that_is_known(status: int) -> None:
    with pytest.raises(Ambiguous, match=f"unifiedMarginStatus .* says {status}"):
        position_of(ROW, LINEAR, info(status=status), "x")


@pytest.mark.parametrize("side", ["", "None", None])
def test_a_side_nobody_knows_is_no_side(side: Any) -> None:
    with pytest.raises(Ambiguous, match="side"):
        side_of(ROW | {"side": side})


@pytest.mark.parametrize("trade_mode", [2, "1", None])
def test_a_mode_nobody_knows_is_no_mode(trade_mode: Any) -> None:
    with pytest.raises(Ambiguous, match="tradeMode"):
        info(status=1).mode_of(ROW | {"tradeMode": trade_mode}, inverse=False)


@pytest.mark.parametrize("field", ["size", "avgPrice", "markPrice"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    row = {name: value for name, value in ROW.items() if name != field}
    with pytest.raises(Ambiguous, match=field):
        position_of(row, LINEAR, info(), "x")
