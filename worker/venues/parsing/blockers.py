"""What keeps a market from another margin mode, in words that say what to do about it."""

from collections.abc import Awaitable, Iterable
from decimal import Decimal

from schemas.requests import MarginMode
from worker.venues.parsing.position_math import side_of
from worker.venues.port.adapter import Market
from worker.venues.port.errors import PreconditionFailed, VenueError


def orders(refusal: PreconditionFailed, market: Market, mode: MarginMode) -> PreconditionFailed:
    """A refusal because of open orders."""
    return _told(refusal, market, mode, "open orders; cancel them")


async def position(
    refusal: PreconditionFailed, market: Market, mode: MarginMode, amounts: Awaitable[Iterable[Decimal]]
) -> PreconditionFailed:
    """A refusal because of an open position, which is named if `amounts` can be read; that it is there is sure."""
    try:
        held = described(amount for amount in await amounts if amount)
    except VenueError:
        held = ""
    return _told(
        refusal, market, mode, f"an open position ({held}); close it" if held else "an open position; close it"
    )


def described(amounts: Iterable[Decimal]) -> str:
    """Sides and sizes in words; contracts are negative for a short position.

    >>> described([Decimal("12.0"), Decimal(-3)])
    'long 12 and short 3'
    """
    return " and ".join(f"{side_of(amount)} {abs(amount).normalize():f}" for amount in amounts)


def _told(refusal: PreconditionFailed, market: Market, mode: MarginMode, what: str) -> PreconditionFailed:
    return PreconditionFailed(
        f"{market.symbol} has {what} before switching its margin mode to {mode}",
        venue_code=refusal.venue_code,
        raw=refusal.raw,
        details={"symbol": market.symbol},
    )
