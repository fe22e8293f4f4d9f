"""All limits that this process keeps."""

from collections.abc import Mapping

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import CLOCKS, Clocks
from worker.venues.limits.limiter import LimitTerms, RateLimiter
from worker.venues.limits.meter import Headroom
from worker.venues.limits.tables import VenueLimits

Granted = Mapping[str, Mapping[str, int]]
NOTHING_GRANTED: Granted = {}


class Limits:
    """The limits of every exchange at every address it is reached at. All accounts of the process share them.

    `share` is the part of each limit by network address that is ours: several processes behind one address must not
    take more than the whole of it together. `granted` holds limits other than the documented ones, which a venue has
    granted us, by exchange and name; `background` is the part of each that reading in the background may use. What
    passes is measured by a clock that nobody sets: a step of UTC closes nothing and forgets nothing.
    """

    def __init__(
        self,
        share: float = 1.0,
        granted: Granted = NOTHING_GRANTED,
        clocks: Clocks = CLOCKS,
        *,
        background: float = 0.5,
    ) -> None:
        self._share = share
        self._background = background
        self._granted = granted
        self._clocks = clocks
        self._places: dict[tuple[str, Network, str | None], RateLimiter] = {}

    def place(self, exchange: str, base_url: str | None, venue: VenueLimits, network: Network = MAINNET) -> RateLimiter:
        """The limits of an exchange at an address. What was granted holds for the real network alone."""
        key = exchange, network, base_url
        if (found := self._places.get(key)) is None:
            granted = self._granted.get(exchange, {}) if network == MAINNET else {}
            terms = LimitTerms(self._share, granted, self._background)
            found = self._places[key] = RateLimiter(exchange, base_url, venue, terms, self._clocks, network=network)
        return found

    def now(self) -> Milliseconds:
        """The time that deadlines are compared with, UTC ms."""
        return self._clocks.utc()

    def headroom(self) -> list[Headroom]:
        """What is left of every scope that was used yet."""
        return [row for place in self._places.values() for row in place.headroom()]
