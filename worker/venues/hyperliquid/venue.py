"""Hyperliquid at one address: its markets, and adapters for its accounts."""

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.hyperliquid.adapter import HyperliquidAdapter
from worker.venues.hyperliquid.client import without_keys
from worker.venues.hyperliquid.instruments import Universe
from worker.venues.parsing.markets import Unlisted, nobody

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""The list of all dexes is long; it may take longer than a request of an account."""


class HyperliquidVenue:
    """Makes adapters that share markets, session and TLS context. `load` first."""

    def __init__(
        self,
        connections: VenueConnections,
        base_url: str | None = None,
        timeout_ms: Milliseconds = 5_000,
        network: Network = MAINNET,
    ) -> None:
        self._site = Site("hyperliquid", network, base_url)
        self._public = without_keys(connections, base_url, timeout_ms, network)
        self._universe: Universe | None = None

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError.

        Where the venue tells only a part of them, that is better than nothing, and soon asked for again; but nothing
        that was loaded before is given up for it.
        """
        before, raw = self._universe, await self._public.markets(LOAD_TIMEOUT_MS)
        universe = Universe.from_listing(raw, unlisted)
        if universe.incomplete is not None:
            if before is not None:
                raise universe.incomplete
            unlisted()
        self._universe = universe
        return universe != before

    def adapter(self, account: Account) -> HyperliquidAdapter:
        """The adapter of an account at this address. Raises AccessDenied for a malformed key or address."""
        if self._universe is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site.seat != self._site.seat:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        return HyperliquidAdapter(account, self._public.for_account(account), self._universe)
