"""Hyperliquid at one address: its dexes, and adapters for its accounts."""

from worker.accounts.account import Account
from worker.venues.hyperliquid.adapter import HyperliquidAdapter
from worker.venues.hyperliquid.client import without_keys
from worker.venues.hyperliquid.instruments import Universe
from worker.venues.parsing.markets import Unlisted
from worker.venues.reading.venue import LOAD_TIMEOUT_MS, ListedVenue


class HyperliquidVenue(ListedVenue[Universe]):
    """The main dex and the builders'. A part of them is better than nothing, but nothing known is given up for it."""

    exchange = "hyperliquid"
    without_keys = staticmethod(without_keys)

    async def listing(self, unlisted: Unlisted, before: Universe | None) -> Universe:
        """All dexes. Raises what hides a part of them where all were known before."""
        universe = Universe.from_listing(await self._public.markets(LOAD_TIMEOUT_MS), unlisted)
        if universe.incomplete is not None:
            if before is not None:
                raise universe.incomplete
            unlisted()
        return universe

    def made(self, account: Account, listing: Universe) -> HyperliquidAdapter:
        """A new adapter. Raises AccessDenied for a malformed key or address."""
        return HyperliquidAdapter(account, self._public.for_account(account), listing, self._tiers)
