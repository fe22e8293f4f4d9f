"""Position rows in our terms: sides, modes, values in quote currency, margins."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from worker.venues.okx.positions import described, mode_of, position_of, state_of
from worker.venues.port.adapter import MarginSettings, Market
from worker.venues.port.errors import Ambiguous

LINEAR = Market("BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.01"))
INVERSE = Market("BTC/USD:BTC", "BTC-USD-SWAP", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(100))
CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
ROW: dict[str, Any] = {
    "instId": "BTC-USDT-SWAP",
    "mgnMode": "cross",
    "posSide": "net",
    "pos": "5",
    "avgPx": "98000",
    "markPx": "98505",
    "upl": "25.25",
    "lever": "10",
    "liqPx": "88200",
    "imr": "492.525",
    "margin": "",
    "uTime": "1706745600000",
}
HELD_ISOLATED = ROW | {"mgnMode": "isolated", "imr": "", "margin": "500.5"}


def test_a_linear_position_is_valued_at_mark_price() -> None:
    position = position_of(ROW, LINEAR, "an-account")
    assert position.model_dump(mode="json") == {
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "contracts": 5,
        "contract_size": 0.01,
        "entry_price": 98000,
        "mark_price": 98505,
        "notional": 4925.25,
        "leverage": 10,
        "unrealized_pnl": 25.25,
        "percentage": 0.51,
        "margin_mode": "cross",
        "liquidation_price": 88200,
        "collateral": 492.52,
        "timestamp": 1706745600000,
        "datetime": "2024-02-01T00:00:00Z",
        "exchange": "okx",
        "exchange_account_id": "an-account",
    }


def test_an_inverse_position_is_valued_in_quote_and_its_profit_converted() -> None:
    row = ROW | {"pos": "-30", "markPx": "98500", "upl": "0.00047", "imr": "300"}
    position = position_of(row, INVERSE, "a")
    assert (position.side, position.contracts, position.notional) == ("short", Decimal(30), Decimal(3_000))
    assert position.percentage == Decimal("1.54")
    assert position.collateral == Decimal("0.00304569")


@pytest.mark.parametrize(
    ("pos", "pos_side", "side"),
    [("5", "net", "long"), ("-5", "net", "short"), ("5", "long", "long"), ("5", "short", "short")],
)
def test_the_side_is_the_sign_in_net_mode_and_told_in_long_short_mode(pos: str, pos_side: str, side: str) -> None:
    position = position_of(ROW | {"pos": pos, "posSide": pos_side}, LINEAR, "a")
    assert (position.side, position.contracts) == (side, Decimal(5))


def test_an_isolated_position_holds_its_own_margin_without_its_profit() -> None:
    position = position_of(HELD_ISOLATED, LINEAR, "a")
    assert (position.margin_mode, position.collateral) == (ISOLATED, Decimal("500.50"))
    assert position_of(HELD_ISOLATED | {"margin": ""}, LINEAR, "a").collateral is None


def test_a_liquidation_price_that_is_not_named_is_none() -> None:
    assert position_of(ROW | {"liqPx": ""}, LINEAR, "a").liquidation_price is None


def test_a_cross_position_of_a_portfolio_margin_account_has_no_leverage_and_no_margin_of_its_own() -> None:
    for lever in ("", "0"):
        position = position_of(ROW | {"lever": lever}, LINEAR, "a")
        assert (position.leverage, position.collateral) == (None, None)


@pytest.mark.parametrize(
    ("rows", "mode"),
    [
        ([], CROSS),
        ([ROW], CROSS),
        ([HELD_ISOLATED], ISOLATED),
        ([ROW, HELD_ISOLATED], CROSS),
        ([ROW | {"pos": "2", "posSide": "short"}, HELD_ISOLATED], ISOLATED),
        ([ROW | {"pos": "-6"}, HELD_ISOLATED], CROSS),
    ],
)
def test_the_mode_in_which_more_is_held_counts_and_cross_where_nothing_tells(
    rows: list[dict[str, Any]], mode: MarginMode
) -> None:
    assert mode_of(rows) is mode


def test_both_legs_of_a_hedge_are_summed() -> None:
    legs = [ROW | {"posSide": "long"}, ROW | {"posSide": "short", "pos": "2", "upl": "-5.25"}]
    state = state_of(legs, LINEAR, MarginSettings(Decimal(10), CROSS))
    assert (state.side, state.size, state.notional) == ("both", Decimal("0.07"), Decimal("6895.35"))
    assert state.unrealized_pnl == 20
    assert described(legs) == "long 5 and short 2"


def test_a_flat_market_has_no_side() -> None:
    state = state_of([], LINEAR, MarginSettings(Decimal(10), CROSS))
    assert (state.side, state.size, state.notional, state.unrealized_pnl) == (None, *[Decimal(0)] * 3)


@pytest.mark.parametrize("change", [{"pos": "many"}, {"markPx": ""}, {"mgnMode": "cash"}, {"uTime": ""}, {"upl": None}])
def test_a_field_that_cannot_be_read_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(Ambiguous, match=f"the field {next(iter(change))} "):
        position_of(ROW | change, LINEAR, "a")
