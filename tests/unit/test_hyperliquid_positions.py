"""Reading clearinghouseState and the list of markets: what the fields mean, and what is not readable."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode
from worker.venues.hyperliquid.instruments import Instrument, ListedDex, Universe
from worker.venues.hyperliquid.positions import open_in, position_in, position_of, state_of, terms_of
from worker.venues.hyperliquid.terms.settings import check_leverage
from worker.venues.port.errors import Ambiguous, NotSent, ValueRefused, VenueError

BTC = {"name": "BTC", "szDecimals": 5, "maxLeverage": 40}
OIL = {"name": "flx:OIL", "szDecimals": 2, "maxLeverage": 5}
LISTED = Universe.of([ListedDex("", 0, "USDC", (BTC,)), ListedDex("flx", 2, "USDH", (OIL,))])
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
    found = LISTED.of_coin(coin)
    assert found
    return found


def test_a_short_isolated_position_is_read_whole() -> None:
    position = position_of(ROW, instrument(), "a")
    assert (position.side, position.contracts, position.contract_size) == ("short", Decimal("0.05"), Decimal(1))
    assert (position.entry_price, position.mark_price) == (Decimal(98000), Decimal(98505))
    assert (position.notional, position.unrealized_pnl) == (Decimal("4925.25"), Decimal("-25.25"))
    assert (position.leverage, position.margin_mode) == (Decimal(10), MarginMode.ISOLATED)
    assert (position.percentage, position.collateral) == (Decimal("-0.51"), Decimal("500.00"))
    assert (position.liquidation_price, position.timestamp, position.datetime) == (Decimal(105000), None, None)


def test_the_mark_price_has_the_decimals_that_prices_have() -> None:
    row = ROW | {"coin": "flx:OIL", "szi": "0.03", "positionValue": "1.81234"}
    assert position_of(row, instrument("flx:OIL"), "a").mark_price == Decimal("60.4113")


def test_a_position_that_no_price_liquidates_has_no_liquidation_price() -> None:
    assert position_of(ROW | {"liquidationPx": None}, instrument(), "a").liquidation_price is None


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_figure_that_may_be_missing_is_null(nothing: Any) -> None:
    position = position_of(ROW | {"liquidationPx": nothing, "marginUsed": nothing}, instrument(), "a")
    assert (position.liquidation_price, position.collateral) == (None, None)


def test_the_profit_that_the_venue_has_in_an_isolated_margin_is_left_out_as_in_the_documents_example() -> None:
    example = {
        "coin": "BTC",
        "entryPx": "2986.3",
        "leverage": {"rawUsd": "-95.059824", "type": "isolated", "value": 20},
        "liquidationPx": "2866.26936529",
        "marginUsed": "4.967826",
        "positionValue": "100.02765",
        "szi": "0.0335",
        "unrealizedPnl": "-0.0134",
    }
    value, raw, profit = Decimal("100.02765"), Decimal("-95.059824"), Decimal("-0.0134")
    assert position_of(example, instrument(), "a").collateral == round(value + raw - profit, 2) == Decimal("4.98")


def test_positions_of_size_zero_are_gone() -> None:
    rows = [{"type": "oneWay", "position": ROW | {"szi": size}} for size in ("0.0", "0.05")]
    assert [row["szi"] for row in open_in({"assetPositions": rows}, "BTC")] == ["0.05"]


def test_what_is_told_of_other_coins_does_not_matter() -> None:
    rows = [None, {}, {"position": {"coin": "ETH", "szi": "?"}}, {"type": "oneWay", "position": ROW}]
    assert open_in({"assetPositions": rows}, "BTC") == [ROW]


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
        {"assetPositions": {}},
        {"assetPositions": [{"position": {"coin": "BTC"}}]},
    ],
)
def test_another_shape_is_no_state(body: Any) -> None:
    with pytest.raises(Ambiguous):
        open_in(body, "BTC")


@pytest.mark.parametrize("held", [1, None, {"type": "oneWay"}, {"position": []}])
def test_another_shape_is_no_position(held: Any) -> None:
    with pytest.raises(Ambiguous):
        position_in(held)


@pytest.mark.parametrize(
    "leverage", [None, {}, {"type": "cross"}, {"type": "strict", "value": 3}, {"type": 1, "value": 3}]
)
def test_terms_of_another_shape_are_unreadable(leverage: Any) -> None:
    with pytest.raises(Ambiguous):
        terms_of({"leverage": leverage})


def test_a_figure_that_is_none_is_named(subtests: pytest.Subtests) -> None:
    for name in ["szi", "entryPx", "positionValue", "unrealizedPnl"]:
        for value in ["", "much", None, "NaN"]:
            with subtests.test(name=name, value=value), pytest.raises(Ambiguous, match=name):
                position_of(ROW | {name: value}, instrument(), "a")


class Listed:
    """A venue that lists these perpetuals now."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def now(self) -> int:
        return 0

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append(params)
        if isinstance(self.answer, VenueError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("leverage", ["0", "-3", "0.5", "10.5"])
async def test_only_whole_leverages_are_taken_and_nobody_is_asked(leverage: str) -> None:
    venue = Listed({})
    with pytest.raises(ValueRefused, match="whole leverages"):
        await check_leverage(venue, instrument(), Decimal(leverage))
    assert venue.asked == []


async def test_more_than_the_market_allows_names_the_maximum_that_is_in_force_now() -> None:
    venue = Listed({"universe": [BTC | {"maxLeverage": 45}]})
    await check_leverage(venue, instrument(), Decimal(40))
    assert venue.asked == []
    await check_leverage(venue, instrument(), Decimal(41))
    with pytest.raises(ValueRefused, match="BTC/USDC:USDC takes 1x to 45x, not 46x") as caught:
        await check_leverage(venue, instrument(), Decimal(46))
    assert caught.value.details == {"symbol": "BTC/USDC:USDC", "minimum": 1, "maximum": 45}
    assert venue.asked == [{"type": "meta", "dex": ""}] * 2


@pytest.mark.parametrize(
    "answer",
    [
        Ambiguous("?"),
        NotSent("?"),
        {},
        [],
        {"universe": []},
        {"universe": [BTC | {"maxLeverage": 0}]},
        {"universe": [BTC | {"maxLeverage": None}]},
    ],
    ids=str,
)
async def test_where_the_maximum_cannot_be_read_the_venue_will_say(answer: Any) -> None:
    await check_leverage(Listed(answer), instrument(), Decimal(41))
