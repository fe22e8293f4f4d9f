"""What Newvenue meters: requests of a user in a minute, and of a network address where nobody signs.

Read: the page about rate limits, and the limit on each endpoint's own page. Find out: whose requests are counted
together (a key's, a user's, an address's), in what window, whether it begins on the clock, what a request weighs, what
the headers of an answer tell of it (`reading`), and what a venue does to who does not keep to it (`penalty`).

Every endpoint that is called stands here, by ccxt's name for it; one that does not is never called.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, VenueLimits
from worker.venues.newvenue.errors import code_of
from worker.venues.port.response import VenueResponse

MINUTE: Milliseconds = 60_000

ADDRESS = Scope("requests by address", 600, MINUTE, Per.ADDRESS, on_the_clock=True)
USER = Scope("requests by user", 1_200, MINUTE, Per.USER, on_the_clock=True)

PUBLIC = ("publicGetTime", "publicGetInstruments")
SIGNED = ("privateGetKey", "privateGetPositions", "privateGetRecords", "privateGetSettings")
CHANGES = ("privatePostLeverage",)

COSTS: Mapping[str, Cost] = MappingProxyType(
    {name: Cost(((ADDRESS, 1),)) for name in PUBLIC}
    | {name: Cost(((USER, 1),)) for name in SIGNED}
    # A change is guarded: it is recorded before it is sent. Where its answer states nothing of what is in force now,
    # `confirmed_by` names what is read after it, so that there is room for both.
    | {name: Cost(((USER, 1),), changes=True) for name in CHANGES}
)


def penalty(answer: VenueResponse) -> Penalty | None:
    """Who has asked too much waits as long as the answer says."""
    if answer.status == 429 or code_of(answer.body) == "TOO_MANY_REQUESTS":
        return Penalty(answer.retry_after())
    return None


LIMITS = VenueLimits(COSTS, penalty)
