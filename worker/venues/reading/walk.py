"""A walk over one kind of a venue's records: from the end that was asked for, page by page.

    since ───▶ window ─▶ page ─▶ page ─▶ next window ──▶ now        the oldest first, from `since` on
    launch ◀── next window ◀── page ◀── page ◀── window ◀─── now     the newest first, without `since`

It stops when it has enough, when it has spent its requests or its time, or where the venue stops it behind some pages.
Where a venue gives the newest rows first and the oldest were asked for, or the other way round, a window is narrowed
until one page holds it; how narrow it must be is told by the pages. Of an instant that fills pages, the rows come in
the venue's order: none is too full to be passed.

Rows are counted as the venue gives them. Two of them are one only by an identity that the venue documents as unique.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from worker.runtime import clock
from worker.venues.limits import CONTEXT
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous, NotSent, Unlisted, VenueError
from worker.venues.reading.cursors import Mark, Place, span_of

REQUESTS = 40
"""How many pages of one kind of records a question may cost, unless a venue sets another number."""

NARROWER, WIDER = 16, 4
"""A window shrinks by no more than the first at once, and grows by it when it is empty; by the second when it holds
less than half a page."""


FEW = 2
"""A window that seems to need no more than so many pages besides its first is read whole, and not narrowed."""


FIRST_PAGE = "first"
"""The place of the first page of a unit of time that fills pages: its rows are told in the venue's order."""


class HistoryPage(NamedTuple):
    """Rows of a window in the venue's order, and where its next page begins; None where this is the window's last.

    `missing` says what of the window can't be had at all, where the venue has no way to it.
    """

    rows: Sequence[Row]
    following: Place | None = None
    missing: str | None = None


Fetch = Callable[[Milliseconds, Milliseconds, Place | None], Awaitable[HistoryPage]]
"""One request: a page of the window between two instants, both included, from a place on or from its beginning."""


@dataclass(frozen=True, slots=True)
class Records:
    """One kind of records of a venue, which coverage and cursors call by its `name`.

    `entry` reads a row, and gives None for one that nobody asked for. `span` is the widest window the venue answers
    for, `launch` an instant before which it has no records at all, and `kept` how long it keeps them: None for ever.
    `newest_first` is the order of its pages. `abreast` windows are read at once where many are empty. `identity` is
    what the venue documents as unique; without one, every row counts. `unit` is what it counts time in, in ms: no
    window can be narrower, and rows of one unit come in the venue's order where they fill pages. `size` is how many
    rows a page holds; where it is 0 a walk learns it.
    """

    name: str
    fetch: Fetch
    time: Callable[[Row], Milliseconds]
    entry: Callable[[Row], LedgerEntry | None]
    span: Milliseconds
    launch: Milliseconds
    kept: Milliseconds | None = None
    newest_first: bool = False
    identity: Callable[[Row], Hashable] | None = None
    abreast: int = 1
    unit: Milliseconds = 1
    size: int = 0
    requests: int = REQUESTS

    def oldest(self, now: Milliseconds) -> Milliseconds:
        """The first instant that is worth asking for."""
        return self.launch if self.kept is None else now - self.kept


class FoundEntry(NamedTuple):
    """An entry, up to where nothing is missing once all before it is told, and where a walk that told it goes on."""

    entry: LedgerEntry
    edge: Milliseconds
    after: Mark


