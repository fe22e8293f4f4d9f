"""Gate at one address: its contracts, and adapters for its accounts."""

from typing import NamedTuple

from worker.accounts.account import Account
from worker.venues.gate.adapter import GateAdapter
from worker.venues.gate.client import without_keys
from worker.venues.gate.endpoints import parts_on
from worker.venues.gate.instruments import NOTHING_KNOWN, Lists, load
from worker.venues.parsing.markets import Markets, Unlisted
from worker.venues.reading.venue import LOAD_TIMEOUT_MS, ListedVenue


class GateListing(NamedTuple):
    """Gate's lists, and the markets made from them."""

    lists: Lists
    markets: Markets


class GateVenue(ListedVenue[GateListing]):
    """Perpetuals and deliveries. Where a list could not be read, it is read again soon."""

    exchange = "gate"
    without_keys = staticmethod(without_keys)

    async def listing(self, unlisted: Unlisted, before: GateListing | None) -> GateListing:
        """All lists; of those that can't be read, what was known before."""
        known = NOTHING_KNOWN if before is None else before.lists
        lists = await load(self._public, parts_on(self._site.network), LOAD_TIMEOUT_MS, known)
        if lists.unread:
            unlisted()
        return GateListing(lists, Markets(lists.markets, unlisted, lists.unreadable))

    def seen(self, listing: GateListing) -> object:
        """The lists, of which the markets are made."""
        return listing.lists

    def made(self, account: Account, listing: GateListing) -> GateAdapter:
        """A new adapter."""
        return GateAdapter(account, self._public.for_account(account), listing.markets, listing.lists, self._tiers)
