"""What a contract of Binance is: its own `contractType` says it, and no date.

Every contract has a `deliveryDate`: 2100 for a perpetual one, until its delisting is announced.

Sources: Common Definition of USDⓈ-M and of COIN-M for the enumerations, read 2026-11-29 in copies of 2025 and in the
official clients 18.1 and 14.1, which add TRADIFI_PERPETUAL. Two spellings are met: the documents write
PERPETUAL_DELIVERING, live answers PERPETUAL DELIVERING (Binance.Net).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.requests import MarketType
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets
from worker.venues.port.errors import NotSupported, UnknownSymbol, VenueError
from worker.venues.reading.past_markets import PastSymbol

CONTRACT_TYPES: Mapping[str, MarketType] = MappingProxyType(
    {
        "PERPETUAL": MarketType.SWAP,
        "PERPETUAL_DELIVERING": MarketType.SWAP,
        "TRADIFI_PERPETUAL": MarketType.SWAP,
        "CURRENT_MONTH": MarketType.FUTURE,
        "NEXT_MONTH": MarketType.FUTURE,
        "CURRENT_QUARTER": MarketType.FUTURE,
        "NEXT_QUARTER": MarketType.FUTURE,
        "CURRENT_QUARTER_DELIVERING": MarketType.FUTURE,
        "NEXT_QUARTER_DELIVERING": MarketType.FUTURE,
    }
)
"""What each type of contract is to us."""


def kind_of(raw: Mapping[str, Any]) -> MarketType:
    """What a market as ccxt lists it is, by its row of exchangeInfo. A contract that has left trading may have an empty
    type: its id tells then.

    Raises LookupError for a type that we don't know, and Ambiguous for a row that lacks what its kind must have.
    """
    row = raw["info"]
    market_id, told = shape.text(row, "symbol"), str(row.get("contractType") or "").replace(" ", "_")
    if told and told not in CONTRACT_TYPES:
        raise LookupError(f"its contractType is {told}, and we don't know what that is")
    kind = CONTRACT_TYPES[told] if told else kind_of_id(market_id)
    if kind is MarketType.FUTURE:
        shape.milliseconds(row, "deliveryDate")
    if raw["inverse"]:
        shape.decimal(row, "contractSize")
    return kind


def names_of(raw: Mapping[str, Any]) -> tuple[str, str, str]:
    """Base, quote and settle currency, as Binance writes them."""
    row = raw["info"]
    return shape.text(row, "baseAsset"), shape.text(row, "quoteAsset"), shape.text(row, "marginAsset")


def id_of(past: PastSymbol) -> str:
    """The id of a contract that is listed no longer: BTCUSDT, BTCUSDT_261225, BTCUSD_PERP, BTCUSD_261225."""
    pair = past.base + past.quote
    if past.expiry:
        return f"{pair}_{past.expiry:%y%m%d}"
    return f"{pair}_PERP" if past.inverse else pair


def is_inverse(symbol: str) -> bool:
    """Whether a symbol, or an id, is one of COIN-M: all of its contracts are quoted in USD.

    >>> is_inverse("BTC/USD:BTC"), is_inverse("BTCUSD_PERP"), is_inverse("BTC/USDT:USDT"), is_inverse("BTCUSDT_261225")
    (True, True, False, False)
    """
    return "/USD:" in symbol or "USD_" in symbol


def listed(row: Row, *, inverse: bool) -> dict[str, Any]:
    """A row of exchangeInfo as ccxt lists a market, without ccxt's taking a date for a kind and its own names of coins.

    A contract of USDⓈ-M is worth one coin (its exchangeInfo has no `contractSize`).
    """
    return {
        "id": row.get("symbol"),
        "info": row,
        "inverse": inverse,
        "contractSize": row.get("contractSize") if inverse else 1,
        "expiry": row.get("deliveryDate"),
        "active": row.get("contractStatus" if inverse else "status") == "TRADING",
    }


def kind_of_id(market_id: str) -> MarketType:
    """What a contract is that is listed no more: ids of delivery futures end with their date, BTCUSDT_261225."""
    return MarketType.FUTURE if market_id.rpartition("_")[2].isdecimal() else MarketType.SWAP


class BinanceMarkets(Markets):
    """The markets of the families that tell them. Why others do not is `refused`, by their names."""

    refused: Mapping[str, VenueError] = MappingProxyType({})

    def _missing(self, symbol: str, market_type: MarketType) -> UnknownSymbol | NotSupported:
        """What to raise for a symbol that is not listed: NotSupported for one of a family without a list."""
        unknown = super()._missing(symbol, market_type)
        why = self.refused.get("inverse" if is_inverse(symbol) else "linear")
        if why is None:
            return unknown
        message = f"{symbol} can't be looked up, for its contracts are not listed to us: {why.message}"
        return NotSupported(message, details=unknown.details)
