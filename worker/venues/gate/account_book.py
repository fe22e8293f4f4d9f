"""Entries of Gate's account books: funding payments and realized profits, over windows and pages.

Source: APIv4 documentation, Query futures account change history, for perpetuals and for deliveries. `from` and `to`
are seconds, an entry's time has fractions of one; the newest entries come first. The documents name no limit to the
stretch that may be asked for, nor to how long entries are kept; none is assumed. They do say that entries carry their
contract only since 2023-10-30 and, in the changelog of v4.83.0, an id only since October 2024.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.gate.codes import NO_ACCOUNT
from worker.venues.gate.endpoints import Part
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery, Market
from worker.venues.port.errors import Ambiguous, Refused
from worker.venues.reading.history import DAY, Records

PAGE = 1_000
"""The most entries one answer holds."""

SPAN: Milliseconds = 180 * DAY
"""How much is asked for at a time. Gate lists the newest first, so a window is read whole before its first entry."""

LAUNCH: Milliseconds = 1_546_128_000_000
"""2018-12-30, the first version of the futures API: no entry is older."""

CONTRACTS_SINCE: Milliseconds = 1_698_710_400_000
"""2023-10-31. An older entry names its contract in its text only, and Gate's own filter leaves it out."""


@dataclass(frozen=True, slots=True)
class AccountBook:
    """Entries of some types in one part of an account. `entry` reads a row, or gives None for one nobody asked for."""

    transport: Calls
    part: Part
    types: frozenset[str]
    market: Market | None
    entry: Callable[[Row], LedgerEntry | None]

    async def history(self, query: HistoryQuery) -> History:
        """The first `limit` entries from `since` on, or without it the newest. Raises VenueError."""
        return await Records(self._between, SPAN, LAUNCH).history(query, self.transport.now())

    async def _between(self, start: Milliseconds, end: Milliseconds) -> AsyncIterator[LedgerEntry]:
        """Every entry of a window once, ascending. Gate counts seconds, so the ends are cut to the millisecond here."""
        rows = [row for row in await self._all_rows(start, end) if start <= time_of(row) <= end]
        for row in sorted(rows, key=time_of):
            if row.get("type") in self.types and (entry := self.entry(row)):
                yield entry

    async def _all_rows(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        """Page after page, from the newest entry back.

        A page begins with the oldest second of the one before, for entries of one second may lie on both sides of a
        border; what was seen before is dropped. Where one second fills a page, the next page of it is asked for.
        """
        seen: dict[str, Row] = {}
        until, offset = end // 1_000 + 1, 0
        while True:
            rows = await self._page(start, until, offset)
            fresh = {id_of(row, self.part): row for row in rows}
            if offset and rows and fresh.keys() <= seen.keys():
                raise Ambiguous(f"Gate gives no more than the first {PAGE} entries of one second ({until})")
            seen |= fresh
            if len(rows) < PAGE:
                return list(seen.values())
            oldest = min(map(time_of, rows)) // 1_000 + 1
            until, offset = (until, offset + PAGE) if oldest >= until else (oldest, 0)

    async def _page(self, start: Milliseconds, until: int, offset: int) -> list[Row]:
        params: Row = {"settle": self.part.settle, "from": start // 1_000, "to": until, "limit": PAGE}
        if self.part.endpoints.paged:
            params |= self._narrowing(start, offset)
        try:
            return shape.rows(await self.transport.call(self.part.endpoints.account_book, params), "account_book")
        except Refused as refusal:
            if refusal.venue_code != NO_ACCOUNT:
                raise
            return []  # where there is no account there is no history

    def _narrowing(self, start: Milliseconds, offset: int) -> Row:
        """What only perpetuals know: an offset, and filters by type and by contract."""
        narrowing: Row = {"offset": offset}
        if len(self.types) == 1:
            (narrowing["type"],) = self.types
        if self.market and start >= CONTRACTS_SINCE:
            narrowing["contract"] = self.market.id
        return narrowing


def time_of(row: Row) -> Milliseconds:
    """When an entry was made."""
    return int(shape.decimal(row, "time") * 1_000)


def contract_of(row: Row) -> str | None:
    """The contract of an entry, by its field, or in an older one by its text: `BTC_USDT:6086261`."""
    contract = row.get("contract") or str(row.get("text") or "").partition(":")[0]
    return contract if isinstance(contract, str) and contract else None


def id_of(row: Row, part: Part) -> str:
    """An entry's id, which Gate counts for each settle currency.

    An entry without one gets the digest of all that is in it. That is stable, and no two entries are alike: each has
    the balance after it, and where that does not change, the trade it comes from.
    """
    own = row.get("id")
    if isinstance(own, str | int) and str(own) not in {"", "0"}:
        return f"{part.coverage.replace(' ', '-')}-{own}"
    facts = [str(row.get(name)) for name in ("time", "type", "contract", "text", "trade_id", "change", "balance")]
    return f"{part.coverage.replace(' ', '-')}-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:32]}"


def entry_of(row: Row, part: Part, symbol: str | None) -> LedgerEntry:
    """An account book row as a ledger entry; received is positive already."""
    timestamp = time_of(row)
    change: Decimal = shape.decimal(row, "change")
    return LedgerEntry.model_construct(
        id=id_of(row, part),
        symbol=symbol,
        amount=change,
        code=part.settle.upper(),
        timestamp=timestamp,
        datetime=utc_text(timestamp),
        info=row,
    )
