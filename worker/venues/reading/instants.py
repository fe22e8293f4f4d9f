"""Pages of venues that have no token for the next one: it begins where the one before ended, at the same instant.

Of that instant the next page has again what the one before had of it, in the same order; so much of it is dropped. An
instant that fills a page can't be passed so: the rest of it is told to be missing, and the walk goes on behind it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.venues.parsing.fields import Row
from worker.venues.reading.cursors import Place
from worker.venues.reading.walk import HistoryPage

Ask = Callable[[Milliseconds, Milliseconds], Awaitable[Sequence[Row]]]
"""One request: the rows between two instants, both included, as many as a page holds."""


@dataclass(frozen=True, slots=True)
class InstantPages:
    """The pages of a venue that narrows by time alone; `size` is the most rows of one, `unit` ms what it counts in.

    `short_is_last` where the venue's document says that a page with fewer rows is the last one; otherwise only a page
    with nothing new is. `venue` stands in the words about an instant that can't be passed.
    """

    venue: str
    ask: Ask
    time: Callable[[Row], Milliseconds]
    size: int
    newest_first: bool = False
    unit: Milliseconds = 1
    short_is_last: bool = True

    async def fetch(self, first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        """A page of a window, from an instant and a number of its rows on."""
        at, dropped = place if isinstance(place, tuple) else (self._instant(last if self.newest_first else first), 0)
        begin, end = (first, at + self.unit - 1) if self.newest_first else (at, last)
        given = await self.ask(begin, end)
        is_full = len(given) >= self.size
        rows = sorted((row for row in given if begin <= self.time(row) <= end), key=self._order)
        fresh = rows[dropped:]
        if not is_full and (self.short_is_last or not fresh):
            return HistoryPage(fresh)
        border = self._instant(self.time(rows[-1])) if rows else at
        if border != at:
            return HistoryPage(fresh, (border, sum(self._instant(self.time(row)) == border for row in rows)))
        beyond = at - self.unit if self.newest_first else at + self.unit
        following = (beyond, 0) if first < beyond + self.unit and beyond <= last else None
        lost = f"{self.venue} gives no more than the first {self.size} rows of one instant ({at})" if is_full else None
        return HistoryPage(fresh, following, lost)

    def _order(self, row: Row) -> Milliseconds:
        return -self.time(row) if self.newest_first else self.time(row)

    def _instant(self, time: Milliseconds) -> Milliseconds:
        return time // self.unit * self.unit
