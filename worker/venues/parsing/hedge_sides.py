"""The legs of a market's position, and what they are together."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from worker.venues.port.adapter import MarginSettings, SymbolState


@dataclass(frozen=True, slots=True)
class Leg:
    """One open row of a market: its size in contracts, its value in quote currency, its profit in settle currency."""

    side: str
    size: Decimal
    notional: Decimal
    unrealized_pnl: Decimal


def summed(legs: Iterable[Leg], terms: MarginSettings) -> SymbolState:
    """Terms and position of a market. Without legs it has no side, with a long and a short one it has both."""
    held = tuple(legs)
    sides = {leg.side for leg in held}
    return SymbolState(
        terms=terms,
        side=None if not sides else "both" if len(sides) > 1 else sides.pop(),
        size=sum((leg.size for leg in held), Decimal(0)),
        notional=sum((leg.notional for leg in held), Decimal(0)),
        unrealized_pnl=sum((leg.unrealized_pnl for leg in held), Decimal(0)),
    )
