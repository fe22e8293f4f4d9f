"""OKX at one address: its markets, and adapters for its accounts."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account, Site
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.okx.adapter import OkxAdapter
from worker.venues.okx.answers import INSTRUMENTS, items
from worker.venues.okx.client import without_keys
from worker.venues.okx.errors import PARAMETERS
from worker.venues.okx.instruments import KINDS, as_listed, listed_market, maximum_of
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets, Unlisted, nobody
from worker.venues.port.errors import Refused, Throttled, VenueError
from worker.venues.reading.preflight import attempted

LOAD_TIMEOUT_MS: Milliseconds = 15_000
"""The list of instruments is long; it may take longer than a request of an account."""


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
        self._rows: Mapping[str, list[Row]] = {}
        self._loaded: tuple[Markets, Mapping[str, Decimal]] | None = None

    async def load(self, unlisted: Unlisted = nobody) -> bool:
        """Load or reload the markets, without any key; whether they are others than before. Raises VenueError."""
        before, self._rows = self._loaded, await self._listed()
        rows = [row for listed in self._rows.values() for row in listed]
        maxima = {str(row.get("instId")): maximum for row in rows if (maximum := maximum_of(row)) is not None}
        self._loaded = Markets.read(map(as_listed, rows), listed_market, unlisted, venue="okx"), maxima
        return self._loaded != before

    async def _listed(self) -> dict[str, list[Row]]:
        """The instruments of each type. A type that OKX refuses hides no other: what was known of it stays."""
        answers = dict(zip(KINDS, await asyncio.gather(*map(attempted, map(self._instruments, KINDS))), strict=True))
        failed = [answer for answer in answers.values() if isinstance(answer, VenueError)]
        for error in failed:
            if len(failed) == len(answers) or not _is_barred(error):
                raise error
        return {
            kind: self._rows.get(kind, []) if isinstance(answer, VenueError) else answer
            for kind, answer in answers.items()
        }

    async def _instruments(self, kind: str) -> list[Row]:
        asked = await self._public.call("publicGetPublicInstruments", {"instType": kind}, LOAD_TIMEOUT_MS)
        return items(asked, INSTRUMENTS)

    def adapter(self, account: Account) -> OkxAdapter:
        """The adapter of an account at this address."""
        if self._loaded is None:
            raise RuntimeError("load() must have succeeded before adapters can be made")
        if account.site.seat != self._site.seat:
            raise ValueError(f"{account.id} belongs to another address than this venue")
        return OkxAdapter(account, self._public.for_account(account), *self._loaded)


def _is_barred(error: VenueError) -> bool:
    """Whether OKX does not tell this, now or later; anything else may pass."""
    refused = isinstance(error, Refused) and not isinstance(error, Throttled)
    return refused or error.venue_code in PARAMETERS
