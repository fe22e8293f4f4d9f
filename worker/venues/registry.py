"""The table of venues, and the venues that a set of accounts needs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from schemas.base import Milliseconds
from schemas.control import Exchange
from worker.accounts import Account
from worker.venues import binance, bybit, gate, hyperliquid, okx
from worker.venues.connections import VenueConnections
from worker.venues.errors import NotSent, VenueError
from worker.venues.limits import Limits
from worker.venues.limits.places import Granted
from worker.venues.limits.tables import UnknownLimit, VenueLimits
from worker.venues.seam import Adapter


class Venue(Protocol):
    """One exchange at one address: its markets, and adapters for its accounts."""

    async def load(self) -> None:
        """Load or reload the markets. Raises VenueError; trying again is the caller's part."""

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account of this venue; works once `load` has succeeded."""


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


FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15

_Place = tuple[Exchange, str | None]


class Venues:
    """The venues of all accounts: one for each exchange and base URL among them."""

    def __init__(self, connections: VenueConnections, accounts: Iterable[Account], timeout_ms: Milliseconds) -> None:
        places = {(account.exchange, account.base_url) for account in accounts}
        self._venues = {
            (exchange, base_url): VENUES[exchange](connections, base_url, timeout_ms) for exchange, base_url in places
        }
        self._loaded: set[_Place] = set()

    async def load(self, told: Callable[[str, VenueError], None]) -> None:
        """Load each venue's markets, and try again for as long as it takes; `told` hears of every failure.

        A venue that can't be reached holds up nobody but its own accounts.
        """
        await asyncio.gather(*(self._load_one(place, told) for place in self._venues))

    async def load_once(self, account: Account) -> None:
        """Load the markets of an account's venue. Raises VenueError."""
        await self._load((account.exchange, account.base_url))

    async def _load(self, place: _Place) -> None:
        await self._venues[place].load()
        self._loaded.add(place)

    async def _load_one(self, place: _Place, told: Callable[[str, VenueError], None]) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return await self._load(place)
            except VenueError as error:
                told(place[0], error)
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)

    def adapter(self, account: Account) -> Adapter:
        """A new adapter of an account. Raises NotSent while its venue's markets are not loaded."""
        place = account.exchange, account.base_url
        if place not in self._loaded:
            raise NotSent(f"the markets of {account.exchange} are not loaded yet")
        return self._venues[place].adapter(account)
