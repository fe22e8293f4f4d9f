"""Bybit at one address: its markets, and adapters for its accounts."""

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.bybit.adapter import BybitAdapter
from worker.venues.bybit.client import without_keys
from worker.venues.bybit.instruments import Instruments
from worker.venues.client.connections import VenueConnections
from worker.venues.parsing.markets import Unlisted, nobody

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""The list of markets is some megabytes long; it may take longer than a request of an account."""


class BybitVenue:
    """Makes adapters that share markets, session and TLS context. `load` first."""

    def __init__(
        self,
        connections: VenueConnections,
        base_url: str | None = None,
        timeout_ms: Milliseconds = 5_000,
        network: Network = MAINNET,
    ) -> None:
        self._site = Site("bybit", network, base_url)
        self._public = without_keys(connections, base_url, timeout_ms, network)
        self._instruments: Instruments | None = None

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError."""
        before, raw = self._instruments, await self._public.markets(LOAD_TIMEOUT_MS)
        self._instruments = Instruments.from_rows(raw, unlisted)
        return self._instruments != before

    def adapter(self, account: Account) -> BybitAdapter:
        """The adapter of an account at this address."""
        if self._instruments is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site.seat != self._site.seat:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        return BybitAdapter(account, self._public.for_account(account), self._instruments)
