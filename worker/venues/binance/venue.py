"""Binance at one address: its markets, and adapters for its accounts."""

from collections.abc import Mapping

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.binance.adapter import BinanceAdapter
from worker.venues.binance.client import without_keys
from worker.venues.binance.instruments import kind_of, listed, names_of
from worker.venues.client.connections import VenueConnections
from worker.venues.parsing.markets import Markets, Unlisted, nobody
from worker.venues.port.errors import VenueError

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""The list of markets is some megabytes long; it may take longer than a request of an account."""


class BinanceVenue:
    """Makes adapters that share markets, session and TLS context. `load` first."""

    def __init__(
        self,
        connections: VenueConnections,
        base_url: str | None = None,
        timeout_ms: Milliseconds = 5_000,
        network: Network = MAINNET,
    ) -> None:
        self._site = Site("binance", network, base_url)
        self._public = without_keys(connections, base_url, timeout_ms, network)
        self._markets: Markets | None = None
        self._refused: Mapping[str, VenueError] = {}

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError."""
        before, listings = (self._markets, self._told), await self._public.listings(LOAD_TIMEOUT_MS)
        raw = [listed(row, inverse=family == "inverse") for family, rows in listings.rows.items() for row in rows]
        self._refused = listings.refused
        self._markets = Markets.from_ccxt(raw, unlisted, kind_of=kind_of, names_of=names_of, venue="binance")
        return (self._markets, self._told) != before

    @property
    def _told(self) -> dict[str, str]:
        return {family: error.message for family, error in self._refused.items()}

    def adapter(self, account: Account) -> BinanceAdapter:
        """The adapter of an account at this address."""
        if self._markets is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site.seat != self._site.seat:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        transport = self._public.for_account(account)
        return BinanceAdapter(account, transport, self._markets, self._refused)
