"""Waiting for room: requests stand in a line until it is their turn, and one timer looks after all of them."""

import asyncio

from schemas.base import Milliseconds
from worker.runtime.clock import Clock
from worker.telemetry import tracing
from worker.venues.limits.request_queue import CapacityShortage, NoRoom, PendingRequest, RequestQueue

BETWEEN_LOOKS: Milliseconds = 5
"""However fast room comes back in small pieces, those who wait are looked at no more often than this."""


class WaitingRequests:
    """The line of a venue, with the tasks that stand in it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._line = RequestQueue()
        self._waiting: dict[PendingRequest, asyncio.Future[CapacityShortage | None]] = {}
        self._look: asyncio.Handle | None = None
        self._look_at = 0.0
        """When the timer is set to. Its handle can't be asked: for a time that is now, uvloop's has no `when`."""

    async def take(self, ticket: PendingRequest) -> None:
        """Return when a request may go: at once where there is room. Raises NoRoom once waiting is in vain."""
        if self._line.offer(ticket, self._clock()):
            return
        try:
            turn = self._waiting[ticket] = asyncio.get_running_loop().create_future()
            self._plan_look()
            with tracing.span("wait for the limiter"):
                shortage = await turn
        except BaseException:  # given up, or a fault: either way nobody goes in its place
            self._withdraw(ticket)
            raise
        if shortage:
            raise NoRoom(shortage)

    def look_soon(self) -> None:
        """Something has changed: there may be room, or none any more."""
        if self._waiting:
            self._look_in(BETWEEN_LOOKS)

    def _withdraw(self, ticket: PendingRequest) -> None:
        self._waiting.pop(ticket, None)
        self._line.withdraw(ticket)
        ticket.give_back()  # where it was let go at the very moment in which nobody wanted it any more
        self.look_soon()

    def _look_now(self) -> None:
        """Let go all who may, and turn away who can't any more."""
        self._look = None
        try:
            gone, late = self._line.advance(self._clock())
            for ticket in gone:
                self._decide(ticket, None)
            for ticket, shortage in late:
                self._decide(ticket, shortage)
        finally:
            self._plan_look()

    def _decide(self, ticket: PendingRequest, shortage: CapacityShortage | None) -> None:
        turn = self._waiting.pop(ticket)
        if not turn.done():  # else it was cancelled, and its task has not run yet
            turn.set_result(shortage)

    def _plan_look(self) -> None:
        now = self._clock()
        if (at := self._line.changes_at(now)) is not None:
            self._look_in(max(BETWEEN_LOOKS, at - now + 1))

    def _look_in(self, wait: Milliseconds) -> None:
        """Set the timer, unless it is set to an earlier moment already."""
        loop = asyncio.get_running_loop()
        at = loop.time() + wait / 1000
        if self._look and self._look_at <= at:
            return
        if self._look:
            self._look.cancel()
        self._look, self._look_at = loop.call_at(at, self._look_now), at
