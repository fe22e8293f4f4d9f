"""Income entries of Binance: funding payments and realized profits, over windows and pages.

Sources: Get Income History (fapi, dapi), Get UM and CM Income History (papi). Pages ascend from `startTime`, both ends
are included, and `tranId` is unique within one type of income.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.binance.endpoints import BinanceEndpoints
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import Records

PAGE = 1_000
"""The most entries one answer holds."""

LAUNCH: Milliseconds = 1_567_296_000_000
"""2019-09-01. Binance had no futures before, so no window needs to begin earlier."""


class IncomeType(StrEnum):
    """The types of income we read, as Binance writes them."""

    FUNDING_FEE = "FUNDING_FEE"
    REALIZED_PNL = "REALIZED_PNL"


@dataclass(frozen=True, slots=True)
class Income:
    """One type of income from one endpoint. `entry` reads a row, or gives None for one nobody asked for."""

    transport: Calls
    endpoints: BinanceEndpoints
    type: IncomeType
    market_id: str | None
    entry: Callable[[Row], LedgerEntry | None]

    async def history(self, query: HistoryQuery) -> History:
        """The first `limit` entries from `since` on, or without it the newest. Raises VenueError."""
        records = Records(self._between, self.endpoints.income_span, LAUNCH, self.endpoints.income_kept)
        return await records.history(query, self.transport.now())

    async def _between(self, start: Milliseconds, end: Milliseconds) -> AsyncIterator[LedgerEntry]:
        """Every entry of a window once, ascending.

        A page restarts at the last instant of the one before, so that entries of the same millisecond on both sides of
        a border are not lost; what was seen before is dropped. Where one instant fills a page, the next page of that
        instant is asked for.
        """
        seen: set[tuple[object, ...]] = set()
        page = 1
        while True:
            rows = await self._page(start, end, page)
            fresh = {key: row for row in rows if (key := _key(row)) not in seen}
            seen.update(fresh)
            for row in fresh.values():
                if entry := self.entry(row):
                    yield entry
            if len(rows) < PAGE:
                return
            if not fresh and page > 1:
                raise Ambiguous(f"Binance gives no more than the first {PAGE} entries of one instant ({start})")
            last = shape.milliseconds(rows[-1], "time")
            start, page = (start, page + 1) if last == start else (last, 1)

    async def _page(self, start: Milliseconds, end: Milliseconds, page: int) -> list[Row]:
        params: Row = {"incomeType": self.type.value, "startTime": start, "endTime": end, "limit": PAGE}
        if self.market_id:
            params["symbol"] = self.market_id
        if page > 1:
            params["page"] = page
        rows = shape.rows(await self.transport.call(self.endpoints.income, params), "income")
        return sorted(rows, key=lambda row: shape.milliseconds(row, "time"))


def entry_of(row: Row, symbol: str | None) -> LedgerEntry:
    """An income row as a ledger entry; received is positive already."""
    timestamp = shape.milliseconds(row, "time")
    return LedgerEntry.model_construct(
        id=shape.identifier(row, "tranId"),
        symbol=symbol,
        amount=shape.decimal(row, "income"),
        code=shape.text(row, "asset"),
        timestamp=timestamp,
        datetime=utc_text(timestamp),
        info=row,
    )


def _key(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("incomeType", "tranId", "symbol", "asset"))
