"""The highest leverage of a market: read once, kept for an hour, and never in the way when it can't be read."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarketType
from worker.venues.binance.endpoints import STANDARD
from worker.venues.binance.terms.brackets import Brackets, check_leverage
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, NotSent, ValueRefused
from worker.venues.reading.tiers import FRESH_S

LINEAR = STANDARD[0]
BTC = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
ETH = Market("ETH/USDT:USDT", "ETHUSDT", MarketType.SWAP, False, "ETH", "USDT", "USDT", Decimal(1))


def bracket(leverage: object, floor: int = 0) -> dict[str, Any]:
    return {
        "initialLeverage": leverage,
        "notionalFloor": floor,
        "notionalCap": floor + 50_000,
        "maintMarginRatio": 0.004,
    }


LADDERS = [{"symbol": "BTCUSDT", "brackets": [bracket(125), bracket(100, 50_000)]}]


class Venue:
    """Answers every call with `body`, or raises it. What is asked of one symbol is answered by `of_one`, if given."""

    of_one: Any = None

    def __init__(self, body: Any) -> None:
        self.body = body
        self.calls = 0

    def now(self) -> int:
        return 0

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.calls += 1
        body = self.body if self.of_one is None or not params else self.of_one
        if isinstance(body, Exception):
            raise body
        return body


class HandClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_leverage_up_to_the_first_bracket_passes() -> None:
    await check_leverage(Brackets(Venue(LADDERS)), LINEAR, BTC, Decimal(125))


@pytest.mark.parametrize("leverage", [126, 200])
async def test_more_than_the_first_bracket_names_the_range(leverage: int) -> None:
    with pytest.raises(ValueRefused, match=f"BTC/USDT:USDT takes 1x to 125x, not {leverage}x") as caught:
        await check_leverage(Brackets(Venue(LADDERS)), LINEAR, BTC, Decimal(leverage))
    assert caught.value.details == {"symbol": "BTC/USDT:USDT", "minimum": 1, "maximum": 125}


@pytest.mark.parametrize("leverage", ["10.5", "0.5", "0", "-3", "1E-5"])
async def test_what_is_no_whole_leverage_is_refused_without_a_call(leverage: str) -> None:
    venue = Venue(LADDERS)
    with pytest.raises(ValueRefused, match="whole leverages"):
        await check_leverage(Brackets(venue), LINEAR, BTC, Decimal(leverage))
    assert venue.calls == 0


@pytest.mark.parametrize("leverage", ["10", "10.0", "1E+1"])
async def test_a_whole_leverage_passes_however_it_is_written(leverage: str) -> None:
    await check_leverage(Brackets(Venue(LADDERS)), LINEAR, BTC, Decimal(leverage))


EMPTY = [{"symbol": "BTCUSDT", "brackets": []}]
ODD = [{"symbol": "BTCUSDT", "brackets": [bracket("")]}]


@pytest.mark.parametrize(
    "body", [NotSent("no way"), Ambiguous("no word"), {}, [{"symbol": "BTCUSDT"}], [{}], EMPTY, ODD]
)
async def test_brackets_that_cannot_be_read_leave_it_to_the_venue(body: Any) -> None:
    await check_leverage(Brackets(Venue(body)), LINEAR, BTC, Decimal(200))


async def test_a_market_without_brackets_leaves_it_to_the_venue() -> None:
    await check_leverage(Brackets(Venue(LADDERS)), LINEAR, ETH, Decimal(200))


@pytest.mark.parametrize("odd", [{"symbol": "ODDUSDT", "brackets": []}, {"symbol": "ODDUSDT"}, {"brackets": []}, {}])
async def test_a_market_with_odd_brackets_leaves_all_others_their_maximum(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueRefused, match="takes 1x to 125x"):
        await check_leverage(Brackets(Venue([odd, *LADDERS])), LINEAR, BTC, Decimal(126))


@pytest.mark.parametrize("as_list", [True, False])
async def test_what_was_raised_at_the_venue_is_not_refused_from_memory(as_list: bool) -> None:
    venue = Venue(LADDERS)
    brackets = Brackets(venue)
    await check_leverage(brackets, LINEAR, BTC, Decimal(125))
    raised = {"symbol": "BTCUSDT", "brackets": [bracket(150)]}
    venue.of_one = [raised] if as_list else raised
    await check_leverage(brackets, LINEAR, BTC, Decimal(150))
    with pytest.raises(ValueRefused, match="takes 1x to 150x, not 151x"):
        await check_leverage(brackets, LINEAR, BTC, Decimal(151))


async def test_brackets_that_cannot_be_read_anew_refuse_nothing() -> None:
    venue = Venue(LADDERS)
    venue.of_one = Ambiguous("no word")
    await check_leverage(Brackets(venue), LINEAR, BTC, Decimal(150))


async def test_brackets_are_read_once_an_hour() -> None:
    venue, clock = Venue(LADDERS), HandClock()
    brackets = Brackets(venue, clock)
    for _ in range(3):
        await check_leverage(brackets, LINEAR, BTC, Decimal(125))
    assert venue.calls == 1
    clock.seconds = FRESH_S
    venue.body = [{"symbol": "BTCUSDT", "brackets": [bracket(50)]}]
    assert [tier.max_leverage for tier in (await brackets.of_all(LINEAR)).by_id["BTCUSDT"]] == [50]
    assert venue.calls == 2
