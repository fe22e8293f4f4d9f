"""Gate at one address: its markets, and adapters for its accounts."""

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.gate.adapter import GateAdapter
from worker.venues.gate.connection import without_keys
from worker.venues.gate.leverage_range import Ranges, ranges_of
from worker.venues.parsing.markets import Markets, Unlisted, nobody

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""The lists of contracts are megabytes long; they may take longer than a request of an account."""


class GateVenue:
    """Makes adapters that share markets, session and TLS context. `load` first."""

    def __init__(
        self,
        connections: VenueConnections,
        base_url: str | None = None,
        timeout_ms: Milliseconds = 5_000,
        network: Network = MAINNET,
    ) -> None:
        self._site = Site("gate", network, base_url)
        self._public = without_keys(connections, base_url, timeout_ms, network)
        self._loaded: tuple[Markets, Ranges] | None = None

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError."""
        before, raw = self._loaded, await self._public.markets(LOAD_TIMEOUT_MS)
        self._loaded = Markets.from_ccxt(raw, unlisted, venue="gate"), ranges_of(raw)
        return self._loaded != before

    def adapter(self, account: Account) -> GateAdapter:
        """The adapter of an account at this address."""
        if self._loaded is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site != self._site:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        markets, ranges = self._loaded
        return GateAdapter(account, self._public.for_account(account), markets, ranges)
