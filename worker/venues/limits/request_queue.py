"""Who waits for room at a venue, and who may go: decided for one instant at a time, without any waiting of its own.

Light requests go by their urgency, and where that is the same in the order in which they came, past those that wait for
something else. A heavy request goes only where nobody light waits that a user waits for, and leaves room beside it, so
that it never makes one of those wait.

Here is only who found no room when it came: whoever finds some goes at once (`PendingRequest.take`).
"""

import asyncio
from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.runtime.clock import Moment, Timekeeper
from worker.venues.limits.meter import CapacityShortage, Demand, Meter, PendingRequest


class Decided(NamedTuple):
    """Who may go now, and who will not go any more."""

    gone: list[PendingRequest]
    late: list[tuple[PendingRequest, CapacityShortage]]


class RequestQueue:
    """The waiting requests of one venue."""

    def __init__(self) -> None:
        self._light: list[PendingRequest] = []
        self._heavy: list[PendingRequest] = []
        self._lacking: set[Meter] = set()

    def __len__(self) -> int:
        return len(self._light) + len(self._heavy)

    def join(self, ticket: PendingRequest, lacking: list[Demand], now: Moment) -> CapacityShortage | None:
        """Let a request wait for what it lacks, unless that is in vain: then say what has no room in time."""
        if shortage := ticket.shortage(now):
            return shortage
        insort(self._heavy if ticket.heavy else self._light, ticket, key=lambda waiting: waiting.urgency)
        self._note(ticket, lacking)
        return None

    def withdraw(self, ticket: PendingRequest) -> None:
        """Wait no longer; nothing where it does not wait, for it was let go or turned away."""
        waiting = self._heavy if ticket.heavy else self._light
        if ticket in waiting:
            waiting.remove(ticket)
            self._forget(ticket)

    def advance(self, now: Moment) -> Decided:
        """Let go all who may, and turn away those whose time is over or will be before a scope is open again."""
        decided = Decided([], [])
        for meter in self._lacking:
            meter.await_nobody()
        self._lacking.clear()
        self._light = self._passed(self._light, now, decided)
        self._heavy = self._passed(self._heavy, now, decided)
        return decided

    def changes_at(self, now: Moment) -> Milliseconds | None:
        """When to look again; None while nothing but an answer can change anything."""
        changes = [at for meter in self._lacking if (at := meter.changes_at(now)) is not None]
        return min([*changes, *(ticket.latest for ticket in self._waiting())], default=None)

    def _waiting(self) -> Iterable[PendingRequest]:
        yield from self._light
        yield from self._heavy

    def _passed(self, tickets: list[PendingRequest], now: Moment, decided: Decided) -> list[PendingRequest]:
        """Those who go on waiting."""
        waiting: list[PendingRequest] = []
        for ticket in tickets:
            if not (lacking := ticket.take(now)):
                decided.gone.append(ticket)
            elif now.steady >= ticket.latest or any(claim.meter.is_closed_at(ticket.latest) for claim in lacking):
                shortage = ticket.shortage(now) or CapacityShortage(lacking[0].meter, now.steady)
                decided.late.append((ticket, shortage))
            else:
                waiting.append(ticket)
                self._note(ticket, lacking)
        return waiting

    def _forget(self, ticket: PendingRequest) -> None:
        """Nobody has to wait behind it any more."""
        for claim in ticket.lacked:
            if not ticket.heavy:
                claim.meter.await_room(-claim.weight, ticket.urgency)

    def _note(self, ticket: PendingRequest, lacking: list[Demand]) -> None:
        ticket.lacked = lacking
        for claim in lacking:
            self._lacking.add(claim.meter)
            if not ticket.heavy:
                claim.meter.await_room(claim.weight, ticket.urgency)


BETWEEN_LOOKS: Milliseconds = 5
"""However fast room comes back in small pieces, those who wait are looked at no more often than this."""


class WaitingRequests:
    """The line of a venue, with the tasks that stand in it."""

    def __init__(self, timekeeper: Timekeeper) -> None:
        self._time = timekeeper
        self._line = RequestQueue()
        self._waiting: dict[PendingRequest, asyncio.Future[CapacityShortage | None]] = {}
        self._look: asyncio.Handle | None = None
        self._look_at = 0.0
        """When the timer is set to. Its handle can't be asked: for a time that is now, uvloop's has no `when`."""

    async def turn(self, ticket: PendingRequest, lacking: list[Demand], now: Moment) -> CapacityShortage | None:
        """Wait until a request has gone, or until waiting is in vain: then what has no room in time."""
        if shortage := self._line.join(ticket, lacking, now):
            return shortage
        decision: asyncio.Future[CapacityShortage | None] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = decision
        try:
            self._plan_look(now)
            return await decision
        except BaseException:  # given up, or a fault: either way nobody goes in its place
            self._withdraw(ticket)
            raise

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
        self._look, now = None, self._time.now()
        try:
            gone, late = self._line.advance(now)
            for ticket in gone:
                self._decide(ticket, None)
            for ticket, shortage in late:
                self._decide(ticket, shortage)
        finally:
            self._plan_look(now)

    def _decide(self, ticket: PendingRequest, shortage: CapacityShortage | None) -> None:
        turn = self._waiting.pop(ticket)
        if not turn.done():  # else it was cancelled, and its task has not run yet
            turn.set_result(shortage)

    def _plan_look(self, now: Moment) -> None:
        if (at := self._line.changes_at(now)) is not None:
            self._look_in(max(BETWEEN_LOOKS, at - now.steady + 1))

    def _look_in(self, wait: Milliseconds) -> None:
        """Set the timer, unless it is set to an earlier moment already."""
        loop = asyncio.get_running_loop()
        at = loop.time() + wait / 1000
        if self._look and self._look_at <= at:
            return
        if self._look:
            self._look.cancel()
        self._look, self._look_at = loop.call_at(at, self._look_now), at
