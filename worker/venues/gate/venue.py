"""Gate at one address: its markets, and adapters for its accounts."""

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.gate.adapter import GateAdapter
from worker.venues.gate.client import without_keys
from worker.venues.gate.endpoints import parts_on
from worker.venues.gate.instruments import NOTHING_KNOWN, load
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
        self._parts = parts_on(network)
        self._lists = NOTHING_KNOWN
        self._markets: Markets | None = None

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError.

        Where a list could not be read, `unlisted` is told at once, so that it is read again soon.
        """
        before = self._lists
        self._lists = await load(self._public, self._parts, LOAD_TIMEOUT_MS, before)
        self._markets = Markets(self._lists.markets, unlisted, self._lists.unreadable)
        if self._lists.unread:
            unlisted()
        return self._lists != before

    def adapter(self, account: Account) -> GateAdapter:
        """The adapter of an account at this address."""
        if self._markets is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site.seat != self._site.seat:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        return GateAdapter(account, self._public.for_account(account), self._markets, self._lists)
