"""Bills of an OKX account: funding payments and realized profits (Get bills details, last 3 months).

Pages come newest first; `after` asks for what is older than a bill. A funding payment changes the account's balance or,
where a position is isolated, that position's own: `balChg` or `posBalChg`. `pnl` is a profit without its fees.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.okx.answers import instant, items, optional
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import DAY, RECENT

PAGE = 100
"""The most bills one answer holds."""

KEPT: Milliseconds = 90 * DAY
"""OKX says three months; the shortest three have 89 days, and it is the venue that then gives less."""

INSTRUMENT_TYPES = {MarketType.SWAP: "SWAP", MarketType.FUTURE: "FUTURES"}

FUNDING = ("8",)
REALIZED = ("2", "3", "5", "9")
"""Bill types: funding fee; trade, delivery, liquidation and auto-deleveraging."""


def funding_of(row: Row) -> Decimal:
    """A funding payment, received positive."""
    return optional(row, "balChg") or optional(row, "posBalChg") or Decimal(0)


def profit_of(row: Row) -> Decimal:
    """A realized profit, gross of fees; 0 for a trade that closes nothing."""
    return optional(row, "pnl") or Decimal(0)


@dataclass(frozen=True, slots=True)
class Bills:
    """The bills of one type. `amount` reads what a bill is about, and `symbol` names its market."""

    transport: Calls
    type: str
    amount: Callable[[Row], Decimal]
    symbol: Callable[[str], str]

    async def history(self, query: HistoryQuery) -> History:
        """The first `limit` entries from `since` on, or without it the newest. Raises VenueError."""
        now = self.transport.now()
        if query.since is not None:
            begin = max(query.since, now - KEPT)
            return History((await self._newest(query, begin, None))[: query.limit], begin)
        if query.limit is None:
            return History(await self._newest(query, now - RECENT, None), now - RECENT)
        begin = now - KEPT
        newest = await self._newest(query, begin, query.limit)
        return History(newest, newest[0].timestamp if len(newest) == query.limit else begin)

    async def _newest(self, query: HistoryQuery, begin: Milliseconds, limit: int | None) -> tuple[LedgerEntry, ...]:
        """The newest entries not older than `begin`, ascending."""
        entries: list[LedgerEntry] = []
        async for row in self._rows(query, begin):
            if self._is_asked_for(row, query, begin):
                entries.append(self._entry(row))
            if len(entries) == limit:
                break
        return tuple(sorted(entries, key=_age))

    async def _rows(self, query: HistoryQuery, begin: Milliseconds) -> AsyncIterator[Row]:
        """Every bill from `begin` on, newest first."""
        params = self._params(query, begin)
        while True:
            page = items(await self.transport.call("privateGetAccountBillsArchive", params), "bills-archive")
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            oldest = shape.identifier(page[-1], "billId")
            if params.get("after") == oldest:
                raise Ambiguous("OKX gives the same page of bills again", raw=page[-1])
            params["after"] = oldest

    def _params(self, query: HistoryQuery, begin: Milliseconds) -> dict[str, str]:
        """One millisecond more than needed, for the page does not say whether `begin` itself is included."""
        params = {
            "instType": INSTRUMENT_TYPES[query.market_type],
            "type": self.type,
            "begin": str(begin - 1),
            "limit": str(PAGE),
        }
        return params | ({"instId": query.market.id} if query.market else {})

    def _is_asked_for(self, row: Row, query: HistoryQuery, begin: Milliseconds) -> bool:
        """Whatever the venue filters by, a row must be of the right type, kind of market and market itself."""
        return (
            row.get("type") == self.type
            and row.get("instType") == INSTRUMENT_TYPES[query.market_type]
            and (query.market is None or row.get("instId") == query.market.id)
            and instant(row, "ts") >= begin
            and self.amount(row) != 0
        )

    def _entry(self, row: Row) -> LedgerEntry:
        timestamp = instant(row, "ts")
        return LedgerEntry.model_construct(
            id=shape.identifier(row, "billId"),
            symbol=self.symbol(shape.text(row, "instId")),
            amount=self.amount(row),
            code=shape.text(row, "ccy"),
            timestamp=timestamp,
            datetime=utc_text(timestamp),
            info=row,
        )


def _age(entry: LedgerEntry) -> tuple[Milliseconds, int, str]:
    """Ids are numbers that grow with time, so the shorter of two is the older."""
    return entry.timestamp, len(entry.id), entry.id
