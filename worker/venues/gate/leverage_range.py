"""The leverages that each market can have."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.requests import MarketType
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, ValueRefused


class GateLeverageRange(NamedTuple):
    """What a contract allows at all; a large position allows less, which only Gate knows."""

    lowest: Decimal
    highest: Decimal


Ranges = Mapping[str, GateLeverageRange]
"""Ranges by unified symbol."""


def ranges_of(markets: Iterable[Mapping[str, Any]]) -> Ranges:
    """The ranges that ccxt's markets name (`leverage_min` and `leverage_max` of a contract). Raises Ambiguous."""
    try:
        return {
            row["symbol"]: GateLeverageRange(Decimal(row["info"]["leverage_min"]), Decimal(row["info"]["leverage_max"]))
            for row in markets
            if row["type"] in frozenset(MarketType)
        }
    except (KeyError, TypeError, ArithmeticError) as error:
        raise Ambiguous(f"the leverages of Gate's contracts can't be read ({type(error).__name__})") from error


def check(ranges: Ranges, market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for a leverage outside of the market's range, or a fraction, of which no document speaks."""
    lowest, highest = ranges[market.symbol]
    whole = leverage == leverage.to_integral_value()
    if not (lowest <= leverage <= highest and whole):
        raise ValueRefused(
            f"{market.symbol} takes {lowest:f}x to {highest:f}x{'' if whole else ' in whole steps'}, not {leverage:f}x",
            details={"symbol": market.symbol, "minimum": lowest, "maximum": highest},
        )
