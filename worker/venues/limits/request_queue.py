"""Who waits for room at a venue, and who may go: decided for one instant at a time, without any waiting of its own.

Light requests go by their urgency, and where that is the same in the order in which they came, past those that wait for
something else. A heavy request goes only where nobody light waits that a user waits for, and leaves room beside it, so
that it never makes one of those wait.

A request claims something of each scope that meters it, and takes all of it or nothing. Whoever finds room when it
comes goes at once (`PendingRequest.take`), and is never in the queue.
"""

import asyncio
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.runtime.clock import Moment, Timekeeper
from worker.venues.limits.meter import Charge, Meter
from worker.venues.limits.request_context import Urgency


class Demand(NamedTuple):
    """What a request needs of one scope, and what must be left `spare` beside it."""

    meter: Meter
    weight: int
    spare: int = 0


NEVER: Milliseconds = 2**63


class CapacityShortage(NamedTuple):
    """A scope that has no room in time. It has some at `room_at`, or never."""

    meter: Meter
    room_at: Milliseconds | None

    def is_after(self, instant: Milliseconds) -> bool:
        """Whether there is no room until then."""
        return self.room_at is None or self.room_at > instant


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request that wants to go, or several together. If it must wait, then no longer than until `latest`."""

    claims: tuple[Demand, ...]
    latest: Milliseconds
    heavy: bool = False
    urgency: Urgency = Urgency.COMMAND
    behind: Urgency = Urgency.COMMAND
    """The least urgent of those that it gives way to where they wait already."""
    each: tuple[Demand, ...] = ()
    """Of several, what each claims, one after the other: they are counted by themselves."""
    uses: list[tuple[Meter, Charge]] = field(default_factory=list)
    lacked: list[Demand] = field(default_factory=list)
    """For what it was seen waiting last."""

    def take(self, now: Moment) -> list[Demand]:
        """Take all that is claimed if there is room for it; else nothing, and return what is lacking.

        There is room where nobody waits whom it gives way to, and where what it leaves beside itself is free as well.
        """
        lacking = [
            claim
            for claim in self.claims
            if claim.meter.awaited[self.behind]
            or not claim.meter.has_room(claim.weight + claim.spare, now, self.urgency)
        ]
        if lacking:
            return lacking
        try:
            for meter, weight, _ in self.each or self.claims:
                self.uses.append((meter, meter.begin(weight, now, self.urgency)))
        except BaseException:
            self.give_back()
            raise
        return []

    def give_back(self) -> None:
        """Nothing of it was used. What was given back once is not given back again."""
        while self.uses:
            meter, charge = self.uses.pop()
            meter.drop(charge)

    def shortage(self, now: Moment) -> CapacityShortage | None:
        """What has no room in time: of several scopes the one that has it last."""
        found = (CapacityShortage(claim.meter, self._room_at(claim, now)) for claim in self.claims)
        late = [shortage for shortage in found if shortage.is_after(self.latest)]
        return max(late, key=lambda shortage: shortage.room_at or NEVER, default=None)

    def _room_at(self, claim: Demand, now: Moment) -> Milliseconds | None:
        """When it may be taken, as far as is known; None if the budget will never hold it."""
        meter = claim.meter
        if claim.weight > meter.budget:
            return None
        return meter.room_at(meter.awaited[self.behind] + claim.weight + claim.spare, now, self.urgency)


def joined(each: Iterable[Demand]) -> tuple[Demand, ...]:
    """What is needed of each scope by all who go together."""
    together: dict[Meter, Demand] = {}
    for claim in each:
        before = together.get(claim.meter, Demand(claim.meter, 0))
        weight, spare = before.weight + claim.weight, max(before.spare, claim.spare)
        together[claim.meter] = Demand(claim.meter, weight, spare)
    return tuple(together.values())


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
