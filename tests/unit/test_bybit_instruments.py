"""Bybit's markets, the leverages they allow, and markets that are no longer listed."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarketType
from worker.venues.bybit.instruments import Instruments
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, ValueRefused

FILTER = {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"}


def market(symbol: str, market_id: str, *, inverse: bool = False, size: float = 1, **info: Any) -> dict[str, Any]:
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    return {
        "symbol": symbol,
        "id": market_id,
        "type": "swap",
        "inverse": inverse,
        "base": base,
        "quote": quote,
        "settle": settle,
        "contractSize": size,
        "info": info,
    }


INSTRUMENTS = Instruments.from_ccxt(
    [
        market("BTC/USDT:USDT", "BTCUSDT", leverageFilter=FILTER),
        market("BTC/USD:BTC", "BTCUSD", inverse=True, size=10, leverageFilter=FILTER | {"maxLeverage": "50"}),
        market("NEW/USDT:USDT", "NEWUSDT"),
    ]
)


def listed(symbol: str) -> Market:
    return INSTRUMENTS.markets.find(symbol, MarketType.SWAP)


@pytest.mark.parametrize("leverage", ["1", "4.5", "12.34", "100"])
def test_a_leverage_within_the_range_and_the_step_is_fine(leverage: str) -> None:
    assert INSTRUMENTS.leverages[listed("BTC/USDT:USDT")].maximum == 100
    INSTRUMENTS.check_leverage(listed("BTC/USDT:USDT"), Decimal(leverage))


@pytest.mark.parametrize("leverage", ["0", "0.5", "-3", "100.01", "200"])
def test_a_leverage_beyond_the_range_names_it(leverage: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        INSTRUMENTS.check_leverage(listed("BTC/USDT:USDT"), Decimal(leverage))
    assert caught.value.message == f"BTC/USDT:USDT takes 1x to 100x, not {leverage}x"
    assert caught.value.details["maximum"] == 100


def test_each_market_has_a_range_of_its_own() -> None:
    with pytest.raises(ValueRefused, match="takes 1x to 50x, not 75x"):
        INSTRUMENTS.check_leverage(listed("BTC/USD:BTC"), Decimal(75))


def test_a_leverage_between_two_steps_names_the_step() -> None:
    with pytest.raises(ValueRefused, match=r"in steps of 0\.01x, not 4\.567x"):
        INSTRUMENTS.check_leverage(listed("BTC/USDT:USDT"), Decimal("4.567"))


def test_a_market_whose_range_is_unknown_is_left_to_the_venue() -> None:
    assert listed("NEW/USDT:USDT") not in INSTRUMENTS.leverages
    INSTRUMENTS.check_leverage(listed("NEW/USDT:USDT"), Decimal(500))


def test_an_inverse_contract_is_worth_one_usd_whatever_the_smallest_order_is() -> None:
    assert listed("BTC/USD:BTC").contract_size == 1


@pytest.mark.parametrize(
    ("market_id", "inverse", "kind", "settle"),
    [
        ("OLDUSDT", False, MarketType.SWAP, "USDT"),
        ("OLDPERP", False, MarketType.SWAP, "USDC"),
        ("BTCUSDT-27DEC24", False, MarketType.FUTURE, "USDT"),
        ("BTC-7MAR25", False, MarketType.FUTURE, "USDC"),
        ("XRPUSD", True, MarketType.SWAP, "XRP"),
        ("ETHUSDZ24", True, MarketType.FUTURE, "ETH"),
    ],
)
def test_a_market_that_is_no_longer_listed_is_told_by_its_id(
    market_id: str, inverse: bool, kind: MarketType, settle: str
) -> None:
    assert INSTRUMENTS.listed(market_id, inverse=inverse) == (market_id, kind, settle)


def test_a_listed_market_is_told_by_its_symbol() -> None:
    assert INSTRUMENTS.listed("BTCUSD", inverse=True) == ("BTC/USD:BTC", MarketType.SWAP, "BTC")


def test_a_range_that_cannot_be_read_makes_the_markets_unreadable() -> None:
    with pytest.raises(Ambiguous, match="leverageStep"):
        Instruments.from_ccxt(
            [market("BTC/USDT:USDT", "BTCUSDT", leverageFilter={"minLeverage": "1", "maxLeverage": "9"})]
        )
