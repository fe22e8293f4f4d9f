"""Gate's contracts in our terms: each read by its own fields, and one that can't be read left out alone."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarketType
from worker.venues.gate import instruments
from worker.venues.gate.endpoints import PARTS
from worker.venues.gate.instruments import GateLeverageRange, contracts_of, market_of, range_of
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, ValueRefused

USDT, BTC, USD1, DELIVERY = PARTS
ROW: dict[str, Any] = {
    "name": "BTC_USDT",
    "type": "direct",
    "quanto_multiplier": "0.0001",
    "leverage_min": "1",
    "leverage_max": "125",
}
INVERSE = ROW | {"name": "BTC_USD", "type": "inverse", "quanto_multiplier": "0"}
DATED = ROW | {"name": "BTC_USDT_20261225", "expire_time": 1_798_185_600}


@pytest.mark.parametrize(
    ("row", "part", "expected"),
    [
        (ROW, USDT, ("BTC/USDT:USDT", "BTC_USDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.0001"))),
        (INVERSE, BTC, ("BTC/USD:BTC", "BTC_USD", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(1))),
        (ROW | {"name": "BTC_USD1"}, USD1,
         ("BTC/USD1:USD1", "BTC_USD1", MarketType.SWAP, False, "BTC", "USD1", "USD1", Decimal("0.0001"))),
        (DATED, DELIVERY,
         ("BTC/USDT:USDT-261225", DATED["name"], MarketType.FUTURE, False, "BTC", "USDT", "USDT", Decimal("0.0001"))),
        (DATED | {"expire_time": "1798185600"}, DELIVERY,
         ("BTC/USDT:USDT-261225", DATED["name"], MarketType.FUTURE, False, "BTC", "USDT", "USDT", Decimal("0.0001"))),
    ],
)  # fmt: skip
def test_a_contract_is_what_its_fields_and_its_list_say(row: dict[str, Any], part: Any, expected: Any) -> None:
    assert market_of(row, part) == Market(*expected)


@pytest.mark.parametrize("base", ["GTC", "VAI", "MPH", "SBTC", "币安人生", "龙虾", "1000PEPE"])
def test_a_symbol_is_made_of_gates_own_names(base: str) -> None:
    assert market_of(ROW | {"name": f"{base}_USDT"}, USDT).symbol == f"{base}/USDT:USDT"


def test_a_contract_on_its_way_out_with_a_date_is_a_perpetual_all_the_same() -> None:
    row = ROW | {"in_delisting": True, "status": "delisting", "delisted_time": 1_798_185_600, "expire_time": 1}
    assert market_of(row, USDT).type is MarketType.SWAP


@pytest.mark.parametrize(
    ("changed", "part", "field"),
    [
        ({"name": None}, USDT, "name"),
        ({"name": "BTC"}, USDT, "name"),
        ({"name": "_USDT"}, USDT, "name"),
        ({"type": "quanto"}, USDT, "type"),
        ({"type": None}, USDT, "type"),
        ({"type": []}, USDT, "type"),
        ({"quanto_multiplier": "0"}, USDT, "quanto_multiplier"),
        ({"quanto_multiplier": ""}, USDT, "quanto_multiplier"),
        ({"quanto_multiplier": "-1", "type": "inverse"}, BTC, "quanto_multiplier"),
        ({"name": "BTC_USDT_20261225"}, DELIVERY, "expire_time"),
        ({"name": "BTC_USDT_20261225", "expire_time": "1e30"}, DELIVERY, "expire_time"),
    ],
)
def test_a_contract_that_cannot_be_read_is_left_out_alone_and_its_field_is_named(
    changed: dict[str, Any], part: Any, field: str
) -> None:
    good = DATED | {"name": "ETH_USDT_20261225"} if part is DELIVERY else ROW | {"name": "ETH_USDT"}
    read = contracts_of([ROW | changed, good], part)
    assert [market.id for market in read.markets] == [good["name"]]
    (row,) = read.unreadable
    assert row.id == str((ROW | changed)["name"])
    assert f"the field {field} of" in row.reason
    assert part.path in row.reason
    with pytest.raises(Ambiguous):
        market_of(ROW | changed, part)


@pytest.mark.parametrize("told", [None, "", "0", 0, "many", [], "NaN"])
def test_a_leverage_that_is_not_told_bounds_nothing(told: Any) -> None:
    read = contracts_of([ROW | {"leverage_max": told}], USDT)
    assert read.ranges == {"BTC/USDT:USDT": GateLeverageRange(Decimal(1), None)}
    assert read.ranges["BTC/USDT:USDT"].allows(Decimal(200))
    assert range_of({}) == GateLeverageRange(None, None)


class Asked:
    """A venue that tells one contract, or raises."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    def now(self) -> int:
        return 0

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append((name, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


BITCOIN = market_of(ROW, USDT)
KNOWN = {BITCOIN.symbol: range_of(ROW)}


async def test_a_leverage_within_what_is_known_asks_nobody() -> None:
    venue = Asked(None)
    await instruments.check(venue, KNOWN, BITCOIN, Decimal(125))
    assert venue.asked == []


async def test_a_range_that_was_raised_since_is_read_before_anything_is_refused() -> None:
    venue = Asked(ROW | {"leverage_max": "200"})
    await instruments.check(venue, KNOWN, BITCOIN, Decimal(200))
    where = {"settle": "usdt", "contract": "BTC_USDT"}
    assert venue.asked == [("publicFuturesGetSettleContractsContract", where)]
    with pytest.raises(ValueRefused, match="takes 1x to 200x, not 201x"):
        await instruments.check(venue, KNOWN, BITCOIN, Decimal(201))


@pytest.mark.parametrize("answer", [Ambiguous("HTTP 502"), [], ROW | {"leverage_max": None}], ids=str)
async def test_where_the_range_of_now_is_not_to_be_had_gate_itself_decides(answer: Any) -> None:
    await instruments.check(Asked(answer), KNOWN, BITCOIN, Decimal(200))


async def test_a_fraction_is_refused_with_the_range_of_now_or_the_one_known() -> None:
    for answer, highest in ((ROW | {"leverage_max": "200"}, 200), (Ambiguous("HTTP 502"), 125)):
        with pytest.raises(ValueRefused, match=f"takes 1x to {highest}x in whole steps, not 4.5x"):
            await instruments.check(Asked(answer), KNOWN, BITCOIN, Decimal("4.5"))
