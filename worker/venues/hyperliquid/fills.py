"""Realized profits of Hyperliquid, fill by fill. Source: info endpoint userFillsByTime.

`closedPnl` is gross of fees. Only the 10,000 newest fills of an account can be had; whether older ones were forgotten
shows only in their number, so that everything from `since` on is read and counted, whatever the limit.
"""

from dataclasses import dataclass, replace

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.funding import USDC
from worker.venues.hyperliquid.paging import Pages, time_of
from worker.venues.hyperliquid.universe import Universe
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import Records, walked
from worker.venues.reading.parts import PartReader

PAGE = 2_000
"""The most rows of one answer."""

KEPT = 10_000
"""The newest fills that the venue gives; older ones are not to be had."""


@dataclass(frozen=True, slots=True)
class RealizedPnl:
    """The realized profits and losses of one account."""

    transport: Calls
    owner: str
    universe: Universe

    async def history(self, query: HistoryQuery, reader: PartReader | None = None) -> History:
        """The first `limit` profits from `since` on, or without it the newest. Raises VenueError."""
        coin, times = query.market.id if query.market else None, list[Milliseconds]()

        def entry(row: Row) -> LedgerEntry | None:
            times.append(time_of(row))
            return self._entry_of(row) if _is_realized(row) and coin in (None, row["coin"]) else None

        pages = Pages(self.transport, "userFillsByTime", self.owner, PAGE).records(entry, _id_of)
        found = await walked([pages], query, self.transport.now(), reader, "get_realized_pnl")
        if found.next_cursor is None or query.cursor is not None:
            return replace(found, complete_from=_complete_from(found, times))
        if query.since is None:
            return found  # cut off where there are older fills
        return replace(found, complete_from=_complete_from(found, await self._times(pages, found.complete_from)))

    async def _times(self, pages: Records, since: Milliseconds) -> list[Milliseconds]:
        """When the fills were that the venue has from an instant on: that many, in which it may have forgotten some."""
        times: list[Milliseconds] = []
        place: Place | None = None
        while True:
            page = await pages.fetch(since, self.transport.now(), place)
            times += map(time_of, page.rows)
            if page.following is None or len(times) >= KEPT:
                return times
            place = page.following

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


def _complete_from(found: History, times: list[Milliseconds]) -> Milliseconds:
    """The first instant of which nothing can be forgotten; of the oldest fill's own one, some may be.

    The venue keeps a number of fills. What it has from an instant on is all there was if that is fewer.
    """
    return max(found.complete_from, min(times) + 1) if len(times) >= KEPT else found.complete_from


def _id_of(row: Row) -> str:
    return shape.identifier(row, "tid")


def _is_realized(row: Row) -> bool:
    """Whether a fill closed something of a perpetual. Spot pairs are `@` and a number, or have a slash in the name."""
    coin = shape.text(row, "coin")
    return not coin.startswith(("@", "#")) and "/" not in coin and bool(shape.decimal(row, "closedPnl"))
