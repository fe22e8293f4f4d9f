"""Entries of Gate's account books: funding payments and realized profits.

Source: gate-api 7.2.161, Query futures account change history, for perpetuals and for deliveries, checked 2026-11-29.
`from` and `to` are seconds, an entry's time has fractions of one; the newest entries come first, and a page shorter
than its limit is the last one ("Pagination"). The documents name no limit to the stretch that may be asked for, nor to
how long entries are kept; none is assumed. Entries carry their contract only since 2023-10-30 and, by the changelog of
v4.83.0, an id only since October 2024. Deliveries document neither an offset nor a contract.
"""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Decimal

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.gate.endpoints import GatePart, reading
from worker.venues.gate.errors import NO_ACCOUNT
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Refused
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records
from worker.venues.reading.instants import InstantPages
from worker.venues.reading.records import Notion, RecordType, RecordTypes

PAGE = 1_000
"""The most entries one answer holds."""

SECOND: Milliseconds = 1_000

SPAN: Milliseconds = 180 * DAY
"""How much is asked for at a time. Gate lists the newest first, so a window is read whole before its first entry."""

LAUNCH: Milliseconds = 1_546_128_000_000
"""2018-12-30, the first version of the futures API: no entry is older."""

CONTRACTS_SINCE: Milliseconds = 1_698_710_400_000
"""2023-10-31. An older entry names its contract in its text only, and Gate's own filter leaves it out."""

BOOK = RecordTypes(
    "gate",
    {
        "dnw": RecordType(Notion.TRANSFER),
        "pnl": RecordType(Notion.REALIZED_PNL),
        "fee": RecordType(Notion.FEE),
        "refr": RecordType(Notion.NEITHER),
        "fund": RecordType(Notion.FUNDING),
        "point_dnw": RecordType(Notion.TRANSFER),
        "point_fee": RecordType(Notion.FEE),
        "point_refr": RecordType(Notion.NEITHER),
        "bonus_dnw": RecordType(Notion.TRANSFER),
        "bonus_offset": RecordType(Notion.NEITHER),
        "cross_settle": RecordType(Notion.TRANSFER),
        "dividend": RecordType(Notion.REALIZED_PNL),
    },
    source="gate-api 7.2.161, account_book `type`, and the totals of `FuturesAccountHistory`, checked 2026-11-29",
    fields={Notion.REALIZED_PNL: "change", Notion.FUNDING: "change"},
    own=(Notion.REALIZED_PNL,),
)
"""What an entry is about. What a stock contract pays as `dividend` is earned by holding it, at no funding rate: profit.

Points, rebates and trial funds are neither. `bonus_dnw` and `cross_settle` (between the futures and the spot wallet of
a unified account) have totals of their own too, though no filter knows them.
"""


@dataclass(frozen=True, slots=True)
class AccountBook:
    """What the book of one part has about something. `entry` makes a ledger entry, or None for another market."""

    transport: Calls
    part: GatePart
    notion: Notion
    market: Market | None
    entry: Callable[[Row], LedgerEntry | None]

    def records(self) -> Records:
        """These entries, as a walk reads them."""
        by_time = InstantPages("Gate", self._until, time_of, PAGE, newest_first=True, unit=SECOND)
        return Records(
            name=self.part.coverage,
            fetch=self._by_offset if self.part.endpoints.narrowed else by_time.fetch,
            time=time_of,
            entry=self._asked_for,
            span=SPAN,
            launch=LAUNCH,
            newest_first=True,
            unit=SECOND,
            identity=identity_of,
        )

    def _asked_for(self, row: Row) -> LedgerEntry | None:
        """An entry of a type that nobody knows is told among the profits, if it has changed anything."""
        with reading(f"entry {row.get('id')}, GET {self.part.path}/account_book"):
            kind = shape.text(row, "type")
            field = BOOK.amount_field(kind, self.notion)
            if field is None or (kind not in BOOK.table and not shape.decimal(row, field)):
                return None
            return self.entry(row)

    async def _by_offset(self, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        offset = place if isinstance(place, int) else 0
        rows = await self._page(start, end, offset)
        return HistoryPage(rows, offset + len(rows) if len(rows) >= PAGE else None)

    async def _until(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        return await self._page(start, end, 0)

    async def _page(self, start: Milliseconds, end: Milliseconds, offset: int) -> list[Row]:
        """Gate counts whole seconds; the walk cuts the ends to the millisecond."""
        params: Row = {"settle": self.part.settle, "from": start // SECOND, "to": end // SECOND + 1, "limit": PAGE}
        params |= self._narrowing(start, offset)
        try:
            body = await self.transport.call(self.part.endpoints.account_book, params)
            return shape.rows(body, f"GET {self.part.path}/account_book")
        except Refused as refusal:
            if refusal.venue_code != NO_ACCOUNT:
                raise
            return []  # where there is no account there is no history

    def _narrowing(self, start: Milliseconds, offset: int) -> Row:
        """Funding has a type of its own. Profits are asked for among all types, for a new one may be about them."""
        narrowing: Row = {"type": "fund"} if self.notion is Notion.FUNDING else {}
        if self.part.endpoints.narrowed:
            narrowing["offset"] = offset
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


def own_id(row: Row) -> str | None:
    """Gate's id of an entry, which it counts for each settle currency; None for one that has none."""
    own = row.get("id")
    return str(own) if isinstance(own, str | int) and str(own) not in {"", "0"} else None


def identity_of(row: Row) -> Hashable:
    """What tells an entry from all others. Without an id every one that Gate gives counts."""
    return own_id(row) or object()


def id_of(row: Row, part: GatePart) -> str:
    """An entry's id; one without has the digest of all that is in it, which is stable."""
    prefix = part.coverage.replace(" ", "-")
    if own := own_id(row):
        return f"{prefix}-{own}"
    facts = [str(row.get(name)) for name in ("time", "type", "contract", "text", "trade_id", "change", "balance")]
    return f"{prefix}-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:32]}"


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
