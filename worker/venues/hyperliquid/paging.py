"""Reading rows over a span of time, page by page.

Source: info endpoint, "Pagination". An answer begins with the oldest row of the span and holds a limited number; the
next page is asked for from the time of the last row on. Both ends are included.
"""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.limits import INFO
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.reading.history import Records
from worker.venues.reading.instants import InstantPages

LAUNCH: Milliseconds = 1_672_531_200_000
"""2023-01-01. Hyperliquid had no perpetuals before, so no window needs to begin earlier."""

WHOLE: Milliseconds = 100 * 365 * 86_400_000
"""Longer than any span: the venue limits rows and not time, so one window is enough."""


@dataclass(frozen=True, slots=True)
class Pages:
    """One kind of rows of one account. `size` is the most rows an answer holds."""

    transport: Calls
    type: str
    owner: str
    size: int

    def records(self, entry: Callable[[Row], LedgerEntry | None], identity: Callable[[Row], str]) -> Records:
        """These rows, as a walk reads them."""
        pages = InstantPages("Hyperliquid", self._page, time_of, self.size)
        return Records(
            name=self.type,
            fetch=pages.fetch,
            time=time_of,
            entry=entry,
            span=WHOLE,
            launch=LAUNCH,
            identity=identity,
        )

    async def _page(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        asked = {"type": self.type, "user": self.owner, "startTime": start, "endTime": end}
        return shape.rows(await self.transport.call(INFO, asked), self.type)


def time_of(row: Row) -> Milliseconds:
    """When a row was made."""
    return shape.milliseconds(row, "time")