class Walk:
    """A walk from a mark in a direction, 1 or -1, as far as `bound`, for about `limit` entries.

    What it `found` is in its direction. `trouble` is the first row that could not be understood, `missing` what the
    venue has no way to.
    """

    def __init__(self, records: Records, mark: Mark, sign: int, bound: Milliseconds, limit: int | None) -> None:
        self.records = records
        self.found: list[FoundEntry] = []
        self.trouble: VenueError | None = None
        self.missing: str | None = None
        self._sign, self._bound, self._limit = sign, bound, limit
        self._contrary = records.newest_first is (sign > 0)
        self.start = self.mark = self._as_of_now(mark)
        self._length = max(1, span_of(self.mark))
        self._full = self._empty = self._asked = 0
        self._dense: int | None = None
        self._covered = 1
        self._slowest: Milliseconds = 0
        self._seen: set[Hashable] = set()
        self._ahead: dict[tuple[Milliseconds, Milliseconds], HistoryPage] = {}

    @property
    def finished(self) -> bool:
        """Whether there is nothing more in this direction."""
        return self.mark.first > self.mark.last

    @property
    def horizon(self) -> float:
        """The last place, in the direction of the walk, that lies before all it has not found yet, or among it."""
        return inf if self.finished else max(self._sign * self.mark.edge + 1, self._sign * self.mark.begin - 1)

    @property
    def problem(self) -> str | None:
        """What can't be told of these records."""
        return self.trouble.message if self.trouble else self.missing

    async def run(self) -> None:
        """Walk until there is enough. Raises the VenueError of the first page; a later one ends the walk."""
        try:
            while not (self.finished or self._is_enough()):
                await self._step()
        except VenueError:
            if self.mark == self.start:
                raise

    def _is_enough(self) -> bool:
        if self._limit is not None and len(self.found) >= self._limit:
            return True
        return self._asked >= self.records.requests or self._has_no_time()

    def _has_no_time(self) -> bool:
        """Whether another page may come too late for what was found to be told at all."""
        deadline = CONTEXT.get().deadline
        return bool(self._asked and deadline is not None and deadline - clock.now() <= 2 * self._slowest)

    async def _step(self) -> None:
        """One page of the present window, or a narrower window where it holds too much."""
        page = await self._page()
        if self._contrary and page.following is not None and self.mark.place is None:
            if self._is_one_unit(self.mark):
                page = await self._unit_begun(page)
            else:
                first, page = page, await self._read_on(page)
                if page.following is not None:
                    self._narrow(first, page)
                    return
        mark, rows = self.mark, self._in_order(page)
        self.missing = self.missing or page.missing
        self.mark = self._behind(page, rows)
        fills_pages = self._contrary and mark.place is not None
        for number, row in enumerate(rows[mark.skip :], mark.skip + 1):
            edge = mark.edge if fills_pages else self.records.time(row) - self._sign
            more = number < len(rows)
            self._read(row, edge, self._after(mark, number, rows, fills_pages=fills_pages) if more else self.mark)

    async def _unit_begun(self, page: HistoryPage) -> HistoryPage:
        """The first page of a unit that fills pages, from which on its rows are told as they come.

        Where some were told already, one page held them all then, and they were the far end of it: so it is read whole.
        """
        if not self.mark.skip:
            self.mark = self.mark._replace(place=FIRST_PAGE)
            return page
        while page.following is not None:
            page = await self._with_the_next(page, page.following)
        return page

    async def _with_the_next(self, page: HistoryPage, place: Place) -> HistoryPage:
        """A page of the present window and the one behind it, as one."""
        more = await self._fetched(self.mark.first, self.mark.last, place)
        return HistoryPage([*page.rows, *more.rows], more.following, page.missing or more.missing)

    def _in_order(self, page: HistoryPage) -> list[Row]:
        """The rows of the window, in the direction of the walk; those of a unit that fills pages as they come."""
        rows = self._in_window(page.rows, self.mark.first, self.mark.last)
        if self._contrary and self.mark.place is None:
            rows.reverse()
        return sorted(rows, key=lambda row: self._sign * self.records.time(row))

    async def _page(self) -> HistoryPage:
        window = self.mark.first, self.mark.last
        if self.mark.place is not None:
            return await self._fetched(*window, None if self.mark.place == FIRST_PAGE else self.mark.place)
        if window not in self._ahead:
            windows = list(self._coming())
            pages = await asyncio.gather(*(self._first_page(*coming) for coming in windows))
            self._ahead = dict(zip(windows, pages, strict=True))
        return self._ahead.pop(window)

    async def _first_page(self, first: Milliseconds, last: Milliseconds) -> HistoryPage:
        """The first page with rows of the window; a venue's own borders may be wider, and fill pages with others."""
        page = await self._fetched(first, last, None)
        while page.rows and page.following is not None and not self._in_window(page.rows, first, last):
            page = await self._fetched(first, last, page.following)
        return page

    def _in_window(self, rows: Sequence[Row], first: Milliseconds, last: Milliseconds) -> list[Row]:
        return [row for row in rows if first <= self.records.time(row) <= last]

    def _coming(self) -> Iterator[tuple[Milliseconds, Milliseconds]]:
        """The present window, and those that are read along with it: with a limit one more for each that was empty."""
        first, last = self.mark.first, self.mark.last
        yield first, last
        more = self.records.abreast - 1 if self._length >= self.records.span else 0
        for _ in range(more if self._limit is None else min(more, self._empty)):
            first, last = self._window(1 + (last if self._sign > 0 else -first))
            if first > last:
                return
            yield first, last

    async def _fetched(self, first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        """A page. One whose answer is missing is asked for once more, if it is not the first."""
        once_more = self._asked > 0
        self._asked += 1
        began = clock.now()
        try:
            return await self.records.fetch(first, last, place)
        except Unlisted:
            raise
        except (NotSent, Ambiguous):
            if not once_more:
                raise
            return await self.records.fetch(first, last, place)
        finally:
            self._slowest = max(self._slowest, clock.now() - began)

    async def _read_on(self, page: HistoryPage) -> HistoryPage:
        """The whole of a window that seems to hold little more than a page; otherwise the page as it is.

        Where all of it is wanted anyway, that is cheaper than windows of a page each, as far as it can be afforded.
        """
        near, far = self._ahead_of(self.mark)
        covered = far - min((self._sign * self.records.time(row) for row in page.rows), default=far) + 1
        rest = (far - near + 1) // covered
        most = FEW if self._limit is not None else max(FEW, (self.records.requests - self._asked) // 2)
        while page.following is not None and rest > 0 and rest <= most:
            page = await self._with_the_next(page, page.following)
            rest -= 1
        return page

    def _narrow(self, page: HistoryPage, read_on: HistoryPage) -> None:
        """Keep the near end of the window: as much of it as one page is likely to hold, and nothing that this one has.

        What lies from the page's rows on is known to fill pages; how much time one of them covers, its rows tell. Where
        the pages reach the near end, all that is missing lies in its first unit.
        """
        near, far = self._ahead_of(self.mark)
        places = [self._sign * self.records.time(row) for row in page.rows] or [far]
        self._full = max(self._full, len(page.rows))
        reached = min((self._sign * self.records.time(row) for row in read_on.rows), default=far)
        crowd = self._unit_of(near)
        self._dense = crowd + self.records.unit if reached < crowd + self.records.unit else self._unit_of(min(places))
        self._covered = max(1, (max(places) - min(places)) * 3 // 4)
        length = far - near + 1
        self._length = max(self.records.unit, min(length // 2, max(self._covered, length // NARROWER)))
        first, last = self._window(near)
        if last - first >= self.mark.last - self.mark.first:  # what a page covers is no less than this window
            self._dense, self._length = None, self.records.unit
            first, last = self._window(near)
        self.mark = self.mark._replace(first=first, last=last)

    def _behind(self, page: HistoryPage, rows: Sequence[Row]) -> Mark:
        """Where the walk goes on behind a page."""
        mark, skip = self.mark, max(0, self.mark.skip - len(rows))
        if page.following is not None:
            if not rows:
                return mark._replace(place=page.following, skip=skip)
            if self._contrary:
                return mark._replace(place=page.following, skip=skip, begin=self._beyond(mark))
            at = self.records.time(rows[-1])
            return Mark(mark.first, mark.last, page.following, skip, at - self._sign, at + self._sign)
        self._empty = 0 if rows else self._empty + 1
        self._widen(len(rows), of_one_page=mark.place is None)
        edge = mark.last if self._sign > 0 else mark.first
        return Mark(*self._window(self._sign * edge + 1), None, skip, edge, edge + self._sign)

    def _widen(self, rows: int, *, of_one_page: bool) -> None:
        """A window that held little is followed by a longer one, as long as the venue takes it.

        As long as no page has been full, and nobody has said how many rows one takes, nobody knows what is little.
        """
        largest = max(self._full, self.records.size)
        if of_one_page and (not largest or 2 * rows <= largest):
            self._length = min(self.records.span, self._length * (WIDER if rows else NARROWER))

    def _ahead_of(self, mark: Mark) -> tuple[int, int]:
        """Near and far end of a window in the direction of the walk, where time grows whichever way it goes."""
        return (mark.first, mark.last) if self._sign > 0 else (-mark.last, -mark.first)

    def _window(self, near: int) -> tuple[Milliseconds, Milliseconds]:
        """The window that begins there, of whole units behind its near end; it ends before it begins at the bound."""
        if self._dense is not None and near >= self._dense:
            self._dense, self._length = None, self._covered
        length = self._length if self._dense is None else min(self._length, self._dense - near)
        unit = self.records.unit
        if self._sign > 0:
            last = max((near + length) // unit, near // unit + 1) * unit - 1
            return near, min(last, self._bound)
        first = min(-((near + length - 1) // unit), -near // unit) * unit
        return max(first, self._bound), -near

    def _unit_of(self, place: int) -> int:
        """The near end of the unit that a place, in the direction of the walk, lies in."""
        unit = self.records.unit
        return place // unit * unit if self._sign > 0 else -(-place // unit * unit + unit - 1)

    def _is_one_unit(self, mark: Mark) -> bool:
        return mark.first // self.records.unit == mark.last // self.records.unit

    def _after(self, mark: Mark, number: int, rows: Sequence[Row], *, fills_pages: bool) -> Mark:
        """Where the walk goes on behind so many rows of a page that has more."""
        if fills_pages:
            return mark._replace(skip=number, begin=self._beyond(mark))
        at, coming = self.records.time(rows[number - 1]), self.records.time(rows[number])
        return mark._replace(skip=number, edge=at - self._sign if at == coming else at, begin=at + self._sign)

    def _beyond(self, mark: Mark) -> Milliseconds:
        """The first instant behind a window."""
        return mark.last + 1 if self._sign > 0 else mark.first - 1

    def _read(self, row: Row, edge: Milliseconds, after: Mark) -> None:
        try:
            entry = None if self._is_seen(row) else self.records.entry(row)
        except VenueError as error:
            self.trouble = self.trouble or error
        else:
            if entry is not None:
                self.found.append(FoundEntry(entry, edge, after))

    def _is_seen(self, row: Row) -> bool:
        if self.records.identity is None:
            return False
        identity = self.records.identity(row)
        is_seen = identity in self._seen
        self._seen.add(identity)
        return is_seen

    def _as_of_now(self, mark: Mark) -> Mark:
        """The mark of an earlier answer: what is new by now is added to it, what is no longer kept taken off."""
        if mark.place is not None:
            return mark
        if self._sign < 0:
            return mark._replace(first=max(mark.first, self._bound))
        if mark.first > mark.last:
            return mark._replace(last=min(mark.first + self.records.span - 1, self._bound))
        return mark
