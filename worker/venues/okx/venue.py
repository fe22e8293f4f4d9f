"""OKX at one address: its instruments, and adapters for its accounts."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from worker.accounts.account import Account
from worker.venues.okx.adapter import OkxAdapter
from worker.venues.okx.answers import INSTRUMENTS, items
from worker.venues.okx.client import without_keys
from worker.venues.okx.errors import PARAMETERS
from worker.venues.okx.instruments import KINDS, as_listed, listed_market, maximum_of
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets, Unlisted
from worker.venues.port.errors import Refused, Throttled, VenueError
from worker.venues.reading.preflight import attempted
from worker.venues.reading.venue import LOAD_TIMEOUT_MS, ListedVenue


class OkxListing(NamedTuple):
    """Markets, the highest leverage of each, and the rows of each type that they were made from."""

    markets: Markets
    maxima: Mapping[str, Decimal]
    rows: Mapping[str, list[Row]]


class OkxVenue(ListedVenue[OkxListing]):
    """Swaps and futures. A type that OKX refuses hides no other: what was known of it stays."""

    exchange = "okx"
    without_keys = staticmethod(without_keys)

    async def listing(self, unlisted: Unlisted, before: OkxListing | None) -> OkxListing:
        """The instruments of each type."""
        by_kind = await self._by_kind({} if before is None else before.rows)
        rows = [row for listed in by_kind.values() for row in listed]
        maxima = {str(row.get("instId")): maximum for row in rows if (maximum := maximum_of(row)) is not None}
        return OkxListing(Markets.read(map(as_listed, rows), listed_market, unlisted, venue="okx"), maxima, by_kind)

    def seen(self, listing: OkxListing) -> object:
        """The markets and their leverages; the rows have figures that change all the time."""
        return listing.markets, listing.maxima

    def made(self, account: Account, listing: OkxListing) -> OkxAdapter:
        """A new adapter."""
        transport = self._public.for_account(account)
        return OkxAdapter(account, transport, listing.markets, listing.maxima, self._tiers)

    async def _by_kind(self, known: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
        answers = dict(zip(KINDS, await asyncio.gather(*map(attempted, map(self._instruments, KINDS))), strict=True))
        failed = [answer for answer in answers.values() if isinstance(answer, VenueError)]
        for error in failed:
            if len(failed) == len(answers) or not _is_barred(error):
                raise error
        return {
            kind: known.get(kind, []) if isinstance(answer, VenueError) else answer for kind, answer in answers.items()
        }

    async def _instruments(self, kind: str) -> list[Row]:
        asked = await self._public.call("publicGetPublicInstruments", {"instType": kind}, LOAD_TIMEOUT_MS)
        return items(asked, INSTRUMENTS)


def _is_barred(error: VenueError) -> bool:
    """Whether OKX does not tell this, now or later; anything else may pass."""
    refused = isinstance(error, Refused) and not isinstance(error, Throttled)
    return refused or error.venue_code in PARAMETERS
