"""The table of venues, and the venues that a set of accounts needs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

from schemas.base import Milliseconds
from schemas.control import Exchange, VenueState
from worker.accounts import Account
from worker.venues import binance, bybit, gate, hyperliquid, okx
from worker.venues.connections import VenueConnections
from worker.venues.health import VenueChange, VenueWatch
from worker.venues.hearing import PATIENCE_MS, Heard, Hearing
from worker.venues.limits import Limits
from worker.venues.limits.places import Granted
from worker.venues.limits.tables import UnknownLimit, VenueLimits
from worker.venues.seam import Adapter, Venue
from worker.venues.upkeep import HOURLY, KeptVenue, Reloads, Told

VenueFactory = Callable[[VenueConnections, str | None, Milliseconds], Venue]
"""Makes a venue from the shared connections, a base URL other than its own, and the time limit of a request."""

VENUES: Mapping[str, VenueFactory] = MappingProxyType(
    {
        "binance": binance.BinanceVenue,
        "bybit": bybit.BybitVenue,
        "gate": gate.GateVenue,
        "hyperliquid": hyperliquid.HyperliquidVenue,
        "okx": okx.OkxVenue,
    }
)
"""All venues by the name of the exchange. A new one is a row here, one in METERED, one in `venues.capabilities`."""

METERED: Mapping[str, VenueLimits] = MappingProxyType(
    {
        "binance": binance.LIMITS,
        "bybit": bybit.LIMITS,
        "gate": gate.LIMITS,
        "hyperliquid": hyperliquid.LIMITS,
        "okx": okx.LIMITS,
    }
)
"""What each of them meters."""


def limits_kept(share: float, granted: Granted) -> Limits:
    """The limits of all venues: a share of those by address, and some other than documented. Raises UnknownLimit."""
    for exchange, limits in granted.items():
        if exchange not in METERED:
            raise UnknownLimit(f"no limits are known of {exchange}, only of {', '.join(METERED)}")
        known = {scope.name for scope in METERED[exchange].scopes}
        if unknown := sorted(limits.keys() - known):
            raise UnknownLimit(f"{exchange} has no limit {unknown[0]!r}, only {', '.join(sorted(known))}")
    return Limits(share, granted)


_Place = tuple[Exchange, str | None]


class Venues:
    """The venues of all accounts: one for each exchange and base URL among them."""

    def __init__(
        self,
        connections: VenueConnections,
        accounts: Iterable[Account],
        timeout_ms: Milliseconds,
        reloads: Reloads = HOURLY,
    ) -> None:
        def make(place: _Place, heard: Heard) -> Venue:
            exchange, base_url = place
            hearing = Hearing(heard, min(PATIENCE_MS, timeout_ms * 9 // 10))
            return VENUES[exchange](connections.heard_by(hearing), base_url, timeout_ms)

        self._changes: list[VenueChange] = []
        places = sorted({(account.exchange, account.base_url) for account in accounts}, key=str)
        self._kept = {place: KeptVenue(*place, partial(make, place), reloads, self._changes.append) for place in places}

    async def load_once(self, account: Account) -> None:
        """Load the markets of an account's venue. Raises VenueError."""
        await self._kept[account.exchange, account.base_url].load_once()

    async def keep_loaded(self, told: Told) -> None:
        """Load each venue's markets, try again for as long as it takes, and load them again before they are old.

        Until cancelled. `told` hears of every failure. A venue that can't be reached holds up nobody but its own
        accounts.
        """
        await asyncio.gather(*(kept.keep_loaded(told) for kept in self._kept.values()))

    async def tried(self) -> None:
        """Wait until each venue's markets were loaded, or could not be for the first time."""
        await asyncio.gather(*(kept.tried.wait() for kept in self._kept.values()))

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account. Raises NotSent while its venue's markets are not loaded."""
        return self._kept[account.exchange, account.base_url].adapter(account)

    @property
    def watch(self) -> VenueWatch:
        """Who knows how they fare."""
        return VenueWatch(self.states, self.changes)

    def states(self) -> tuple[VenueState, ...]:
        """How each venue fares now."""
        return tuple(kept.health.state() for kept in self._kept.values())

    def changes(self) -> list[VenueChange]:
        """What has changed since this was asked last, oldest first. How each venue fares at first is a change too."""
        self.states()
        changes, self._changes[:] = list(self._changes), []
        return changes
