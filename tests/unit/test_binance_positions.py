"""A position row of each family in our terms, digit by digit."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.replies import Position
from schemas.requests import MarginMode, MarketType
from worker.venues.binance.positions import position_of, state_of, terms_of
from worker.venues.parsing import fields as shape
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous

LINEAR = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
INVERSE = Market("BTC/USD:BTC", "BTCUSD_PERP", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(100))
CROSS, ISOLATED = MarginSettings(Decimal(10), MarginMode.CROSS), MarginSettings(Decimal(10), MarginMode.ISOLATED)
DOCUMENTED = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "0.050",
    "entryPrice": "98000.00",
    "markPrice": "98505.00",
    "unRealizedProfit": "25.25",
    "liquidationPrice": "88200.00",
    "isolatedMargin": "0",
    "notional": "4925.25",
    "positionInitialMargin": "492.525",
    "updateTime": 1706745600000,
}
COIN = {
    "symbol": "BTCUSD_PERP",
    "positionSide": "BOTH",
    "positionAmt": "-10",
    "entryPrice": "100000.0",
    "markPrice": "80000.0",
    "unRealizedProfit": "0.0025",
    "liquidationPrice": "0",
    "leverage": "5",
    "marginType": "cross",
    "isolatedMargin": "0",
    "updateTime": 0,
}


def linear(terms: MarginSettings = CROSS, **changed: Any) -> Position:
    return position_of(DOCUMENTED | changed, LINEAR, terms, "binance-perp-001")


def test_the_documented_position_comes_out_as_documented() -> None:
    assert linear().model_dump(mode="json") == {
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "contracts": 0.05,
        "contract_size": 1.0,
        "entry_price": 98000.0,
        "mark_price": 98505.0,
        "notional": 4925.25,
        "leverage": 10.0,
        "unrealized_pnl": 25.25,
        "percentage": 0.51,
        "margin_mode": "cross",
        "liquidation_price": 88200.0,
        "collateral": 492.52,
        "timestamp": 1706745600000,
        "datetime": "2024-02-01T00:00:00Z",
        "exchange": "binance",
        "exchange_account_id": "binance-perp-001",
    }


def test_what_is_built_without_validation_would_pass_it() -> None:
    for position in (linear(), position_of(COIN, INVERSE, terms_of(COIN), "a")):
        assert Position.model_validate(position.model_dump()) == position


def test_a_short_position_has_positive_contracts_and_notional() -> None:
    short = linear(positionAmt="-0.050", notional="-4925.25", unRealizedProfit="-25.25")
    assert (short.side, short.contracts, short.notional) == ("short", Decimal("0.05"), Decimal("4925.25"))
    assert (short.unrealized_pnl, short.percentage) == (Decimal("-25.25"), Decimal("-0.51"))


def test_an_isolated_position_holds_its_own_margin() -> None:
    assert linear(ISOLATED, isolatedMargin="600.129").collateral == Decimal("600.13")


def test_a_row_without_its_margin_holds_notional_over_leverage() -> None:
    row = {name: value for name, value in DOCUMENTED.items() if name != "positionInitialMargin"}
    assert position_of(row, LINEAR, CROSS, "a").collateral == Decimal("492.52")


def test_an_inverse_position_is_valued_in_quote_and_margined_in_base() -> None:
    position = position_of(COIN, INVERSE, terms_of(COIN), "a")
    assert (position.side, position.contracts, position.contract_size) == ("short", Decimal(10), Decimal(100))
    assert position.notional == Decimal(1000)
    assert position.unrealized_pnl == Decimal("0.0025")
    assert position.percentage == Decimal("20.00")  # 0.0025 BTC at 80,000 over 1,000 USD
    assert position.collateral == Decimal("0.00250000")  # 1,000 USD at 80,000, 5x
    assert position.leverage == Decimal(5)


def test_what_the_venue_does_not_know_is_null() -> None:
    position = position_of(COIN, INVERSE, terms_of(COIN), "a")
    assert (position.liquidation_price, position.timestamp, position.datetime) == (None, None, None)


AMISS: tuple[Any, ...] = ("missing", "", None, "many", [], True, "NaN", "Infinity")


def test_a_field_that_is_amiss_is_named(subtests: pytest.Subtests) -> None:
    for name in [
        "positionAmt",
        "entryPrice",
        "markPrice",
        "notional",
        "unRealizedProfit",
        "liquidationPrice",
        "updateTime",
    ]:
        for amiss in AMISS:
            with subtests.test(name=name, amiss=amiss):
                row = {key: value for key, value in DOCUMENTED.items() if key != name}
                if amiss != "missing":
                    row[name] = amiss
                with pytest.raises(Ambiguous, match=f"the field {name} of the venue's answer is"):
                    position_of(row, LINEAR, CROSS, "a")


@pytest.mark.parametrize(
    ("row", "mode"),
    [
        ({"leverage": 20, "marginType": "CROSSED"}, MarginMode.CROSS),
        ({"leverage": "20", "marginType": "isolated"}, MarginMode.ISOLATED),
        ({"leverage": "20", "marginType": "ISOLATED"}, MarginMode.ISOLATED),
        ({"leverage": "20"}, MarginMode.CROSS),
    ],
)
def test_terms_are_read_in_every_spelling(row: dict[str, Any], mode: MarginMode) -> None:
    assert terms_of(row) == MarginSettings(Decimal(20), mode, raw=row)


def test_a_margin_type_nobody_knows_is_reported() -> None:
    with pytest.raises(Ambiguous, match="marginType"):
        terms_of({"leverage": 20, "marginType": "PORTFOLIO"})


def test_both_legs_of_a_hedge_are_summed() -> None:
    short = DOCUMENTED | {"positionAmt": "-0.02", "notional": "-1970.10", "unRealizedProfit": "-10.10"}
    state = state_of([DOCUMENTED, short], LINEAR, CROSS)
    assert (state.side, state.size, state.notional) == ("both", Decimal("0.070"), Decimal("6895.35"))
    assert state.unrealized_pnl == Decimal("15.15")


def test_a_flat_market_has_no_side_and_size_zero() -> None:
    state = state_of([], LINEAR, CROSS)
    assert state == SymbolState(CROSS, None, Decimal(0), Decimal(0), Decimal(0))


@pytest.mark.parametrize("body", [{}, None, "text", [1], [[]]])
def test_a_body_that_is_no_list_of_objects_is_reported(body: Any) -> None:
    with pytest.raises(Ambiguous, match="no list of objects"):
        shape.rows(body, "positions")


@pytest.mark.parametrize("body", [[], None, "text"])
def test_a_body_that_is_no_object_is_reported(body: Any) -> None:
    with pytest.raises(Ambiguous, match="no object"):
        shape.mapping(body, "leverage")
