"""Realized profits of Hyperliquid, fill by fill. Source: info endpoint userFillsByTime.

`closedPnl` is gross of fees. Only the 10,000 newest fills of an account can be had; whether older ones were forgotten
shows only in their number, so that everything from `since` on is read and counted, whatever the limit.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.funding import USDC
from worker.venues.hyperliquid.paging import LAUNCH, WHOLE, Pages
from worker.venues.hyperliquid.universe import Universe
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.reading.history import Records

PAGE = 2_000
"""The most rows of one answer."""

KEPT = 10_000
"""The newest fills that the venue gives; older ones are not to be had."""


@dataclass(slots=True)
class _Reach:
    """How many fills of all kinds were seen, and the time of the oldest."""

    count: int = 0
    oldest: Milliseconds = field(default=2**63)

    def note(self, row: Row) -> None:
        self.count += 1
        self.oldest = min(self.oldest, shape.milliseconds(row, "time"))

    def complete_from(self) -> Milliseconds:
        """The first instant of which nothing can be missing; of the oldest one, some fills may be forgotten."""
        return self.oldest + 1 if self.count >= KEPT else 0


@dataclass(frozen=True, slots=True)
class RealizedPnl:
    """The realized profits and losses of one account."""

    transport: Calls
    owner: str
    universe: Universe

    async def history(self, query: HistoryQuery) -> History:
        """The first `limit` profits from `since` on, or without it the newest. Raises VenueError."""
        pages = Pages(self.transport, "userFillsByTime", self.owner, PAGE, _id_of)
        coin, reach = query.market.id if query.market else None, _Reach()

        async def between(start: Milliseconds, end: Milliseconds) -> AsyncIterator[LedgerEntry]:
            async for row in pages.rows(start, end):
                reach.note(row)
                if _is_realized(row) and coin in (None, row["coin"]):
                    yield self._entry_of(row)

        whole = query if query.since is None else replace(query, limit=None)
        found = await Records(between, WHOLE, LAUNCH).history(whole, self.transport.now())
        entries = found.entries if query.since is None else found.entries[: query.limit]
        return History(entries, max(found.complete_from, reach.complete_from()))

    def _entry_of(self, row: Row) -> LedgerEntry:
        coin, timestamp = shape.text(row, "coin"), shape.milliseconds(row, "time")
        instrument = self.universe.of_coin(coin)
        return LedgerEntry.model_construct(
            id=_id_of(row),
            symbol=instrument.market.symbol if instrument else coin,
            amount=shape.decimal(row, "closedPnl"),
            code=instrument.market.settle if instrument else USDC,
            timestamp=timestamp,
            datetime=utc_text(timestamp),
            info=row,
        )


def _id_of(row: Row) -> str:
    return shape.identifier(row, "tid")


def _is_realized(row: Row) -> bool:
    """Whether a fill closed something of a perpetual. Spot pairs are `@` and a number, or have a slash in the name."""
    coin = shape.text(row, "coin")
    return not coin.startswith(("@", "#")) and "/" not in coin and bool(shape.decimal(row, "closedPnl"))
