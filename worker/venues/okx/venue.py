"""OKX at one address: its markets, and adapters for its accounts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.okx.adapter import OkxAdapter
from worker.venues.okx.connection import without_keys
from worker.venues.parsing.markets import Markets, Unlisted, nobody

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""The list of markets is long; it may take longer than a request of an account."""


class OkxVenue:
    """Makes adapters that share markets, session and TLS context. `load` first."""

    def __init__(
        self,
        connections: VenueConnections,
        base_url: str | None = None,
        timeout_ms: Milliseconds = 5_000,
        network: Network = MAINNET,
    ) -> None:
        self._site = Site("okx", network, base_url)
        self._public = without_keys(connections, base_url, timeout_ms, network)
        self._loaded: tuple[Markets, Mapping[str, Decimal]] | None = None

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError."""
        before, raw = self._loaded, await self._public.markets(LOAD_TIMEOUT_MS)
        listed = [row for row in raw if _is_complete(row)]
        maxima = {row["id"]: Decimal(str(row["limits"]["leverage"]["max"])) for row in listed}
        self._loaded = Markets.from_ccxt(listed, unlisted, venue="okx"), maxima
        return self._loaded != before

    def adapter(self, account: Account) -> OkxAdapter:
        """The adapter of an account at this address."""
        if self._loaded is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site != self._site:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        return OkxAdapter(account, self._public.for_account(account), *self._loaded)


def _is_complete(row: Mapping[str, Any]) -> bool:
    """Whether there is anything in a row but a name: OKX announces swaps before it opens them (state `preopen`)."""
    return bool(row["settle"] and row["contractSize"])
