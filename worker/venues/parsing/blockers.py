"""What keeps a market from another margin mode, or an account from another position mode: what to do about it."""

from collections.abc import Awaitable, Iterable, Mapping
from decimal import Decimal

from schemas.replies import Position
from schemas.requests import MarginMode, PositionMode
from worker.venues.parsing.position_math import side_of
from worker.venues.port.adapter import Market, ModeAddress, OpenPositions
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


async def of_position_mode(
    refusal: PreconditionFailed,
    address: ModeAddress,
    mode: PositionMode,
    positions: Awaitable[OpenPositions],
    orders: Awaitable[Mapping[str, int]],
) -> PreconditionFailed:
    """A refusal of another position mode, with all that is open there and can be read now.

    `orders` counts open orders by symbol. Where neither shows anything, the venue's own reason has to do.
    """
    held = [_held(position) for position in await _positions(positions)]
    ordered = await _orders(orders)
    counted = [f"{count} in {symbol}" for symbol, count in ordered.items()]
    parts = [("open positions", held, "close"), ("open orders", counted, "cancel")]
    found = [f"{name} ({', '.join(rows)}); {remedy} them" for name, rows, remedy in parts if rows]
    what = f"has {' and '.join(found)}" if found else f"can't be switched now: {refusal.message}; do that"
    return PreconditionFailed(
        f"{address} {what} before switching the position mode to {mode}",
        venue_code=refusal.venue_code,
        raw=refusal.raw,
        details=refusal.details | {"open_positions": held, "open_orders": dict(ordered)},
    )


def _held(position: Position) -> str:
    return f"{position.symbol} {position.side} {position.contracts.normalize():f}"


async def _positions(positions: Awaitable[OpenPositions]) -> tuple[Position, ...]:
    try:
        return (await positions).positions
    except VenueError:
        return ()


async def _orders(orders: Awaitable[Mapping[str, int]]) -> Mapping[str, int]:
    try:
        return await orders
    except VenueError:
        return {}


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
