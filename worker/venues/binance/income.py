"""Income entries of Binance: funding payments and realized profits, over windows and pages.

Sources: Get Income History (fapi, dapi), Get UM and CM Income History (papi). Pages ascend from `startTime`, both ends
are included, and `tranId` is unique within one type of income.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues import shape
from worker.venues.binance.endpoints import DAY, Endpoints
from worker.venues.errors import Ambiguous
from worker.venues.seam import History, HistoryQuery
from worker.venues.shape import Row
from worker.venues.transport import Calls

PAGE = 1_000
"""The most entries one answer holds."""

RECENT: Milliseconds = 7 * DAY
"""How far back a query reaches that names neither a start nor a number."""

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
    endpoints: Endpoints
    type: IncomeType
    market_id: str | None
    entry: Callable[[Row], LedgerEntry | None]

    async def history(self, query: HistoryQuery) -> History:
        """The first `limit` entries from `since` on, or without it the newest. Raises VenueError."""
        now = self.transport.now()
        kept = self.endpoints.income_kept
        oldest = LAUNCH if kept is None else now - kept
        if query.since is not None:
            begin = max(query.since, oldest)
            entries = await self._onwards(begin, now, query.limit)
            return History(entries, query.since if kept is None else begin)
        if query.limit is not None:
            return await self._newest(oldest, now, query.limit)
        return History(await self._all_between(now - RECENT, now), now - RECENT)

    async def _onwards(self, begin: Milliseconds, now: Milliseconds, limit: int | None) -> tuple[LedgerEntry, ...]:
        entries: list[LedgerEntry] = []
        for start, end in windows(begin, now, self.endpoints.income_span):
            async for entry in self._between(start, end):
                entries.append(entry)
                if len(entries) == limit:
                    return tuple(entries)
        return tuple(entries)

    async def _newest(self, oldest: Milliseconds, now: Milliseconds, limit: int) -> History:
        """Walk backwards, in windows that grow twofold: seven days hold enough for most, and few need them all."""
        entries: tuple[LedgerEntry, ...] = ()
        begin, reach = now + 1, RECENT
        while len(entries) < limit and begin > oldest:
            end = begin - 1
            begin = max(oldest, begin - min(reach, self.endpoints.income_span))
            entries = await self._all_between(begin, end) + entries
            reach *= 2
        newest = entries[-limit:]
        return History(newest, newest[0].timestamp if len(newest) < len(entries) else begin)

    async def _all_between(self, start: Milliseconds, end: Milliseconds) -> tuple[LedgerEntry, ...]:
        return tuple([entry async for entry in self._between(start, end)])

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


def windows(begin: Milliseconds, end: Milliseconds, span: Milliseconds) -> Iterator[tuple[Milliseconds, Milliseconds]]:
    """Consecutive windows of at most `span` from `begin` to `end`, both ends included.

    >>> list(windows(0, 25, 10))
    [(0, 9), (10, 19), (20, 25)]
    """
    for start in range(begin, end + 1, span):
        yield start, min(start + span - 1, end)


def _key(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("incomeType", "tranId", "symbol", "asset"))
