"""One venue at one address: what it lists, and adapters for its accounts."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from schemas.base import Milliseconds
from schemas.control import Exchange, Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.parsing.markets import Unlisted, nobody
from worker.venues.port.adapter import Adapter
from worker.venues.reading.tiers import TierCache

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""Lists of markets are megabytes long; they may take longer than a request of an account."""

ListingT = TypeVar("ListingT")


class ListedVenue(ABC, Generic[ListingT]):
    """Makes adapters that share what the venue lists, its session and its TLS context. `load` first."""

    exchange: ClassVar[Exchange]

    def __init__(
        self,
        connections: VenueConnections,
        base_url: str | None = None,
        timeout_ms: Milliseconds = 5_000,
        network: Network = MAINNET,
    ) -> None:
        self._site = Site(self.exchange, network, base_url)
        self._public = self.without_keys(connections, base_url, timeout_ms, network)
        self._listing: ListingT | None = None
        self._tiers = TierCache()

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload what is listed, without any key; whether it is other than before. Raises VenueError.

        `unlisted` is told of what nobody lists, and where only a part could be read: then it is read again soon.
        """
        before = self._listing
        self._listing = await self.listing(unlisted, before)
        return before is None or self.seen(self._listing) != self.seen(before)

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account at this address. Raises AccessDenied for credentials that can't sign anything."""
        if self._listing is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site.seat != self._site.seat:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        return self.made(account, self._listing)

    @staticmethod
    @abstractmethod
    def without_keys(
        connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network
    ) -> Any:
        """A transport for public calls, from which those of the accounts are made."""

    @abstractmethod
    async def listing(self, unlisted: Unlisted, before: ListingT | None) -> ListingT:
        """What the venue lists now. Raises VenueError, and what was known before stays in force."""

    def seen(self, listing: ListingT) -> object:
        """What of it tells one listing from another: all of it, unless a venue says less."""
        return listing

    @abstractmethod
    def made(self, account: Account, listing: ListingT) -> Adapter:
        """A new adapter, for the listing as it is now."""
