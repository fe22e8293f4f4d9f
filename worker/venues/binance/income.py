"""Income entries of Binance: funding payments and realized profits, over windows and pages.

Sources: Get Income History (fapi, dapi), Get UM and CM Income History (papi). Pages ascend from `startTime`, both ends
are included, and `tranId` is unique within one type of income of a user.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.binance.endpoints import BinanceEndpoints
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.reading.history import Records
from worker.venues.reading.instants import InstantPages

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

    def records(self) -> Records:
        """These entries, as a walk reads them."""
        return Records(
            name=self.endpoints.coverage,
            fetch=InstantPages("Binance", self._page, _time_of, PAGE).fetch,
            time=_time_of,
            entry=self.entry,
            span=self.endpoints.income_span,
            launch=LAUNCH,
            kept=self.endpoints.income_kept,
            identity=_key,
        )

    async def _page(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        params: Row = {"incomeType": self.type.value, "startTime": start, "endTime": end, "limit": PAGE}
        if self.market_id:
            params["symbol"] = self.market_id
        return shape.rows(await self.transport.call(self.endpoints.income, params), "income")


def _time_of(row: Row) -> Milliseconds:
    return shape.milliseconds(row, "time")


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
