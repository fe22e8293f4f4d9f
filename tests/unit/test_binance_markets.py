"""Finding a market, and telling a person what they probably meant."""

from decimal import Decimal

import pytest

from schemas.requests import MarketType
from worker.venues.parsing.markets import Markets
from worker.venues.port.adapter import Market
from worker.venues.port.errors import UnknownSymbol


def market(symbol: str, market_id: str, market_type: MarketType = MarketType.SWAP) -> Market:
    pair, _, rest = symbol.partition(":")
    base, quote = pair.split("/")
    settle = rest.partition("-")[0]
    return Market(symbol, market_id, market_type, settle == base, base, quote, settle, Decimal(1))


MARKETS = Markets(
    [
        market("BTC/USDT:USDT", "BTCUSDT"),
        market("ETH/USDT:USDT", "ETHUSDT"),
        market("BTC/USDC:USDC", "BTCUSDC"),
        market("BTC/USD:BTC", "BTCUSD_PERP"),
        market("BTC/USDT:USDT-261225", "BTCUSDT_261225", MarketType.FUTURE),
    ]
)


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDC:USDC"])
def test_a_unified_symbol_is_found(symbol: str) -> None:
    assert MARKETS.find(symbol, MarketType.SWAP).symbol == symbol


def test_a_delivery_is_found_among_the_futures() -> None:
    assert MARKETS.find("BTC/USDT:USDT-261225", MarketType.FUTURE).id == "BTCUSDT_261225"


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [
        ("BTCUSDT", "BTC/USDT:USDT"),
        ("btcusdt", "BTC/USDT:USDT"),
        ("BTC/USDT", "BTC/USDT:USDT"),
        ("BTC-USDT", "BTC/USDT:USDT"),
        ("btc/usdt:usdt", "BTC/USDT:USDT"),
        ("BTCUSD_PERP", "BTC/USD:BTC"),
        ("BTC/USD", "BTC/USD:BTC"),
        ("ETH/USDT:USTD", "ETH/USDT:USDT"),
    ],
)
def test_a_misspelt_symbol_names_the_one_that_was_meant(symbol: str, meant: str) -> None:
    with pytest.raises(UnknownSymbol, match=f"did you mean {meant}\\?") as caught:
        MARKETS.find(symbol, MarketType.SWAP)
    assert caught.value.details["suggestion"] == meant


@pytest.mark.parametrize("symbol", ["BTTC/USDT:USDT", "BTCC", "XBTC/USDT", "BTTCUSDT", "BUSDT", "ET/USDT:USDT"])
def test_another_coin_is_never_suggested(symbol: str) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        MARKETS.find(symbol, MarketType.SWAP)
    assert "suggestion" not in caught.value.details


def test_a_symbol_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UnknownSymbol) as caught:
        MARKETS.find("§§§", MarketType.SWAP)
    assert "did you mean" not in caught.value.message


@pytest.mark.parametrize(
    ("symbol", "asked", "right"),
    [("BTC/USDT:USDT-261225", "swap", "future"), ("BTC/USDT:USDT", "future", "swap")],
)
def test_a_market_of_the_other_type_says_which_type_to_pass(symbol: str, asked: str, right: str) -> None:
    with pytest.raises(UnknownSymbol, match=f"pass market_type={right}"):
        MARKETS.find(symbol, MarketType(asked))


def test_the_same_id_may_stand_for_a_linear_and_an_inverse_market() -> None:
    assert MARKETS.by_id("BTCUSD_PERP", inverse=True) is not None
    assert MARKETS.by_id("BTCUSD_PERP", inverse=False) is None


def test_linear_markets_say_what_they_settle_in() -> None:
    assert MARKETS.linear_settles == {"USDT", "USDC"}
