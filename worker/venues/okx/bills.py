"""Bills of an OKX account: funding payments and realized profits (Get bills details, last 3 months).

Pages come newest first; `after` asks for what is older than a bill. A funding payment changes the account's balance or,
where a position is isolated, that position's own: `balChg` or `posBalChg`. `pnl` is a profit without its fees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.okx.answers import instant, items, optional
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records

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
    """The bills of one type that a query asks for. `amount` reads what one is about, and `symbol` names its market."""

    transport: Calls
    type: str
    amount: Callable[[Row], Decimal]
    symbol: Callable[[str], str]
    query: HistoryQuery

    def records(self) -> Records:
        """These bills, as a walk reads them."""
        return Records(
            name=f"bills of type {self.type}",
            fetch=self._page,
            time=time_of,
            entry=self._asked_for,
            span=2 * KEPT,
            launch=0,
            kept=KEPT,
            newest_first=True,
            identity=id_of,
        )

    async def _page(self, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        """One millisecond more than needed at each end, for no document says whether the ends are included."""
        params = self._params() | {"begin": str(start - 1), "end": str(end + 1)}
        if place is not None:
            params["after"] = str(place)
        page = items(await self.transport.call("privateGetAccountBillsArchive", params), "bills-archive")
        if len(page) < PAGE:
            return HistoryPage(page)
        oldest = id_of(page[-1])
        if place == oldest:
            raise Ambiguous("OKX gives the same page of bills again", raw=page[-1])
        return HistoryPage(page, oldest)

    def _params(self) -> dict[str, str]:
        params = {"instType": INSTRUMENT_TYPES[self.query.market_type], "type": self.type, "limit": str(PAGE)}
        return params | ({"instId": self.query.market.id} if self.query.market else {})

    def _asked_for(self, row: Row) -> LedgerEntry | None:
        """Whatever the venue filters by, a row must be of the right type, kind of market and market itself."""
        is_asked_for = (
            row.get("type") == self.type
            and row.get("instType") == INSTRUMENT_TYPES[self.query.market_type]
            and (self.query.market is None or row.get("instId") == self.query.market.id)
            and self.amount(row) != 0
        )
        return self._entry(row) if is_asked_for else None

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


def time_of(row: Row) -> Milliseconds:
    """When a bill was made."""
    return instant(row, "ts")


def id_of(row: Row) -> str:
    """A bill's id, which is the venue's own."""
    return shape.identifier(row, "billId")
