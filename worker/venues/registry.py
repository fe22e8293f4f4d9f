"""The table of venues, and the venues that a set of accounts needs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from schemas.base import Milliseconds
from worker.accounts import Account
from worker.venues import binance
from worker.venues.connections import VenueConnections
from worker.venues.seam import Adapter, Capability


class Venue(Protocol):
    """One exchange at one address: its markets, and adapters for its accounts."""

    async def load(self) -> None:
        """Load or reload the markets. Raises VenueError; trying again is the caller's part."""

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account of this venue; works once `load` has succeeded."""


VenueFactory = Callable[[VenueConnections, str | None, Milliseconds], Venue]
"""Makes a venue from the shared connections, a base URL other than its own, and the time limit of a request."""

VENUES: Mapping[str, VenueFactory] = MappingProxyType({"binance": binance.BinanceVenue})
"""All venues by the name of the exchange. A new one is a row here and one in CAPABILITIES."""

CAPABILITIES: Mapping[str, Callable[[Account], frozenset[Capability]]] = MappingProxyType(
    {"binance": binance.capabilities}
)
"""What each venue lets an account do, told without asking it."""


def capabilities_of(account: Account) -> frozenset[Capability]:
    """What an account can do; everything else is refused before any call."""
    return CAPABILITIES[account.exchange](account)


class Venues:
    """The venues of all accounts: one for each exchange and base URL among them."""

    def __init__(self, connections: VenueConnections, accounts: Iterable[Account], timeout_ms: Milliseconds) -> None:
        places = {(account.exchange, account.base_url) for account in accounts}
        self._venues = {
            (exchange, base_url): VENUES[exchange](connections, base_url, timeout_ms) for exchange, base_url in places
        }

    async def load(self) -> None:
        """Load the markets of all of them side by side. Raises VenueError if any can't be read."""
        await asyncio.gather(*(venue.load() for venue in self._venues.values()))

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account."""
        return self._venues[account.exchange, account.base_url].adapter(account)
