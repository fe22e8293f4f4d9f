"""Walking through a venue's records in windows, the same way everywhere; how a window is read is the venue's part."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from worker.venues.port.adapter import History, HistoryQuery

DAY: Milliseconds = 86_400_000

RECENT: Milliseconds = 7 * DAY
"""How far back a query reaches that names neither a start nor a number."""

Between = Callable[[Milliseconds, Milliseconds], AsyncIterator[LedgerEntry]]
"""Every record of a window once, ascending, both ends included."""


@dataclass(frozen=True, slots=True)
class Records:
    """One kind of records of a venue.

    `span` is the widest window it answers for, `launch` an instant before which it has no records at all, and `kept`
    how long it keeps them: None for ever. `abreast` windows are read at once: several where they are short and many.
    """

    between: Between
    span: Milliseconds
    launch: Milliseconds
    kept: Milliseconds | None = None
    abreast: int = 1

    async def history(self, query: HistoryQuery, now: Milliseconds) -> History:
        """The first `limit` records from `since` on, or without it the newest. Raises VenueError."""
        oldest = self.launch if self.kept is None else now - self.kept
        if query.since is not None:
            begin = max(query.since, oldest)
            entries = await self._onwards(begin, now, query.limit)
            return History(entries, query.since if self.kept is None else begin)
        if query.limit is not None:
            return await self._newest(oldest, now, query.limit)
        return History(await self._all_between(now - RECENT, now), now - RECENT)

    async def _onwards(self, begin: Milliseconds, now: Milliseconds, limit: int | None) -> tuple[LedgerEntry, ...]:
        if limit is None:
            return await self._all_between(begin, now)
        entries: list[LedgerEntry] = []
        for start, end in windows(begin, now, self.span):
            async for entry in self.between(start, end):
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
            begin = max(oldest, begin - min(reach, self.span * self.abreast))
            entries = await self._all_between(begin, end) + entries
            reach *= 2
        newest = entries[-limit:]
        return History(newest, newest[0].timestamp if len(newest) < len(entries) else begin)

    async def _all_between(self, start: Milliseconds, end: Milliseconds) -> tuple[LedgerEntry, ...]:
        entries: list[LedgerEntry] = []
        coming = windows(start, end, self.span)
        while batch := list(islice(coming, self.abreast)):
            entries.extend(chain.from_iterable(await asyncio.gather(*(self._window(*window) for window in batch))))
        return tuple(entries)

    async def _window(self, first: Milliseconds, last: Milliseconds) -> list[LedgerEntry]:
        return [entry async for entry in self.between(first, last)]


def windows(begin: Milliseconds, end: Milliseconds, span: Milliseconds) -> Iterator[tuple[Milliseconds, Milliseconds]]:
    """Consecutive windows of at most `span` from `begin` to `end`, both ends included.

    >>> list(windows(0, 25, 10))
    [(0, 9), (10, 19), (20, 25)]
    """
    for start in range(begin, end + 1, span):
        yield start, min(start + span - 1, end)


def merged(histories: Sequence[History], query: HistoryQuery) -> History:
    """Several kinds of records as one, ascending, cut to the query's limit; complete from where all of them are."""
    entries = sorted((entry for history in histories for entry in history.entries), key=lambda entry: entry.timestamp)
    if query.limit is not None:
        entries = entries[: query.limit] if query.since is not None else entries[-query.limit :]
    return History(tuple(entries), max(history.complete_from for history in histories))
