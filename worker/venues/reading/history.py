"""Histories: what one or several kinds of a venue's records have to tell, from the end that was asked for.

    question ─▶ a walk over each kind of records ─▶ merged and cut ─▶ what is complete of it, and where to go on

What was found is told together with the stretch of time for which nothing is missing, and with a cursor: the page and
the row in it where each walk goes on.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from worker.venues.port.adapter import History, HistoryQuery, Part
from worker.venues.port.errors import VenueError
from worker.venues.reading.cursors import Cursor, Mark, marks_of, read_cursor
from worker.venues.reading.parts import PartReader
from worker.venues.reading.walk import Fetch, FoundEntry, HistoryPage, Records, Walk

__all__ = ["DAY", "RECENT", "Fetch", "HistoryPage", "Records", "walked"]

DAY: Milliseconds = 86_400_000

RECENT: Milliseconds = 7 * DAY
"""How far back a query reaches that names neither a start nor a number."""


async def walked(
    records: Sequence[Records],
    query: HistoryQuery,
    now: Milliseconds,
    reader: PartReader | None = None,
    operation: str = "history",
) -> History:
    """What several kinds of records of an account have to tell, as one. `reader` is the account's.

    One that can't be read is named among the parts, and the cursor begins it anew. Raises VenueError where nothing
    could be read of any, and ValueRefused for a cursor of another question.
    """
    reader = reader or PartReader("venue", "account")
    about = reader.question(operation, query.market.id if query.market else None, query.market_type)
    question = _Question(query, now, read_cursor(query.cursor, about) if query.cursor else None)
    walks = [question.walk(row, mark) for row, mark in _starts(records, question)]
    read = await reader.read({walk.records.name: walk.run for walk in walks})
    failed = {name: answer for name, answer in read.items() if isinstance(answer, VenueError)}
    merged = _Merged([walk for walk in walks if walk.records.name not in failed], question)
    merged.raise_if_nothing_was_understood()
    parts = reader.told(operation, _parts(walks, failed))
    return merged.history([*walks], about, parts)


def _starts(records: Sequence[Records], question: "_Question") -> Iterator[tuple[Records, Mark]]:
    marks = None if question.cursor is None else marks_of(question.cursor, [row.name for row in records])
    for row in records:
        yield row, question.start(row) if marks is None else marks[row.name]


def _parts(walks: Sequence[Walk], failed: dict[str, VenueError]) -> Iterator[Part]:
    for walk in walks:
        error = failed.get(walk.records.name)
        yield Part(walk.records.name, error.message if error else walk.problem)


@dataclass(frozen=True, slots=True)
class _Question:
    """What walks are to find, and from which end."""

    query: HistoryQuery
    now: Milliseconds
    cursor: Cursor | None

    @property
    def sign(self) -> int:
        """1 from `since` on, -1 back from the newest."""
        if self.cursor is not None:
            return 1 if self.cursor.forward else -1
        return -1 if self.query.since is None and self.query.limit is not None else 1

    def walk(self, records: Records, mark: Mark) -> Walk:
        """A walk over some records."""
        bound = self.now if self.sign > 0 else records.oldest(self.now)
        return Walk(records, mark, self.sign, bound, self.query.limit)

    def start(self, records: Records) -> Mark:
        """Where a walk begins without a cursor."""
        if self.sign < 0:
            length = records.span if records.newest_first else min(RECENT, records.span)
            first = max(self.now - length + 1, records.oldest(self.now))
            return Mark(first, self.now, None, 0, self.now + 1, self.now)
        asked = self.now - RECENT if self.query.since is None else self.query.since
        first = max(asked, records.oldest(self.now))
        claimed = asked if records.kept is None else first
        return Mark(first, min(first + records.span - 1, self.now), None, 0, claimed - 1, claimed)


class _Merged:
    """What is told of several walks: their entries in one order, as far as none of them may have an earlier one."""

    def __init__(self, walks: Sequence[Walk], question: _Question) -> None:
        self._walks = walks
        self._sign = question.sign
        self._taken = [0] * len(walks)
        self.entries: list[LedgerEntry] = []
        numbers = range(len(walks))[:: self._sign]  # so that of one instant, too, the newest are the end of all
        horizon = min(walk.horizon for walk in walks)
        for number, found in heapq.merge(*map(self._coming, numbers), key=self._place):
            if len(self.entries) == question.query.limit or self._sign * found.entry.timestamp > horizon:
                break
            self.entries.append(found.entry)
            self._taken[number] += 1

    def raise_if_nothing_was_understood(self) -> None:
        """Raise the first walk's trouble where no walk found anything that could be understood."""
        troubles = [walk.trouble for walk in self._walks if walk.trouble is not None]
        if len(troubles) == len(self._walks) and not any(walk.found for walk in self._walks):
            raise troubles[0]

    def history(self, walks: Sequence[Walk], about: str, parts: tuple[Part, ...]) -> History:
        """The answer: ascending, with the stretch for which all of these walks have told everything."""
        begin = self._sign * max(self._sign * walk.start.begin for walk in self._walks)
        edges = (self._sign * self._edge(number) for number in range(len(self._walks)))
        edge = self._sign * min([*edges, *self._furthest()])
        forward = self._sign > 0
        return History(
            tuple(sorted(self.entries[:: self._sign], key=lambda entry: entry.timestamp)),
            complete_from=begin if forward else edge,
            complete_to=edge if forward else begin,
            next_cursor=self._cursor(walks, about),
            parts=parts,
        )

    def _cursor(self, walks: Sequence[Walk], about: str) -> str | None:
        """Where to go on; None where all that could be read was told to its end."""
        if all(self._is_whole(number) and walk.finished for number, walk in enumerate(self._walks)):
            return None
        marks = {walk.records.name: walk.start for walk in walks}
        marks |= {walk.records.name: self._mark(number) for number, walk in enumerate(self._walks)}
        return Cursor(forward=self._sign > 0, question=about, marks=marks).text()

    def _coming(self, number: int) -> Iterator[tuple[int, FoundEntry]]:
        return ((number, found) for found in self._walks[number].found)

    def _place(self, coming: tuple[int, FoundEntry]) -> int:
        return self._sign * coming[1].entry.timestamp

    def _is_whole(self, number: int) -> bool:
        return self._taken[number] == len(self._walks[number].found)

    def _edge(self, number: int) -> Milliseconds:
        """Up to where all was told that a walk found."""
        walk = self._walks[number]
        if self._is_whole(number):
            return walk.mark.edge
        return walk.found[self._taken[number]].edge

    def _furthest(self) -> Iterator[int]:
        """The last instant that was told, in the direction of the walks, where they have found more."""
        if self.entries and not all(map(self._is_whole, range(len(self._walks)))):
            yield max(self._sign * entry.timestamp for entry in self.entries)

    def _mark(self, number: int) -> Mark:
        """Where a walk goes on behind what was told of it."""
        walk, taken = self._walks[number], self._taken[number]
        if self._is_whole(number):
            return walk.mark
        return walk.found[taken - 1].after if taken else walk.start
