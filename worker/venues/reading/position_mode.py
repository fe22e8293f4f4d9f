"""What the position modes of all venues have in common: one that is so already is not sent."""

from collections.abc import Awaitable

from schemas.outcomes import Scope
from worker.venues.port.adapter import Echo, PositionModesRead
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent


async def now_or_not_sent(reading: Awaitable[PositionModesRead]) -> PositionModesRead:
    """What holds now. A doubtful answer to this question leaves no doubt about the change, which was not sent."""
    try:
        return await reading
    except Ambiguous as doubt:
        raise NotSent(f"the present position mode can't be read, so nothing was changed: {doubt.message}") from doubt


async def reaching(scope: Scope, switching: Awaitable[Echo]) -> Echo:
    """A change of a position mode. Where the venue says that it is so already, that reaches as far as the change."""
    try:
        return await switching
    except AlreadySo as so:
        raise AlreadySo(so.message, scope=scope, note=so.note, venue_code=so.venue_code, raw=so.raw) from None
