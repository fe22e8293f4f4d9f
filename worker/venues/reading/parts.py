"""Reading an account part by part, so that one part which can't be read blinds nothing else.

every part at once ─▶ all failed ─▶ the error of the first
                   └▶ some did  ─▶ those whose answer was missing, once more ─▶ what was read, and what was not
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

import structlog

from schemas.margin import MarginPool
from schemas.replies import Position
from worker.telemetry.metrics import PARTS_UNREAD
from worker.venues.port.adapter import MarginRead, OpenPositions, Part, TiersRead
from worker.venues.port.errors import Ambiguous, LimitReached, NotSent, Unlisted, VenueError
from worker.venues.reading.cursors import question_of

log = structlog.get_logger(__name__)

T = TypeVar("T")
U = TypeVar("U")

Read = Callable[[], Awaitable[T]]


class RowsRead(NamedTuple, Generic[T]):
    """What could be made of some rows, and what is wrong with the first of the others; None where there are none."""

    found: tuple[T, ...]
    problem: VenueError | None = None


def understood(rows: Iterable[U], read: Callable[[U], T | None]) -> RowsRead[T]:
    """What each row says. One that can't be understood is left out alone; None is a row that nobody asked for."""
    found: list[T] = []
    problem: VenueError | None = None
    for row in rows:
        try:
            item = read(row)
        except VenueError as error:
            problem = problem or error
        else:
            if item is not None:
                found.append(item)
    return RowsRead(tuple(found), problem)


class PartReader:
    """Reads the parts of one account, and says once of each, in log and metrics, when it can't be read any more."""

    def __init__(self, exchange: str, account_id: str) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._known: dict[tuple[str, str], str] = {}

    def question(self, *about: object) -> str:
        """What tells a question about this account from others."""
        return question_of(self._exchange, self._account_id, *about)

    async def positions(self, reads: Mapping[str, Read[RowsRead[Position]]]) -> OpenPositions:
        """The open positions of some parts. Raises VenueError where nothing could be read of any of them."""
        read = await self.read(reads)
        parts = {name: _understood(answer) for name, answer in read.items()}
        problems = [problem for found, problem in parts.values() if problem is not None]
        if len(problems) == len(parts) and problems and not any(found for found, _ in parts.values()):
            raise problems[0]
        told = (Part(name, problem.message if problem else None) for name, (_, problem) in parts.items())
        return OpenPositions(
            tuple(chain.from_iterable(found for found, _ in parts.values())), self.told("get_positions", told)
        )

    async def margin(
        self,
        found: OpenPositions,
        reads: Mapping[str, Read[tuple[MarginPool, ...]]],
        whole: OpenPositions | None = None,
    ) -> MarginRead:
        """The pools of some parts, after the positions were `found`. A part whose positions are unread is so here too.

        `whole` are the positions to be told, where the pools have parts of their own. Raises LimitReached alone.
        """
        read = await asyncio.gather(*map(_attempted, reads.values()))
        failed = {name: error for name, error in zip(reads, read, strict=True) if isinstance(error, VenueError)}
        _raise_if_of_no_part(failed)
        pools = chain.from_iterable(answer for answer in read if not isinstance(answer, VenueError))
        blind = [part for part in found.parts if part.unread is not None and part.name not in reads]
        told = (Part(name, failed[name].message if name in failed else None) for name in reads)
        parts = (*self.told("get_margin_health", told), *blind)
        return MarginRead(found, tuple(pools), parts, next(iter(failed.values()), None))

    async def read(self, reads: Mapping[str, Read[T]]) -> dict[str, T | VenueError]:
        """What each part answers, by its name, or why it can't be read.

        Raises the error of the first part where none could be read at all, and LimitReached: that says nothing of a
        part, and passes. A part whose answer was missing is asked once more, if others were read.
        """
        read = dict(zip(reads, await asyncio.gather(*map(_attempted, reads.values())), strict=True))
        failed = {name: error for name, error in read.items() if isinstance(error, VenueError)}
        _raise_if_of_no_part(failed, of_all=len(failed) == len(reads))
        again = [name for name, error in failed.items() if _may_pass(error)]
        read |= zip(again, await asyncio.gather(*(_attempted(reads[name]) for name in again)), strict=True)
        _raise_if_of_no_part({name: error for name, error in read.items() if isinstance(error, VenueError)})
        return read

    def tiers(self, read: TiersRead) -> TiersRead:
        """The same tiers, once log and metrics have heard of which parts they are missing."""
        return replace(read, parts=self.told("get_leverage_tiers", read.parts))

    def told(self, what: str, parts: Iterable[Part]) -> tuple[Part, ...]:
        """The same parts, once log and metrics have heard what is unread; `what` is the operation that read them."""
        told = tuple(parts)
        for part in told:
            self._note(what, part)
        return told

    def _note(self, what: str, part: Part) -> None:
        key = (what, part.name)
        if part.unread is None:
            self._known.pop(key, None)
            return
        PARTS_UNREAD.labels(self._exchange, what).inc()
        if self._known.get(key) != part.unread:
            self._known[key] = part.unread
            log.warning("part_unread", account=self._account_id, operation=what, part=part.name, error=part.unread)


def _understood(answer: RowsRead[Position] | VenueError) -> RowsRead[Position]:
    return RowsRead((), answer) if isinstance(answer, VenueError) else answer


async def _attempted(read: Read[T]) -> T | VenueError:
    try:
        return await read()
    except VenueError as error:
        return error


def _may_pass(error: VenueError) -> bool:
    return isinstance(error, NotSent | Ambiguous) and not isinstance(error, Unlisted)


def _raise_if_of_no_part(failed: Mapping[str, VenueError], *, of_all: bool = False) -> None:
    limited = (error for error in failed.values() if isinstance(error, LimitReached))
    if error := next(limited, next(iter(failed.values()), None) if of_all else None):
        raise error
