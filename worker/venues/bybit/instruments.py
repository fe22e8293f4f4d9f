"""Bybit's markets from ccxt's, and the leverages each allows."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.requests import MarketType
from worker.venues.parsing import fields as shape
from worker.venues.parsing.markets import Markets, Unlisted, nobody
from worker.venues.port.adapter import Market
from worker.venues.port.errors import ValueRefused

_DATED = re.compile(r"-\d{1,2}[A-Z]{3}\d{2}$|USD[FGHJKMNQUVXZ]\d{2}$")
"""How ids of delivery futures end: BTCUSDT-25DEC26, BTC-25DEC26, BTCUSDZ26."""


@dataclass(frozen=True, slots=True)
class BybitLeverageRange:
    """The leverages of a market (Get Instruments Info, `leverageFilter`)."""

    minimum: Decimal
    maximum: Decimal
    step: Decimal

    def check(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range or the step, for a leverage that does not fit."""
        if not self.minimum <= leverage <= self.maximum:
            problem = f"takes {_plain(self.minimum)}x to {_plain(self.maximum)}x, not {_plain(leverage)}x"
        elif leverage % self.step:
            problem = f"takes leverages in steps of {_plain(self.step)}x, not {_plain(leverage)}x"
        else:
            return
        raise ValueRefused(
            f"{market.symbol} {problem}",
            details={"symbol": market.symbol, "minimum": self.minimum, "maximum": self.maximum},
        )


class Listed(NamedTuple):
    """The market that a row is about, as far as a history needs it."""

    symbol: str
    type: MarketType
    settle: str


@dataclass(frozen=True, slots=True)
class Instruments:
    """All markets, and the leverages they allow by market."""

    markets: Markets
    leverages: Mapping[Market, BybitLeverageRange]

    @classmethod
    def from_ccxt(cls, raw: Iterable[Mapping[str, Any]], unlisted: Unlisted = nobody) -> "Instruments":
        """Swaps and futures among ccxt's markets. Raises Ambiguous if there are none, or one is beyond use."""
        # ccxt takes the smallest order for the size of an inverse contract, but sizes are in USD, whatever that is
        rows = [row | {"contractSize": 1} for row in map(dict, raw)]
        markets = Markets.from_ccxt(rows, unlisted, venue="bybit")
        return cls(markets, dict(_ranges(rows, markets)))

    def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused for a leverage the market can't have. Where none is known the venue will decide."""
        if known := self.leverages.get(market):
            known.check(market, leverage)

    def listed(self, market_id: str, *, inverse: bool) -> Listed:
        """The market of an id; one that is no longer listed is told by its id."""
        if market := self.markets.by_id(market_id, inverse=inverse):
            return Listed(market.symbol, market.type, market.settle)
        kind = MarketType.FUTURE if _DATED.search(market_id) else MarketType.SWAP
        return Listed(market_id, kind, _settle_of_delisted(market_id, inverse=inverse))


def _ranges(rows: Iterable[Mapping[str, Any]], markets: Markets) -> Iterable[tuple[Market, BybitLeverageRange]]:
    for row in rows:
        market = markets.by_id(row["id"], inverse=bool(row["inverse"]))
        allowed = row["info"].get("leverageFilter")
        if market and allowed:
            names = ("minLeverage", "maxLeverage", "leverageStep")
            yield market, BybitLeverageRange(*(shape.decimal(allowed, name) for name in names))


def _settle_of_delisted(market_id: str, *, inverse: bool) -> str:
    if inverse:
        return market_id.partition("USD")[0]
    return "USDT" if "USDT" in market_id else "USDC"


def _plain(leverage: Decimal) -> str:
    return f"{leverage.normalize():f}"
