"""Bybit at one address: its instruments, and adapters for its accounts."""

from worker.accounts.account import Account
from worker.venues.bybit.adapter import BybitAdapter
from worker.venues.bybit.client import without_keys
from worker.venues.bybit.instruments import Instruments
from worker.venues.parsing.markets import Unlisted
from worker.venues.reading.venue import LOAD_TIMEOUT_MS, ListedVenue


class BybitVenue(ListedVenue[Instruments]):
    """Linear and inverse instruments, in whatever status."""

    exchange = "bybit"
    without_keys = staticmethod(without_keys)

    async def listing(self, unlisted: Unlisted, before: Instruments | None) -> Instruments:
        """All instruments."""
        return Instruments.from_rows(await self._public.markets(LOAD_TIMEOUT_MS), unlisted)

    def made(self, account: Account, listing: Instruments) -> BybitAdapter:
        """A new adapter."""
        return BybitAdapter(account, self._public.for_account(account), listing, self._tiers)
