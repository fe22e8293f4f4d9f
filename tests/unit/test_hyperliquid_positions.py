"""Reading clearinghouseState and the list of markets: what the fields mean, and what is not readable."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode
from worker.venues.hyperliquid.positions import open_rows, position_of, state_of, terms_of
from worker.venues.hyperliquid.terms import check_leverage
from worker.venues.hyperliquid.universe import Instrument, Universe
from worker.venues.port.errors import Ambiguous, ValueRefused

BTC: dict[str, Any] = {
    "symbol": "BTC/USDC:USDC",
    "id": "0",
    "baseId": "0",
    "type": "swap",
    "inverse": False,
    "base": "BTC",
    "quote": "USDC",
    "settle": "USDC",
    "contractSize": 1.0,
    "info": {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
}
OIL: dict[str, Any] = BTC | {
    "symbol": "FLX-OIL/USDH:USDH",
    "baseId": "120000",
    "base": "FLX-OIL",
    "settle": "USDH",
    "info": {
        "name": "flx:OIL",
        "szDecimals": 2,
        "maxLeverage": 5,
        "hip3": True,
        "dex": "flx",
        "collateralTokenName": "USDH",
    },
}
ROW: dict[str, Any] = {
    "coin": "BTC",
    "szi": "-0.05",
    "leverage": {"type": "isolated", "value": 10, "rawUsd": "5400.0"},
    "entryPx": "98000.0",
    "positionValue": "4925.25",
    "unrealizedPnl": "-25.25",
    "liquidationPx": "105000.0",
    "marginUsed": "474.754999",
    "maxLeverage": 40,
}


def instrument(coin: str = "BTC") -> Instrument:
    found = Universe.from_ccxt([BTC, OIL]).of_coin(coin)
    assert found
    return found


def test_a_short_isolated_position_is_read_whole() -> None:
    position = position_of(ROW, instrument(), "a")
    assert (position.side, position.contracts, position.contract_size) == ("short", Decimal("0.05"), Decimal(1))
    assert (position.entry_price, position.mark_price) == (Decimal(98000), Decimal(98505))
    assert (position.notional, position.unrealized_pnl) == (Decimal("4925.25"), Decimal("-25.25"))
    assert (position.leverage, position.margin_mode) == (Decimal(10), MarginMode.ISOLATED)
    assert (position.percentage, position.collateral) == (Decimal("-0.51"), Decimal("474.75"))
    assert (position.liquidation_price, position.timestamp, position.datetime) == (Decimal(105000), None, None)


def test_the_mark_price_has_the_decimals_that_prices_have() -> None:
    row = ROW | {"coin": "flx:OIL", "szi": "0.03", "positionValue": "1.81234"}
    assert position_of(row, instrument("flx:OIL"), "a").mark_price == Decimal("60.4113")


def test_a_position_that_no_price_liquidates_has_no_liquidation_price() -> None:
    assert position_of(ROW | {"liquidationPx": None}, instrument(), "a").liquidation_price is None


def test_positions_of_size_zero_are_gone() -> None:
    rows = [{"type": "oneWay", "position": ROW | {"szi": size}} for size in ("0.0", "0.05")]
    assert [row["szi"] for row in open_rows({"assetPositions": rows})] == ["0.05"]


def test_a_flat_market_has_terms_and_no_side() -> None:
    state = state_of([], terms_of(ROW))
    assert state.side is None
    assert state.size == state.notional == state.unrealized_pnl == 0


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"assetPositions": None},
        {"assetPositions": [1]},
        {"assetPositions": [{"type": "oneWay"}]},
        {"assetPositions": [{"position": {"coin": "BTC"}}]},
    ],
)
def test_another_shape_is_no_state(body: Any) -> None:
    with pytest.raises(Ambiguous):
        open_rows(body)


@pytest.mark.parametrize(
    "leverage", [None, {}, {"type": "cross"}, {"type": "strict", "value": 3}, {"type": 1, "value": 3}]
)
def test_terms_of_another_shape_are_unreadable(leverage: Any) -> None:
    with pytest.raises(Ambiguous):
        terms_of({"leverage": leverage})


def test_a_figure_that_is_none_is_named(subtests: pytest.Subtests) -> None:
    for name in ["szi", "entryPx", "positionValue", "unrealizedPnl", "marginUsed"]:
        for value in ["", "much", None, "NaN"]:
            with subtests.test(name=name, value=value), pytest.raises(Ambiguous, match=name):
                position_of(ROW | {name: value}, instrument(), "a")


def test_markets_are_known_by_coin_number_and_dex() -> None:
    universe = Universe.from_ccxt([BTC, OIL])
    oil = universe.of_coin("flx:OIL")
    assert oil
    assert (oil.asset, oil.dex, oil.max_leverage, oil.market.id) == (120_000, "flx", 5, "flx:OIL")
    assert universe.of_market(oil.market) is oil
    assert universe.dexes == ("", "flx")
    assert universe.of_coin("NEW") is None


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [OIL],
        [{}],
        [BTC | {"info": {"name": "BTC"}}],
        [BTC | {"baseId": None}],
        [BTC, OIL | {"info": {**OIL["info"], "collateralTokenName": None}}],
    ],
)
def test_a_list_that_lacks_something_is_no_list_of_markets(rows: list[Any]) -> None:
    with pytest.raises(Ambiguous):
        Universe.from_ccxt(rows)


@pytest.mark.parametrize("leverage", ["0", "-3", "0.5", "10.5"])
def test_only_whole_leverages_are_taken(leverage: str) -> None:
    with pytest.raises(ValueRefused, match="whole leverages"):
        check_leverage(instrument(), Decimal(leverage))


def test_more_than_the_market_allows_names_the_maximum() -> None:
    check_leverage(instrument(), Decimal(40))
    with pytest.raises(ValueRefused, match="BTC/USDC:USDC takes 1x to 40x, not 41x") as caught:
        check_leverage(instrument(), Decimal(41))
    assert caught.value.details == {"symbol": "BTC/USDC:USDC", "minimum": 1, "maximum": 40}
