"""One odd instrument spoils no list; what a contract is and is called is the venue's own word."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.requests import MarketType
from worker.venues.parsing.markets import Markets
from worker.venues.port.errors import Ambiguous, NotSupported

SWAP, FUTURE = MarketType.SWAP, MarketType.FUTURE
BTC: dict[str, Any] = {
    "symbol": "BTC/USDT:USDT",
    "id": "BTCUSDT",
    "type": "swap",
    "inverse": False,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "contractSize": 1.0,
    "active": True,
    "expiry": None,
    "info": {"contractType": "PERPETUAL"},
}
ETH = BTC | {"symbol": "ETH/USDT:USDT", "id": "ETHUSDT", "base": "ETH"}


@pytest.mark.parametrize("odd", [{"contractSize": None}, {"contractSize": 0}, {"contractSize": "much"}, {"type": None}])
def test_an_instrument_that_cant_be_read_is_left_out_alone_and_refused_with_the_reason(odd: dict[str, Any]) -> None:
    with capture_logs() as logs:
        markets = Markets.from_ccxt([ETH | odd, BTC], venue="binance", kind_of=lambda row: MarketType(row["type"]))
    assert markets.find("BTC/USDT:USDT", SWAP).id == "BTCUSDT"
    assert markets.unreadable.keys() == {"ETHUSDT"}
    with pytest.raises(NotSupported, match="ETH/USDT:USDT is listed as ETHUSDT, and can't be used"):
        markets.find("ETH/USDT:USDT", SWAP)
    assert "which can't be read" in markets.unlisted("Binance", "ETHUSDT", {}).message
    assert [(line["event"], line["count"], line["first"]) for line in logs] == [
        ("instruments_unreadable", 1, "ETHUSDT")
    ]


def test_a_list_of_which_nothing_can_be_read_is_none() -> None:
    with pytest.raises(Ambiguous, match="no market can be read; BTCUSDT"):
        Markets.from_ccxt([BTC | {"contractSize": None}])


def test_the_kind_is_the_venues_own_word_whatever_dates_a_contract_has() -> None:
    delisted = BTC | {"type": "future", "symbol": "BTC/USDT:USDT-261225", "expiry": 1_798_185_600_000}
    markets = Markets.from_ccxt([delisted], kind_of=lambda row: SWAP)
    assert markets.find("BTC/USDT:USDT", SWAP).type is SWAP
    dated = BTC | {"expiry": 1_798_185_600_000}
    futures = Markets.from_ccxt([dated], kind_of=lambda row: FUTURE)
    assert futures.find("BTC/USDT:USDT-261225", FUTURE).type is FUTURE


def test_names_are_the_venues_own() -> None:
    renamed = BTC | {"id": "GTC_USDT", "base": "GAMECOM", "symbol": "GAMECOM/USDT:USDT"}
    markets = Markets.from_ccxt([renamed], names_of=lambda row: (*row["id"].split("_"), "USDT"))
    assert markets.find("GTC/USDT:USDT", SWAP).base == "GTC"


def test_of_two_ids_with_one_symbol_the_one_that_is_traded_has_it_and_the_other_is_told() -> None:
    old = BTC | {"id": "BTCUSDT_OLD", "active": False}
    markets = Markets.from_ccxt([old, BTC])
    assert markets.find("BTC/USDT:USDT", SWAP).id == "BTCUSDT"
    assert markets.unreadable["BTCUSDT_OLD"].reason == "several share the symbol: BTCUSDT_OLD, BTCUSDT"


def test_a_symbol_that_two_traded_ids_share_means_neither() -> None:
    markets = Markets.from_ccxt([BTC, BTC | {"id": "BTCUSDT2"}, ETH])
    with pytest.raises(NotSupported, match="several share the symbol"):
        markets.find("BTC/USDT:USDT", SWAP)
    assert markets.by_id("BTCUSDT", inverse=False) is None
