"""The records of a market that is listed no longer can be asked for by its symbol."""

from datetime import date

import pytest

from schemas.requests import GetFundingHistory, MarketType
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.handlers.history import get_funding_history
from worker.venues.binance.instruments import id_of as of_binance
from worker.venues.bybit.instruments import id_of as of_bybit
from worker.venues.gate.instruments import id_of as of_gate
from worker.venues.hyperliquid.instruments import id_of as of_hyperliquid
from worker.venues.okx.instruments import id_of as of_okx
from worker.venues.port.adapter import Market
from worker.venues.port.errors import UnknownSymbol
from worker.venues.reading.past_markets import IdOf, PastSymbol, past_market

SWAP, FUTURE = MarketType.SWAP, MarketType.FUTURE
DECEMBER = date(2026, 12, 25)
LINEAR = PastSymbol("BTC", "USDT", "USDT", None)
USDC = PastSymbol("BTC", "USDC", "USDC", None)
INVERSE = PastSymbol("BTC", "USD", "BTC", None)
DATED = PastSymbol("BTC", "USDT", "USDT", DECEMBER)
INVERSE_DATED = PastSymbol("BTC", "USD", "BTC", DECEMBER)


@pytest.mark.parametrize(
    ("id_of", "past", "market_id"),
    [
        (of_binance, LINEAR, "BTCUSDT"),
        (of_binance, DATED, "BTCUSDT_261225"),
        (of_binance, INVERSE, "BTCUSD_PERP"),
        (of_binance, INVERSE_DATED, "BTCUSD_261225"),
        (of_bybit, LINEAR, "BTCUSDT"),
        (of_bybit, USDC, "BTCPERP"),
        (of_bybit, INVERSE, "BTCUSD"),
        (of_bybit, DATED, "BTCUSDT-25DEC26"),
        (of_bybit, PastSymbol("BTC", "USDC", "USDC", DECEMBER), "BTC-25DEC26"),
        (of_bybit, INVERSE_DATED, "BTCUSDZ26"),
        (of_gate, LINEAR, "BTC_USDT"),
        (of_gate, INVERSE, "BTC_USD"),
        (of_gate, DATED, "BTC_USDT_20261225"),
        (of_okx, LINEAR, "BTC-USDT-SWAP"),
        (of_okx, INVERSE, "BTC-USD-SWAP"),
        (of_okx, DATED, "BTC-USDT-261225"),
        (of_hyperliquid, PastSymbol("BTC", "USDC", "USDC", None), "BTC"),
        (of_hyperliquid, PastSymbol("XYZ-GOLD", "USDC", "USDC", None), "xyz:GOLD"),
        (of_hyperliquid, DATED, None),
    ],
)
def test_each_venue_has_named_it_in_its_own_way(id_of: IdOf, past: PastSymbol, market_id: str | None) -> None:
    assert id_of(past) == market_id


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [("BTC/USDT:USDT", FUTURE), ("BTC/USDT:USDT-261225", SWAP), ("BTC/USDT:USDT-269999", FUTURE), ("BTCUSDT", SWAP)],
)
def test_what_is_no_symbol_of_this_type_means_no_market(symbol: str, kind: MarketType) -> None:
    assert past_market(symbol, kind, of_binance) is None


def request(symbol: str) -> GetFundingHistory:
    return GetFundingHistory(exchange_account_id=ACCOUNT.id, symbol=symbol)


class Delisting(MemoryVenue):
    """Suggests nothing."""

    def market(self, symbol: str, market_type: MarketType) -> Market:
        raise UnknownSymbol(f"there is no {market_type} market {symbol}")


async def test_its_records_are_told() -> None:
    plan = get_funding_history(request("LUNA/USDT:USDT"), Delisting())
    assert (await plan.read()).entries


async def test_what_is_not_listed_and_has_no_records_is_unknown() -> None:
    plan = get_funding_history(request("GONE/USDT:USDT"), Delisting())
    with pytest.raises(UnknownSymbol, match="there is no swap market GONE/USDT:USDT"):
        await plan.read()


def test_what_is_no_symbol_at_all_is_refused_at_once() -> None:
    with pytest.raises(UnknownSymbol):
        get_funding_history(request("LUNA"), Delisting())
