"""Gate's position rows in our terms, digit by digit."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.replies import Position
from schemas.requests import MarginMode, MarketType
from worker.venues.gate.positions import LEVERAGES, leverage_of, margin_mode_of, position_of, state_of, terms_of
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous, PreconditionFailed

LINEAR = Market("BTC/USDT:USDT", "BTC_USDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.0001"))
INVERSE = Market("BTC/USD:BTC", "BTC_USD", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(1))
LONG: dict[str, Any] = {
    "contract": "BTC_USDT",
    "size": "500",
    "leverage": "0",
    "cross_leverage_limit": "10",
    "leverage_max": "125",
    "value": "4925.25",
    "margin": "0",
    "initial_margin": "496.21",
    "entry_price": "98000",
    "mark_price": "98505",
    "liq_price": "88200",
    "unrealised_pnl": "25.25",
    "mode": "single",
    "pos_margin_mode": "cross",
    "lever": "10",
    "update_time": 1706745600,
}
COIN = LONG | {
    "contract": "BTC_USD",
    "size": -1000,
    "leverage": "5",
    "cross_leverage_limit": "0",
    "pos_margin_mode": "isolated",
    "lever": "5",
    "value": "0.0125",
    "margin": "0.0025",
    "entry_price": "100000",
    "mark_price": "80000",
    "liq_price": "99999999",
    "unrealised_pnl": "0.0025",
    "update_time": 0,
}


ISOLATED = LONG | {"pos_margin_mode": "isolated", "leverage": "10", "margin": "492.5"}


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_a_cross_position_comes_out_in_documented_units() -> None:
    assert position_of(LONG, LINEAR, "gate-perp-001").model_dump(mode="json") == {
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "contracts": 500.0,
        "contract_size": 0.0001,
        "entry_price": 98000.0,
        "mark_price": 98505.0,
        "notional": 4925.25,
        "leverage": 10.0,
        "unrealized_pnl": 25.25,
        "percentage": 0.51,
        "margin_mode": "cross",
        "liquidation_price": 88200.0,
        "collateral": 496.21,
        "timestamp": 1706745600000,
        "datetime": "2024-02-01T00:00:00Z",
        "exchange": "gate",
        "exchange_account_id": "gate-perp-001",
    }


def test_an_inverse_position_is_valued_in_quote_and_margined_in_base() -> None:
    position = position_of(COIN, INVERSE, "a")
    assert (position.side, position.contracts, position.contract_size) == ("short", Decimal(1000), Decimal(1))
    assert (position.notional, position.leverage) == (Decimal(1000), Decimal(5))
    assert position.percentage == Decimal("20.00")  # 0.0025 BTC at 80,000 over 1,000 USD
    assert position.collateral == Decimal("0.00250000")


def test_what_the_venue_does_not_know_is_null() -> None:
    position = position_of(COIN, INVERSE, "a")
    assert (position.liquidation_price, position.timestamp, position.datetime) == (None, None, None)


@pytest.mark.parametrize(
    ("liq_price", "expected"), [("0", None), ("99999999", None), ("120000.5", Decimal("120000.5"))]
)
def test_a_position_that_no_price_liquidates_names_none(liq_price: str, expected: Decimal | None) -> None:
    assert position_of(LONG | {"liq_price": liq_price}, LINEAR, "a").liquidation_price == expected


def test_a_cross_position_without_its_margin_holds_value_over_leverage() -> None:
    assert position_of(LONG | {"initial_margin": "0"}, LINEAR, "a").collateral == Decimal("492.52")


def test_what_is_built_would_pass_validation() -> None:
    for position in (position_of(LONG, LINEAR, "a"), position_of(COIN, INVERSE, "a")):
        assert Position.model_validate(position.model_dump()) == position


@pytest.mark.parametrize(
    ("changed", "leverage", "mode"),
    [
        ({}, 10, MarginMode.CROSS),
        ({"lever": "30"}, 30, MarginMode.CROSS),
        ({"lever": None, "pos_margin_mode": None}, 10, MarginMode.CROSS),
        ({"lever": "", "pos_margin_mode": "", "leverage": "25"}, 25, MarginMode.ISOLATED),
        ({"lever": "0", "cross_leverage_limit": "0"}, 125, MarginMode.CROSS),
        ({"pos_margin_mode": "isolated", "lever": "7"}, 7, MarginMode.ISOLATED),
    ],
)
def test_the_real_leverage_is_found_in_every_generation_of_fields(
    changed: dict[str, Any], leverage: int, mode: MarginMode
) -> None:
    row = LONG | changed
    assert (leverage_of(row), margin_mode_of(row)) == (Decimal(leverage), mode)


def test_rows_older_than_the_newer_fields_are_read() -> None:
    older = without(LONG, "lever", "pos_margin_mode")
    assert terms_of([older], LINEAR) == MarginSettings(Decimal(10), MarginMode.CROSS, raw=older)


def test_both_sides_of_a_hedged_market_keep_their_leverage() -> None:
    rows = [LONG | {"mode": "dual_long", "lever": "10"}, LONG | {"mode": "dual_short", "lever": "20"}]
    terms = terms_of(rows, LINEAR)
    assert (terms.leverage, terms.sides) == (Decimal(20), (Decimal(10), Decimal(20)))
    assert not terms.all_at(Decimal(20))


def test_two_margin_modes_in_one_market_must_be_made_one_first() -> None:
    rows = [LONG | {"mode": "dual_long"}, LONG | {"mode": "dual_short", "pos_margin_mode": "isolated"}]
    with pytest.raises(PreconditionFailed, match="dual_long is cross and dual_short is isolated"):
        terms_of(rows, LINEAR)


def test_a_row_of_another_market_is_no_answer() -> None:
    with pytest.raises(Ambiguous, match="answered for BTC_USD, not for BTC_USDT"):
        terms_of([COIN], LINEAR)


def test_a_margin_mode_nobody_knows_is_reported() -> None:
    with pytest.raises(Ambiguous, match="pos_margin_mode"):
        margin_mode_of({"pos_margin_mode": "portfolio"})


AMISS: tuple[Any, ...] = ("missing", "", None, "many", [], True, "NaN", "Infinity")


NEEDED = ("size", "entry_price", "value", "unrealised_pnl")
OPTIONAL = {
    "mark_price": "mark_price",
    "liq_price": "liquidation_price",
    "update_time": "timestamp",
    "margin": "collateral",
}
UNTOLD = ("missing", "", None)


def test_a_field_that_is_amiss_is_named(subtests: pytest.Subtests) -> None:
    for name in (*NEEDED, *OPTIONAL):
        for amiss in AMISS if name in NEEDED else AMISS[len(UNTOLD) :]:
            with subtests.test(name=name, amiss=amiss):
                row = without(ISOLATED, name) if amiss == "missing" else ISOLATED | {name: amiss}
                with pytest.raises(Ambiguous, match=f"the field {name} of the venue's answer is"):
                    position_of(row, LINEAR, "a")


def test_an_optional_figure_that_is_not_told_is_null(subtests: pytest.Subtests) -> None:
    for name, ours in OPTIONAL.items():
        for untold in UNTOLD:
            with subtests.test(name=name, untold=untold):
                row = without(ISOLATED, name) if untold == "missing" else ISOLATED | {name: untold}
                assert getattr(position_of(row, LINEAR, "a"), ours) is None


@pytest.mark.parametrize("untold", UNTOLD)
def test_a_position_of_which_no_leverage_is_told_has_none_and_no_margin_made_of_it(untold: str | None) -> None:
    row = LONG | dict.fromkeys((*LEVERAGES, "initial_margin"), untold)
    row = without(row, *LEVERAGES, "initial_margin") if untold == "missing" else row
    position = position_of(row, LINEAR, "a")
    assert (position.leverage, position.collateral, position.notional) == (None, None, Decimal("4925.25"))
    with pytest.raises(Ambiguous, match="none of the fields lever, leverage, cross_leverage_limit, leverage_max"):
        terms_of([row], LINEAR)


def test_a_leverage_of_zero_everywhere_divides_nothing() -> None:
    row = LONG | dict.fromkeys((*LEVERAGES, "initial_margin"), "0")
    assert position_of(row, LINEAR, "a").collateral is None


@pytest.mark.parametrize("margin", ["0", "-12.34", "380.5"])
def test_an_isolated_margin_is_told_as_it_is_without_the_unrealised_profit(margin: str) -> None:
    assert position_of(ISOLATED | {"margin": margin}, LINEAR, "a").collateral == Decimal(margin)


@pytest.mark.parametrize("time", [1706745600, "1706745600", 1706745600.0, "1706745600.000"])
def test_a_time_is_read_in_every_form_that_is_documented(time: Any) -> None:
    assert position_of(LONG | {"update_time": time}, LINEAR, "a").timestamp == 1_706_745_600_000


def test_a_size_may_be_a_fraction() -> None:
    assert position_of(LONG | {"size": "-0.5"}, LINEAR, "a").contracts == Decimal("0.5")


def test_both_legs_of_a_hedge_are_summed() -> None:
    short = LONG | {"size": "-200", "value": "1970.10", "unrealised_pnl": "-10.10"}
    state = state_of([LONG, short], LINEAR, terms_of([LONG], LINEAR))
    assert (state.side, state.size, state.notional) == ("both", Decimal(700), Decimal("6895.35"))
    assert state.unrealized_pnl == Decimal("15.15")


def test_a_flat_market_has_no_side_and_size_zero() -> None:
    terms = terms_of([LONG], LINEAR)
    assert state_of([LONG | {"size": "0"}], LINEAR, terms) == SymbolState(
        terms, None, Decimal(0), Decimal(0), Decimal(0)
    )
