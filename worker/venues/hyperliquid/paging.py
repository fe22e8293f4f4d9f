"""Reading rows over a span of time, page by page.

Source: info endpoint, "Pagination". An answer begins with the oldest row of the span and holds a limited number; the
next page is asked for from the time of the last row on. Both ends are included.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.limits import INFO
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous

LAUNCH: Milliseconds = 1_672_531_200_000
"""2023-01-01. Hyperliquid had no perpetuals before, so no window needs to begin earlier."""

WHOLE: Milliseconds = 100 * 365 * 86_400_000
"""Longer than any span: the venue limits rows and not time, so one window is enough."""


@dataclass(frozen=True, slots=True)
class Pages:
    """One kind of rows of one account. `identity` tells rows apart; `size` is the most rows an answer holds."""

    transport: Calls
    type: str
    owner: str
    size: int
    identity: Callable[[Row], str]

    async def rows(self, start: Milliseconds, end: Milliseconds) -> AsyncIterator[Row]:
        """Every row of a window once, ascending. Raises Ambiguous where one instant fills a page."""
        seen: set[str] = set()
        while True:
            page = await self._page(start, end)
            fresh = {name: row for row in page if (name := self.identity(row)) not in seen}
            seen.update(fresh)
            for row in fresh.values():
                yield row
            if len(page) < self.size:
                return
            if not fresh:
                raise Ambiguous(f"Hyperliquid gives no more than the first {self.size} rows of one instant ({start})")
            start = shape.milliseconds(page[-1], "time")

    async def _page(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        asked = {"type": self.type, "user": self.owner, "startTime": start, "endTime": end}
        found = shape.rows(await self.transport.call(INFO, asked), self.type)
        return sorted(found, key=lambda row: shape.milliseconds(row, "time"))
