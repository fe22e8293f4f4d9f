"""The limits of each exchange at each address, kept for all accounts of this process.

```
request ─▶ room in all its scopes? ─▶ goes, counted ─▶ answer: settled, and what it tells is heard
               └▶ waits, if there will be room in time ─▶ goes
                           └▶ LimitReached at once, nothing sent
```
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Protocol

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import CLOCKS, Clocks, Moment, Timekeeper
from worker.telemetry.stages import STAGES, Stage
from worker.venues.limits.meter import Charge, Headroom, Meter
from worker.venues.limits.request_context import CONTEXT, ROOMS, Urgency, bound
from worker.venues.limits.request_queue import CapacityShortage, Demand, PendingRequest, WaitingRequests, joined
from worker.venues.limits.tables import (
    NOTHING_TOLD,
    Cost,
    Penalty,
    Per,
    Scope,
    User,
    VenueLimits,
    summed,
    user_by_id,
)
from worker.venues.port.door import KeptRoom
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


class Metered(Protocol):
    """An exchange at an address: on its `base_url`, or where ccxt knows it to be."""

    id: str
    base_url: str | None
    network: Network
    metered: VenueLimits
    """What it meters, and what requests cost."""


@dataclass(slots=True, eq=False)
class Permit:
    """A request that may go. It is counted until it ends, and as `sent` or not from then on."""

    limiter: "RateLimiter"
    uses: list[tuple[Meter, Charge]]
    cost: Cost
    user: User | None
    sent: bool = False
    ended: bool = False


class ReservedPermit:
    """Room for one request that is still to be made. Nobody else gets it meanwhile."""

    def __init__(self, permit: Permit) -> None:
        self.permit = permit
        self._is_free = True

    def serves(self, limiter: "RateLimiter", cost: Cost, user: User | None) -> bool:
        """Whether it is meant for this request, and not used yet."""
        kept = self.permit
        return self._is_free and (kept.limiter, kept.cost, kept.user) == (limiter, cost, user)

    @contextmanager
    def used(self) -> Iterator[Permit]:
        """The request it is for. One that was never sent may be made again. Raises LimitReached if it is too late."""
        self.permit.limiter.check_open(self.permit)
        self._is_free = False
        try:
            yield self.permit
        finally:
            self._is_free = not self.permit.sent

    def end(self) -> None:
        """What was not used of it is free again."""
        self.permit.limiter.end(self.permit)


class RateLimiter:
    """The meters of an exchange at one address, made as they are needed, and who waits in front of them."""

    def __init__(self, exchange: Metered, terms: LimitTerms, clocks: Clocks) -> None:
        self._exchange = exchange.id
        self._base_url = exchange.base_url
        self._network = exchange.network
        self.venue = exchange.metered
        self._terms = terms
        self._time = Timekeeper(clocks)
        self._meters: dict[tuple[Scope, User | None], Meter] = {}
        self._by_id: dict[User, User] = {}
        self._waiting = WaitingRequests(self._time)

    @asynccontextmanager
    async def permit(
        self,
        cost: Cost,
        user: User | None,
        patience: Milliseconds,
        hold: Callable[[KeptRoom], None] | None = None,
    ) -> AsyncIterator[Permit]:
        """Wait until a request of this cost may go, and count it until the context ends.

        It waits until the deadline of what it is made for, and without one no longer than it has `patience`. With
        `hold` it goes together with the reads that confirm it, and their room is handed over to be kept.
        Raises LimitReached as soon as it is known that there is no room in time.
        """
        for held in (*CONTEXT.get().held, *ROOMS.get()):
            if isinstance(held, ReservedPermit) and held.serves(self, cost, user):
                with held.used() as permit:
                    yield permit
                return
        following = [self.venue.costs[read] for read in cost.confirmed_by] if hold else []
        permit, *confirmations = await self._let_go((cost, *following), user, patience)
        if hold:
            for kept in confirmations:
                hold(ReservedPermit(kept))
        try:
            yield permit
        finally:
            if not permit.ended:
                self.end(permit)

    @asynccontextmanager
    async def room(self, cost: Cost, user: User | None, patience: Milliseconds) -> AsyncIterator[None]:
        """Wait until a request may go, and keep its room for this task to make it. Raises like `permit`."""
        (permit,) = await self._let_go((cost,), user, patience)
        try:
            with bound(ROOMS, (*ROOMS.get(), ReservedPermit(permit))):
                yield
        finally:
            self.end(permit)

    async def _let_go(self, costs: tuple[Cost, ...], user: User | None, patience: Milliseconds) -> list[Permit]:
        """Permits for requests that go together, or not at all: at once where there is room, and else in their turn.

        Where all together are more than we may ever use at once, one for the first of them.
        """
        began, context, now = perf_counter(), CONTEXT.get(), self._time.now()
        left = patience if context.deadline is None else context.deadline - now.utc
        request = self._request(costs, user, now.steady + left - LEFT_FOR_AN_ANSWER, context.urgency)
        try:
            lacking = request.take(now)
            shortage = await self._waiting.turn(request, lacking, now) if lacking else None
        finally:
            STAGES.get().intervals.append((Stage.LIMITER, began, perf_counter()))
        if shortage is not None:
            raise self._refusal(shortage)
        if context.bill is not None:
            for claim in request.claims:
                context.bill[claim.meter] = context.bill.get(claim.meter, 0) + claim.weight
        gone, uses = costs if request.each else costs[:1], iter(request.uses)
        return [Permit(self, [*islice(uses, len(cost.weights))], cost, user) for cost in gone]

    def _request(
        self, costs: tuple[Cost, ...], user: User | None, latest: Milliseconds, urgency: Urgency
    ) -> PendingRequest:
        heavy = costs[0].heavy
        behind = max(urgency, Urgency.QUERY) if heavy else urgency
        each = tuple(
            Demand(meter := self._meter(scope, user), weight, _spare(meter, weight) if cost.heavy else 0)
            for cost in costs
            for scope, weight in cost.weights
        )
        together = joined(each) if len(costs) > 1 else ()
        if together and all(claim.weight <= claim.meter.budget for claim in together):
            return PendingRequest(together, latest, heavy, urgency, behind, each)
        return PendingRequest(each[: len(costs[0].weights)], latest, heavy, urgency, behind)

    def _meter(self, scope: Scope, user: User | None) -> Meter:
        counted_for = self._by_id.get(user, user) if user and scope.per is Per.USER else None
        if (found := self._meters.get((scope, counted_for))) is None:
            terms = self._terms
            limit = terms.granted.get(scope.name, scope.limit)
            found = Meter(scope, counted_for, limit, terms.share, background=terms.background)
            self._meters[scope, counted_for] = found
        return found

    def answered(self, permit: Permit, answer: VenueResponse) -> None:
        """A request has its answer: count what it weighs, and learn what the answer tells of the limits."""
        permit.ended = True
        now, settled = self._time.now(), permit.cost.settled
        weight = None if settled is None else settled(answer.body)
        penalty, reading = self.venue.penalty(answer), self.venue.reading(answer) or NOTHING_TOLD
        for meter, use in permit.uses:
            told = reading if reading.per in (None, meter.scope.per) else NOTHING_TOLD
            used = None if penalty else told.used  # a penalty tells better when there will be room again
            # what a list tells everybody is not what we were granted
            limit = None if told.of_everybody and meter.scope.name in self._terms.granted else told.limit
            meter.end(use, use.weight if weight is None else weight, now, told=used, limit=limit)
        if penalty:
            self._close(permit, penalty, now)
        self._waiting.look_soon()

    def end(self, permit: Permit) -> None:
        """A request is given up, or was never sent; nothing where it was answered."""
        if permit.ended:
            return
        permit.ended, now = True, self._time.now()
        for meter, use in permit.uses:
            if permit.sent:
                meter.end(use, use.weight, now)
            else:
                meter.drop(use)
        self._waiting.look_soon()

    def check_open(self, permit: Permit) -> None:
        """Raise LimitReached where a request, though counted, meets a scope that the venue has meanwhile closed."""
        now = self._time.now()
        for meter, _ in permit.uses:
            if meter.is_closed_at(now.steady):
                raise self._refusal(CapacityShortage(meter, meter.room_at(1, now)))

    def _close(self, permit: Permit, penalty: Penalty, now: Moment) -> None:
        meters = [meter for meter, _ in permit.uses if penalty.per in (None, meter.scope.per)]
        if penalty.ban:
            meters = [self._meter(scope, None) for scope in self.venue.banned]
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
        wait = max(1, room_at - self._time.now().steady)
        return LimitReached(
            f"{whose} has no room in time, but in {wait} ms; nothing was sent",
            retry_after=wait,
            details={"limit": meter.scope.name},
        )

    def room_in(self, costs: Iterable[Cost], user: User | None) -> Milliseconds:
        """How long it takes, as far as is known, until there is room for requests, and beside them for others.

        For who has many to make and nobody waiting: nothing is kept, and a tenth of what is counted by address is left.
        """
        now = self._time.now()
        return max(
            (self._room_at(scope, weight, user, now) - now.steady for scope, weight in summed(costs).items()),
            default=0,
        )

    def _room_at(self, scope: Scope, weight: int, user: User | None, now: Moment) -> Milliseconds:
        meter = self._meter(scope, user)
        spare = meter.budget // LEFT_TO_LIGHT_ONES if scope.per is Per.ADDRESS else 0
        wanted = min(meter.budget, meter.awaited[Urgency.QUERY] + weight + spare)
        return now.steady if meter.has_room(wanted, now) else max(now.steady + 1, meter.room_at(wanted, now))

    def learn_user(self, user: User, user_id: str) -> None:
        """A key belongs to this user of the venue: from now on it shares the meters of that user's other keys.

        What it has used so far is counted there too.
        """
        known = user_by_id(user.name, user_id)
        if user == known or self._by_id.get(user) == known:
            return
        self._by_id[user] = known
        now = self._time.now()
        for scope in [scope for scope, counted_for in self._meters if counted_for == user]:
            found = self._meters.pop((scope, user))
            if (scope, known) in self._meters:
                self._meters[scope, known].absorb(found, now)
            else:
                self._meters[scope, known] = found
        self._waiting.look_soon()

    def headroom(self) -> list[Headroom]:
        """What is left of every scope that was used yet."""
        now = self._time.now()
        return [meter.headroom(self._exchange, self._base_url, now, self._network) for meter in self._meters.values()]


def _spare(meter: Meter, weight: int) -> int:
    """What a heavy request leaves beside itself."""
    if meter.scope.per is not Per.ADDRESS:
        return 0
    return max(0, min(meter.budget // LEFT_TO_LIGHT_ONES, meter.budget - weight))


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

    def of(self, exchange: Metered) -> RateLimiter:
        """The limits of an exchange at its address. What was granted holds for the real network alone."""
        key = exchange.id, exchange.network, exchange.base_url
        if (found := self._limiters.get(key)) is None:
            granted = self._granted.get(exchange.id, {}) if exchange.network == MAINNET else {}
            terms = LimitTerms(self._share, granted, self._background)
            found = self._limiters[key] = RateLimiter(exchange, terms, self._clocks)
        return found

    def headroom(self) -> list[Headroom]:
        """What is left of every scope that was used yet."""
        return [row for limiter in self._limiters.values() for row in limiter.headroom()]
