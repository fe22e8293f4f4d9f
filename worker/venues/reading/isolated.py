"""Which isolated position is meant: the one that is open, or of two the one whose side is named."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.requests import MarginMode
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import PreconditionFailed


class OpenSide(NamedTuple):
    """An open position: its side, its margin mode, and the row that tells of it."""

    side: str
    mode: MarginMode
    row: Row


def the_isolated(market: Market, held: Iterable[OpenSide], side: str | None) -> OpenSide:
    """The isolated position that is meant. Raises PreconditionFailed that says what stands in the way.

    A side that is named must be open and isolated; without one, only one position may be.
    """
    found = [one for one in held if side in (None, one.side)]
    isolated = [one for one in found if one.mode is MarginMode.ISOLATED]
    if len(isolated) == 1:
        return isolated[0]
    which = f"{side} position" if side else "position"
    if not found:
        raise _refused(market, f"{market.symbol} has no open {which}")
    if not isolated:
        raise _refused(
            market, f"the {which} in {market.symbol} is in cross margin, which has none of its own to be moved"
        )
    sides = " and ".join(sorted(one.side for one in isolated))
    raise _refused(market, f"{market.symbol} has {sides} positions: say which is meant (position_side)")


def _refused(market: Market, message: str) -> PreconditionFailed:
    return PreconditionFailed(message, details={"symbol": market.symbol})
