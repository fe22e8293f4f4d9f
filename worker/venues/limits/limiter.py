"""The limits of each exchange at each address, kept for all accounts of this process.

```
request ─▶ room in all its scopes? ─▶ goes, counted ─▶ answer: settled, and what it tells is heard
               └▶ waits, if there will be room in time ─▶ goes
                           └▶ LimitReached at once, nothing sent
```
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import CLOCKS, Clocks
from worker.telemetry.stages import Stage, spent
from worker.venues.limits.meter import Headroom, Meter
from worker.venues.limits.permits import Permit, ReservedPermit
from worker.venues.limits.request_context import BILL, CONTEXT, RESERVED, Urgency, reserved
from worker.venues.limits.request_queue import (
    CapacityShortage,
    Demand,
    NoRoom,
    PendingRequest,
    WaitingRequests,
    joined,
)
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, User, VenueLimits, user_by_id
from worker.venues.port.errors import LimitReached
from worker.venues.port.response import VenueResponse

LEFT_FOR_AN_ANSWER: Milliseconds = 50
"""Who had to wait goes no later than this before its deadline: an answer in less time is not to be had."""

LEFT_TO_LIGHT_ONES = 10
"""A heavy request leaves the tenth part of what is counted by address to light ones; one in the background of all."""


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """What we may use: our share of each limit by address, and the limits that are not the documented ones, by name.

    `background` is the part of each that reading in the background may use.
    """

    share: float
    granted: Mapping[str, int]
    background: float = 1.0


class RateLimiter:
    """The meters of an exchange at one address, made as they are needed, and who waits in front of them."""

    def __init__(
        self,
        exchange: str,
        base_url: str | None,
        venue: VenueLimits,
        terms: LimitTerms,
        clocks: Clocks,
        *,
        network: Network = MAINNET,
    ) -> None:
        self._exchange = exchange
        self._base_url = base_url
        self._network = network
        self._venue = venue
        self._terms = terms
        self._clocks = clocks
        self._clock = clocks.steady
        self._meters: dict[tuple[Scope, User | None], Meter] = {}
        self._by_id: dict[User, User] = {}
        self._turns = WaitingRequests(clocks.steady)

    @asynccontextmanager
    async def permit(
        self,
        name: str,
        params: Mapping[str, Any],
        user: User | None,
        deadline: Milliseconds,
        hold: Callable[[ReservedPermit], None] | None = None,
    ) -> AsyncIterator[Permit]:
        """Wait until a request may go, and count it until the context ends.

        With `hold` it goes together with the reads that confirm it, and their room is handed over to be kept.
        Raises LimitReached as soon as it is known that there is no room before the deadline, and Unmetered.
        """
        cost = self._venue.cost(name, params)
        for held in RESERVED.get():
            if held.serves(self, cost, user):
                with held.used() as permit:
                    yield permit
                return
        following = self._following(cost, user) if hold else ()
        permit, *confirmations = await self._permits((cost, *following), user, deadline)
        if hold:
            for read, kept in zip(following, confirmations, strict=True):
                hold(ReservedPermit(kept, self, read, user))
        try:
            yield permit
        finally:
            permit.end()

    @asynccontextmanager
    async def room(
        self, name: str, params: Mapping[str, Any], user: User | None, deadline: Milliseconds
    ) -> AsyncIterator[None]:
        """Wait until a request may go, and keep its room for this task to make it. Raises like `permit`."""
        cost = self._venue.cost(name, params)
        (permit,) = await self._permits((cost,), user, deadline)
        try:
            with reserved(ReservedPermit(permit, self, cost, user)):
                yield
        finally:
            permit.end()

    def learn_user(self, user: User, user_id: str) -> None:
        """A key belongs to this user of the venue: from now on it shares the meters of that user's other keys.

        What it has used so far is counted there too.
        """
        known = user_by_id(user.name, user_id)
        if user == known or self._by_id.get(user) == known:
            return
        self._by_id[user] = known
        now = self._clock()
        for scope in [scope for scope, counted_for in self._meters if counted_for == user]:
            found = self._meters.pop((scope, user))
            if (scope, known) in self._meters:
                self._meters[scope, known].absorb(found, now)
            else:
                self._meters[scope, known] = found
        self._turns.look_soon()

    def headroom(self) -> list[Headroom]:
        """What is left of every scope that was used yet."""
        now = self._clock()
        return [meter.headroom(self._exchange, self._base_url, now, self._network) for meter in self._meters.values()]

    def hear(self, ticket: PendingRequest, answer: VenueResponse) -> None:
        """Learn what an answer tells of the limits of its request."""
        now = self._clock()
        reading, penalty = self._venue.reading(answer), self._venue.penalty(answer)
        if reading:
            used = None if penalty else reading.used  # a penalty tells better when there will be room again
            for meter, use in ticket.uses:
                if reading.per in (None, meter.scope.per):
                    meter.hear(used, self._limit_of(meter.scope, reading), use, now)
        if penalty:
            self._close(ticket, penalty, now)
        self._turns.look_soon()

    def _limit_of(self, scope: Scope, reading: UsageReading) -> int | None:
        """The limit that was told. What a list tells everybody is not what we were granted."""
        return None if reading.of_everybody and scope.name in self._terms.granted else reading.limit

    def end(self, ticket: PendingRequest, weight: int | None, *, sent: bool) -> None:
        """A request is over; `weight` is what it turned out to have, if that was open."""
        if sent:
            now = self._clock()
            for meter, use in ticket.uses:
                meter.end(use, use.weight if weight is None else weight, now)
        else:
            ticket.give_back()
        self._turns.look_soon()

    def check_open(self, ticket: PendingRequest) -> None:
        """Raise LimitReached where a request, though counted, meets a scope that the venue has closed."""
        now = self._clock()
        closed = [CapacityShortage(meter, meter.room_at(1, now)) for meter, _ in ticket.uses if meter.is_closed_at(now)]
        if closed:
            raise self._refusal(closed[0])

    def _following(self, cost: Cost, user: User | None) -> tuple[Cost, ...]:
        """The reads that confirm a change, unless all together are more than we may ever use at once."""
        found = self._venue.confirmations(cost)
        together = joined([self._ticket(each, user, self._clocks.utc()) for each in (cost, *found)])
        return found if all(claim.weight <= claim.meter.budget for claim in together.claims) else ()

    async def _permits(self, costs: tuple[Cost, ...], user: User | None, deadline: Milliseconds) -> list[Permit]:
        """Permits for requests that go together, or not at all."""
        tickets = [self._ticket(cost, user, deadline) for cost in costs]
        together = joined(tickets)
        try:
            with spent(Stage.LIMITER):
                await self._turns.take(together)
        except NoRoom as full:
            refusal = self._refusal(full.shortage)
        else:
            together.split(tickets, self._clock())
            _put_on_bill(tickets)
            return [Permit(self, ticket, cost, user) for ticket, cost in zip(tickets, costs, strict=True)]
        raise refusal

    def _ticket(self, cost: Cost, user: User | None, deadline: Milliseconds) -> PendingRequest:
        urgency, latest = CONTEXT.get().urgency, self._clocks.in_steady(deadline) - LEFT_FOR_AN_ANSWER
        claims = tuple(self._claim(scope, weight, user, urgency, heavy=cost.heavy) for scope, weight in cost.weights)
        return PendingRequest(claims, latest, cost.heavy, urgency)

    def _claim(self, scope: Scope, weight: int, user: User | None, urgency: Urgency, *, heavy: bool) -> Demand:
        meter, spare = self._meter(scope, user), 0
        if heavy and scope.per is Per.ADDRESS:
            spare = max(0, min(meter.budget // LEFT_TO_LIGHT_ONES, meter.budget - weight))
        return Demand(meter, weight, spare, urgency, heavy)

    def _meter(self, scope: Scope, user: User | None) -> Meter:
        counted_for = self._by_id.get(user, user) if user and scope.per is Per.USER else None
        if (found := self._meters.get((scope, counted_for))) is None:
            limit = self._terms.granted.get(scope.name, scope.limit)
            terms = self._terms
            found = Meter(scope, counted_for, limit, terms.share, self._clocks.ahead, background=terms.background)
            self._meters[scope, counted_for] = found
        return found

    def _close(self, ticket: PendingRequest, penalty: Penalty, now: Milliseconds) -> None:
        meters = [meter for meter, _ in ticket.uses if penalty.per in (None, meter.scope.per)]
        if penalty.ban:
            meters = [self._meter(scope, None) for scope in self._venue.banned]
        for meter in meters:
            meter.close(penalty.wait, now)

    def _refusal(self, shortage: CapacityShortage) -> LimitReached:
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


def _put_on_bill(tickets: list[PendingRequest]) -> None:
    if (bill := BILL.get()) is not None:
        for claim in chain.from_iterable(ticket.claims for ticket in tickets):
            bill[claim.meter] = bill.get(claim.meter, 0) + claim.weight


Granted = Mapping[str, Mapping[str, int]]
NOTHING_GRANTED: Granted = {}


class Limits:
    """The limits of every exchange at every address it is reached at. All accounts of the process share them.

    `share` is the part of each limit by network address that is ours: several processes behind one address must not
    take more than the whole of it together. `granted` holds limits other than the documented ones, which a venue has
    granted us, by exchange and name; `background` is the part of each that reading in the background may use. What
    passes is measured by a clock that nobody sets: a step of UTC closes nothing and forgets nothing.
    """

    def __init__(
        self,
        share: float = 1.0,
        granted: Granted = NOTHING_GRANTED,
        clocks: Clocks = CLOCKS,
        *,
        background: float = 0.5,
    ) -> None:
        self._share = share
        self._background = background
        self._granted = granted
        self._clocks = clocks
        self._limiters: dict[tuple[str, Network, str | None], RateLimiter] = {}

    def of(self, exchange: str, base_url: str | None, venue: VenueLimits, network: Network = MAINNET) -> RateLimiter:
        """The limits of an exchange at an address. What was granted holds for the real network alone."""
        key = exchange, network, base_url
        if (found := self._limiters.get(key)) is None:
            granted = self._granted.get(exchange, {}) if network == MAINNET else {}
            terms = LimitTerms(self._share, granted, self._background)
            found = self._limiters[key] = RateLimiter(exchange, base_url, venue, terms, self._clocks, network=network)
        return found

    def now(self) -> Milliseconds:
        """The time that deadlines are compared with, UTC ms."""
        return self._clocks.utc()

    def headroom(self) -> list[Headroom]:
        """What is left of every scope that was used yet."""
        return [row for limiter in self._limiters.values() for row in limiter.headroom()]
