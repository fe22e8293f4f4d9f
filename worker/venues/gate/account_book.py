"""Entries of Gate's account books: funding payments and realized profits, over windows and pages.

Source: APIv4 documentation, Query futures account change history, for perpetuals and for deliveries. `from` and `to`
are seconds, an entry's time has fractions of one; the newest entries come first. The documents name no limit to the
stretch that may be asked for, nor to how long entries are kept; none is assumed. They do say that entries carry their
contract only since 2023-10-30 and, in the changelog of v4.83.0, an id only since October 2024.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.gate.codes import NO_ACCOUNT
from worker.venues.gate.endpoints import GatePart
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Refused
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records
from worker.venues.reading.instants import InstantPages

PAGE = 1_000
"""The most entries one answer holds."""

SECOND: Milliseconds = 1_000

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
    part: GatePart
    types: frozenset[str]
    market: Market | None
    entry: Callable[[Row], LedgerEntry | None]

    def records(self) -> Records:
        """These entries, as a walk reads them."""
        by_time = InstantPages("Gate", self._until, time_of, PAGE, newest_first=True, unit=SECOND)
        return Records(
            name=self.part.coverage,
            fetch=self._by_offset if self.part.endpoints.paged else by_time.fetch,
            time=time_of,
            entry=self._asked_for,
            span=SPAN,
            launch=LAUNCH,
            newest_first=True,
            unit=SECOND,
            identity=partial(id_of, part=self.part),
        )

    def _asked_for(self, row: Row) -> LedgerEntry | None:
        return self.entry(row) if row.get("type") in self.types else None

    async def _by_offset(self, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        offset = place if isinstance(place, int) else 0
        rows = await self._page(start, end, offset)
        return HistoryPage(rows, offset + len(rows) if len(rows) >= PAGE else None)

    async def _until(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        return await self._page(start, end, 0)

    async def _page(self, start: Milliseconds, end: Milliseconds, offset: int) -> list[Row]:
        """Gate counts whole seconds; the walk cuts the ends to the millisecond."""
        params: Row = {"settle": self.part.settle, "from": start // SECOND, "to": end // SECOND + 1, "limit": PAGE}
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


def id_of(row: Row, part: GatePart) -> str:
    """An entry's id, which Gate counts for each settle currency.

    An entry without one gets the digest of all that is in it. That is stable, and no two entries are alike: each has
    the balance after it, and where that does not change, the trade it comes from.
    """
    own = row.get("id")
    if isinstance(own, str | int) and str(own) not in {"", "0"}:
        return f"{part.coverage.replace(' ', '-')}-{own}"
    facts = [str(row.get(name)) for name in ("time", "type", "contract", "text", "trade_id", "change", "balance")]
    return f"{part.coverage.replace(' ', '-')}-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:32]}"


def entry_of(row: Row, part: GatePart, symbol: str | None) -> LedgerEntry:
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
