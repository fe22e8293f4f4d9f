"""The limits of one exchange at one address, kept for all accounts of this process.

```
request ─▶ room in all its scopes? ─▶ goes, counted ─▶ answer: settled, and what it tells is heard
               └▶ waits, if there will be room in time ─▶ goes
                           └▶ LimitReached at once, nothing sent
```
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from schemas.base import Milliseconds
from schemas.control import Network
from worker.clock import Clock
from worker.networks import MAINNET
from worker.observation.stages import Stage, spent
from worker.venues.answer import Answer
from worker.venues.errors import LimitReached
from worker.venues.limits.admission import RESERVATION, Admission, Reservation
from worker.venues.limits.background import BACKGROUND
from worker.venues.limits.line import Claim, NoRoom, Shortage, Ticket
from worker.venues.limits.meter import Headroom, Meter
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, User, VenueLimits
from worker.venues.limits.turns import Turns

LEFT_FOR_AN_ANSWER: Milliseconds = 50
"""Who had to wait goes no later than this before its deadline: an answer in less time is not to be had."""

LEFT_TO_LIGHT_ONES = 10
"""A heavy request leaves the tenth part of what is counted by address to light ones; one in the background of all."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What we may use: our share of each limit by address, and the limits that are not the documented ones, by name."""

    share: float
    granted: Mapping[str, int]


class Place:
    """The meters of an exchange at one address, made as they are needed, and who waits in front of them."""

    def __init__(
        self,
        exchange: str,
        base_url: str | None,
        venue: VenueLimits,
        terms: Terms,
        clock: Clock,
        *,
        network: Network = MAINNET,
    ) -> None:
        self._exchange = exchange
        self._base_url = base_url
        self._network = network
        self._venue = venue
        self._terms = terms
        self._clock = clock
        self._meters: dict[tuple[Scope, User | None], Meter] = {}
        self._turns = Turns(clock)

    @asynccontextmanager
    async def admission(
        self, name: str, params: Mapping[str, Any], user: User | None, deadline: Milliseconds
    ) -> AsyncIterator[Admission]:
        """Wait until a request may go, and count it until the context ends.

        Raises LimitReached as soon as it is known that there is no room before the deadline, and Unmetered.
        """
        cost = self._venue.cost(name, params)
        held = RESERVATION.get()
        if held and held.serves(self, cost, user):
            with held.used() as admission:
                yield admission
            return
        admission = await self._admitted(cost, user, deadline)
        try:
            yield admission
        finally:
            admission.end()

    @asynccontextmanager
    async def room(
        self, name: str, params: Mapping[str, Any], user: User | None, deadline: Milliseconds
    ) -> AsyncIterator[None]:
        """Wait until a request may go, and keep its room for this task to make it. Raises like `admission`."""
        cost = self._venue.cost(name, params)
        admission = await self._admitted(cost, user, deadline)
        token = RESERVATION.set(Reservation(admission, self, cost, user))
        try:
            yield
        finally:
            RESERVATION.reset(token)
            admission.end()

    def headroom(self) -> list[Headroom]:
        """What is left of every scope that was used yet."""
        now = self._clock()
        return [meter.headroom(self._exchange, self._base_url, now, self._network) for meter in self._meters.values()]

    def hear(self, ticket: Ticket, answer: Answer) -> None:
        """Learn what an answer tells of the limits of its request."""
        now = self._clock()
        reading, penalty = self._venue.reading(answer), self._venue.penalty(answer)
        if reading:
            used = None if penalty else reading.used  # a penalty tells better when there will be room again
            for meter, use in ticket.uses:
                if reading.per in (None, meter.scope.per):
                    meter.hear(used, reading.limit, use, now)
        if penalty:
            self._close(ticket, penalty, now)
        self._turns.look_soon()

    def end(self, ticket: Ticket, weight: int | None, *, sent: bool) -> None:
        """A request is over; `weight` is what it turned out to have, if that was open."""
        if sent:
            now = self._clock()
            for meter, use in ticket.uses:
                meter.end(use, use.weight if weight is None else weight, now)
        else:
            ticket.give_back()
        self._turns.look_soon()

    def check_open(self, ticket: Ticket) -> None:
        """Raise LimitReached where a request, though counted, meets a scope that the venue has closed."""
        now = self._clock()
        closed = [Shortage(meter, meter.room_at(1, now)) for meter, _ in ticket.uses if meter.is_closed_at(now)]
        if closed:
            raise self._refusal(closed[0])

    async def _admitted(self, cost: Cost, user: User | None, deadline: Milliseconds) -> Admission:
        ticket = self._ticket(cost, user, deadline)
        try:
            with spent(Stage.LIMITER):
                await self._turns.take(ticket)
        except NoRoom as full:
            refusal = self._refusal(full.shortage)
        else:
            return Admission(self, ticket, cost)
        raise refusal

    def _ticket(self, cost: Cost, user: User | None, deadline: Milliseconds) -> Ticket:
        heavy = cost.heavy or BACKGROUND.get()
        claims = tuple(self._claim(scope, weight, user, heavy=heavy) for scope, weight in cost.weights)
        return Ticket(claims, deadline - LEFT_FOR_AN_ANSWER, heavy)

    def _claim(self, scope: Scope, weight: int, user: User | None, *, heavy: bool) -> Claim:
        meter = self._meter(scope, user)
        in_background = BACKGROUND.get()
        if not heavy or (scope.per is Per.USER and not in_background):
            return Claim(meter, weight)
        left = max(meter.budget // LEFT_TO_LIGHT_ONES, int(in_background))
        return Claim(meter, weight, max(0, min(left, meter.budget - weight)))

    def _meter(self, scope: Scope, user: User | None) -> Meter:
        counted_for = user if scope.per is Per.USER else None
        if (found := self._meters.get((scope, counted_for))) is None:
            limit = self._terms.granted.get(scope.name, scope.limit)
            found = self._meters[scope, counted_for] = Meter(scope, counted_for, limit, self._terms.share)
        return found

    def _close(self, ticket: Ticket, penalty: Penalty, now: Milliseconds) -> None:
        meters = [meter for meter, _ in ticket.uses if penalty.per in (None, meter.scope.per)]
        if penalty.ban:
            meters = [self._meter(scope, None) for scope in self._venue.banned]
        for meter in meters:
            meter.close(penalty.wait, now)

    def _refusal(self, shortage: Shortage) -> LimitReached:
        meter, room_at = shortage
        whose = f"{self._exchange}'s limit of {meter.scope.name}"
        if room_at is None:
            return LimitReached(
                f"this takes more of {whose} than the {meter.budget} this process may use; nothing was sent",
                details={"limit": meter.scope.name},
            )
        wait = max(1, room_at - self._clock())
        return LimitReached(
            f"{whose} has no room in time, but in {wait} ms; nothing was sent",
            retry_after=wait,
            details={"limit": meter.scope.name},
        )
