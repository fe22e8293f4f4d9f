"""Newvenue at one address: its instruments, and adapters for its accounts."""

from worker.accounts.account import Account
from worker.venues.newvenue.adapter import NewvenueAdapter
from worker.venues.newvenue.client import without_keys
from worker.venues.newvenue.instruments import NewvenueListing, listing_of, rows_of
from worker.venues.parsing.markets import Unlisted
from worker.venues.reading.venue import LOAD_TIMEOUT_MS, ListedVenue


class NewvenueVenue(ListedVenue[NewvenueListing]):
    """All instruments, in whatever status. What was known before stays where a list can't be read."""

    exchange = "newvenue"
    without_keys = staticmethod(without_keys)

    async def listing(self, unlisted: Unlisted, before: NewvenueListing | None) -> NewvenueListing:
        """All instruments."""
        return listing_of(rows_of(await self._public.call("publicGetInstruments", {}, LOAD_TIMEOUT_MS)), unlisted)

    def made(self, account: Account, listing: NewvenueListing) -> NewvenueAdapter:
        """A new adapter."""
        return NewvenueAdapter(account, self._public.for_account(account), listing)
