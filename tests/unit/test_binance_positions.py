"""A position row of each family in our terms, digit by digit."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.replies import Position
from schemas.requests import MarginMode, MarketType
from worker.venues.binance.positions import mode_of, position_of, state_of, terms_of
from worker.venues.parsing import fields as shape
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous

LINEAR = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
INVERSE = Market("BTC/USD:BTC", "BTCUSD_PERP", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(100))
TERMS = MarginSettings(Decimal(10), MarginMode.CROSS)
CROSS, ISOLATED = ({"leverage": 10, "marginType": kind} for kind in ("CROSSED", "ISOLATED"))
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


def linear(terms: dict[str, Any] = CROSS, **changed: Any) -> Position:
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
    for position in (linear(), position_of(COIN, INVERSE, COIN, "a")):
        assert Position.model_validate(position.model_dump()) == position


def test_a_short_position_has_positive_contracts_and_notional() -> None:
    short = linear(positionAmt="-0.050", notional="-4925.25", unRealizedProfit="-25.25")
    assert (short.side, short.contracts, short.notional) == ("short", Decimal("0.05"), Decimal("4925.25"))
    assert (short.unrealized_pnl, short.percentage) == (Decimal("-25.25"), Decimal("-0.51"))


def test_an_isolated_position_holds_its_own_margin() -> None:
    assert linear(ISOLATED, isolatedMargin="600.129", isolatedWallet="574.879").collateral == Decimal("574.88")
    assert linear(ISOLATED, isolatedMargin="600.129").collateral == Decimal("574.88")
    assert linear(ISOLATED, isolatedMargin="").collateral is None


def test_a_row_without_its_margin_holds_notional_over_leverage() -> None:
    row = {name: value for name, value in DOCUMENTED.items() if name != "positionInitialMargin"}
    assert position_of(row, LINEAR, CROSS, "a").collateral == Decimal("492.52")


def test_an_inverse_position_is_valued_in_quote_and_margined_in_base() -> None:
    position = position_of(COIN, INVERSE, COIN, "a")
    assert (position.side, position.contracts, position.contract_size) == ("short", Decimal(10), Decimal(100))
    assert position.notional == Decimal(1000)
    assert position.unrealized_pnl == Decimal("0.0025")
    assert position.percentage == Decimal("20.00")  # 0.0025 BTC at 80,000 over 1,000 USD
    assert position.collateral == Decimal("0.00250000")  # 1,000 USD at 80,000, 5x
    assert position.leverage == Decimal(5)


def test_what_the_venue_does_not_know_is_null() -> None:
    position = position_of(COIN, INVERSE, COIN, "a")
    assert (position.liquidation_price, position.timestamp, position.datetime) == (None, None, None)


AMISS: tuple[Any, ...] = ("missing", "", None, "many", [], True, "NaN", "Infinity")
UNTOLD: tuple[Any, ...] = ("missing", "", None)


def with_field(name: str, value: Any) -> dict[str, Any]:
    row = {key: value for key, value in DOCUMENTED.items() if key != name}
    return row if value == "missing" else row | {name: value}


@pytest.mark.parametrize("amiss", AMISS)
@pytest.mark.parametrize("name", ["positionAmt", "entryPrice", "notional", "unRealizedProfit"])
def test_a_field_that_is_amiss_is_named(name: str, amiss: Any) -> None:
    with pytest.raises(Ambiguous, match=f"the field {name} of the venue's answer is"):
        position_of(with_field(name, amiss), LINEAR, CROSS, "a")


OPTIONAL = {
    "markPrice": "mark_price",
    "liquidationPrice": "liquidation_price",
    "updateTime": "timestamp",
}


@pytest.mark.parametrize("amiss", AMISS)
@pytest.mark.parametrize(("name", "ours"), OPTIONAL.items())
def test_a_field_that_need_not_be_told_is_null_or_named(name: str, ours: str, amiss: Any) -> None:
    if amiss in UNTOLD and amiss is not True:
        assert getattr(position_of(with_field(name, amiss), LINEAR, CROSS, "a"), ours) is None
    else:
        with pytest.raises(Ambiguous, match=f"the field {name} of the venue's answer is unreadable"):
            position_of(with_field(name, amiss), LINEAR, CROSS, "a")


@pytest.mark.parametrize("leverage", ["0", "", None, 0])
def test_a_leverage_that_nobody_can_have_is_null_and_divides_nothing(leverage: Any) -> None:
    position = position_of(COIN, INVERSE, COIN | {"leverage": leverage}, "a")
    assert (position.leverage, position.collateral) == (None, None)


def test_an_inverse_position_without_a_mark_price_has_no_percentage_and_no_collateral() -> None:
    position = position_of(COIN | {"markPrice": ""}, INVERSE, COIN, "a")
    assert (position.percentage, position.collateral, position.mark_price) == (None, None, None)


def test_without_settings_a_row_of_v3_says_itself_whether_it_is_isolated() -> None:
    cross, isolated = (DOCUMENTED | {"isolatedWallet": wallet} for wallet in ("0", "650.00000000"))
    assert position_of(cross, LINEAR, cross, "a").margin_mode is MarginMode.CROSS
    position = position_of(isolated, LINEAR, isolated, "a")
    assert (position.margin_mode, position.leverage) == (MarginMode.ISOLATED, None)


def test_a_mode_that_is_told_nowhere_is_not_assumed() -> None:
    with pytest.raises(Ambiguous, match="marginType"):
        mode_of({"leverage": 20})
    assert mode_of({"leverage": 20}, all_cross=True) is MarginMode.CROSS


@pytest.mark.parametrize(
    ("row", "mode"),
    [
        ({"leverage": 20, "marginType": "CROSSED"}, MarginMode.CROSS),
        ({"leverage": "20", "marginType": "isolated"}, MarginMode.ISOLATED),
        ({"leverage": "20", "marginType": "ISOLATED"}, MarginMode.ISOLATED),
    ],
)
def test_terms_are_read_in_every_spelling(row: dict[str, Any], mode: MarginMode) -> None:
    assert terms_of(row) == MarginSettings(Decimal(20), mode, raw=row)


def test_a_margin_type_nobody_knows_is_reported() -> None:
    with pytest.raises(Ambiguous, match="marginType"):
        terms_of({"leverage": 20, "marginType": "PORTFOLIO"})


def test_both_legs_of_a_hedge_are_summed() -> None:
    short = DOCUMENTED | {"positionAmt": "-0.02", "notional": "-1970.10", "unRealizedProfit": "-10.10"}
    state = state_of([DOCUMENTED, short], LINEAR, TERMS)
    assert (state.side, state.size, state.notional) == ("both", Decimal("0.070"), Decimal("6895.35"))
    assert state.unrealized_pnl == Decimal("15.15")


def test_a_flat_market_has_no_side_and_size_zero() -> None:
    state = state_of([], LINEAR, TERMS)
    assert state == SymbolState(TERMS, None, Decimal(0), Decimal(0), Decimal(0))


@pytest.mark.parametrize("body", [{}, None, "text", [1], [[]]])
def test_a_body_that_is_no_list_of_objects_is_reported(body: Any) -> None:
    with pytest.raises(Ambiguous, match="no list of objects"):
        shape.rows(body, "positions")


@pytest.mark.parametrize("body", [[], None, "text"])
def test_a_body_that_is_no_object_is_reported(body: Any) -> None:
    with pytest.raises(Ambiguous, match="no object"):
        shape.mapping(body, "leverage")
