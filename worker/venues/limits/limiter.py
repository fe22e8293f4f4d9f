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
from itertools import chain
from time import perf_counter

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import CLOCKS, Clocks
from worker.runtime.context import bound
from worker.telemetry.stages import STAGES, Stage
from worker.venues.limits.meter import CapacityShortage, Demand, Headroom, Meter, PendingRequest, joined
from worker.venues.limits.request_context import CONTEXT, ROOMS, Urgency
from worker.venues.limits.request_queue import NoRoom, WaitingRequests
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, User, VenueLimits, summed, user_by_id
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


@dataclass(slots=True, eq=False)
class Permit:
    """A request that may go. It is counted until it ends, and as `sent` or not from then on."""

    keeper: "RateLimiter"
    ticket: PendingRequest
    cost: Cost
    user: User | None
    sent: bool = False
    ended: bool = False

    def answered(self, answer: VenueResponse) -> None:
        """Here is its answer: learn what it tells of the limits, and count what it weighs, before all else."""
        self.ended = True
        settled = self.cost.settled
        self.keeper.answered(self.ticket, answer, None if settled is None else settled(answer.body))

    def check_open(self) -> None:
        """Raise LimitReached where the venue has meanwhile closed what it needs."""
        self.keeper.check_open(self.ticket)

    def end(self) -> None:
        """It is given up, or was never sent; nothing where it was answered."""
        if not self.ended:
            self.ended = True
            self.keeper.end(self.ticket, sent=self.sent)


class ReservedPermit:
    """Room for one request that is still to be made. Nobody else gets it meanwhile."""

    def __init__(self, permit: Permit) -> None:
        self.permit = permit
        self._is_free = True

    def serves(self, keeper: "RateLimiter", cost: Cost, user: User | None) -> bool:
        """Whether it is meant for this request, and not used yet."""
        kept = self.permit
        return self._is_free and (kept.keeper, kept.cost, kept.user) == (keeper, cost, user)

    @contextmanager
    def used(self) -> Iterator[Permit]:
        """The request it is for. One that was never sent may be made again. Raises LimitReached if it is too late."""
        self.permit.check_open()
        self._is_free = False
        try:
            yield self.permit
        finally:
            self._is_free = not self.permit.sent

    def end(self) -> None:
        """What was not used of it is free again."""
        self.permit.end()


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
        self.venue = venue
        self._terms = terms
        self._clocks = clocks
        self._clock = clocks.steady
        self._meters: dict[tuple[Scope, User | None], Meter] = {}
        self._by_id: dict[User, User] = {}
        self._turns = WaitingRequests(clocks.steady)

    @asynccontextmanager
    async def permit(
        self,
        cost: Cost,
        user: User | None,
        deadline: Milliseconds,
        hold: Callable[[KeptRoom], None] | None = None,
    ) -> AsyncIterator[Permit]:
        """Wait until a request of this cost may go, and count it until the context ends.

        With `hold` it goes together with the reads that confirm it, and their room is handed over to be kept.
        Raises LimitReached as soon as it is known that there is no room before the deadline.
        """
        for held in (*CONTEXT.get().held, *ROOMS.get()):
            if isinstance(held, ReservedPermit) and held.serves(self, cost, user):
                with held.used() as permit:
                    yield permit
                return
        following = [self.venue.costs[read] for read in cost.confirmed_by] if hold else []
        permit, *confirmations = await self._permits((cost, *following), user, deadline)
        if hold:
            for kept in confirmations:
                hold(ReservedPermit(kept))
        try:
            yield permit
        finally:
            if not permit.ended:
                permit.end()

    @asynccontextmanager
    async def room(self, cost: Cost, user: User | None, deadline: Milliseconds) -> AsyncIterator[None]:
        """Wait until a request may go, and keep its room for this task to make it. Raises like `permit`."""
        (permit,) = await self._permits((cost,), user, deadline)
        try:
            with bound(ROOMS, (*ROOMS.get(), ReservedPermit(permit))):
                yield
        finally:
            permit.end()

    def room_in(self, costs: Iterable[Cost], user: User | None) -> Milliseconds:
        """How long it takes, as far as is known, until there is room for requests, and beside them for others.

        For who has many to make and nobody waiting: nothing is kept, and a tenth of what is counted by address is left.
        """
        now = self._clock()
        return max(
            (self._room_at(scope, weight, user, now) - now for scope, weight in summed(costs).items()), default=0
        )

    def _room_at(self, scope: Scope, weight: int, user: User | None, now: Milliseconds) -> Milliseconds:
        meter = self._meter(scope, user)
        spare = meter.budget // LEFT_TO_LIGHT_ONES if scope.per is Per.ADDRESS else 0
        wanted = min(meter.budget, meter.awaited(Urgency.QUERY) + weight + spare)
        return now if meter.has_room(wanted, now) else max(now + 1, meter.room_at(wanted, now))

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

    def answered(self, ticket: PendingRequest, answer: VenueResponse, weight: int | None) -> None:
        """A request is over, and its answer tells of limits; `weight` is what it has, if that was open."""
        now = self._clock()
        penalty, reading = self.venue.penalty(answer), self.venue.reading(answer)
        for meter, use in ticket.uses:
            if reading and reading.per in (None, meter.scope.per):
                used = None if penalty else reading.used  # a penalty tells better when there will be room again
                meter.hear(used, self._limit_of(meter.scope, reading), use, now)
        if penalty:
            self._close(ticket, penalty, now)
        for meter, use in ticket.uses:
            meter.end(use, use.weight if weight is None else weight, now)
        self._turns.look_soon()

    def _limit_of(self, scope: Scope, reading: UsageReading) -> int | None:
        """The limit that was told. What a list tells everybody is not what we were granted."""
        return None if reading.of_everybody and scope.name in self._terms.granted else reading.limit

    def end(self, ticket: PendingRequest, *, sent: bool) -> None:
        """A request is over that has no answer."""
        if sent:
            now = self._clock()
            for meter, use in ticket.uses:
                meter.end(use, use.weight, now)
        else:
            ticket.give_back()
        self._turns.look_soon()

    def check_open(self, ticket: PendingRequest) -> None:
        """Raise LimitReached where a request, though counted, meets a scope that the venue has closed."""
        now = self._clock()
        closed = [CapacityShortage(meter, meter.room_at(1, now)) for meter, _ in ticket.uses if meter.is_closed_at(now)]
        if closed:
            raise self._refusal(closed[0])

    async def _permits(self, costs: tuple[Cost, ...], user: User | None, deadline: Milliseconds) -> list[Permit]:
        """Permits for requests that go together, or not at all.

        Where all together are more than we may ever use at once, one for the first of them.
        """
        context = CONTEXT.get()
        claims = [self._claims(cost, user, context.urgency) for cost in costs]
        now, latest = self._clocks.both(deadline - LEFT_FOR_AN_ANSWER)
        tickets = [
            PendingRequest(claimed, latest, cost.heavy, context.urgency)
            for claimed, cost in zip(claims, costs, strict=True)
        ]
        together = tickets[0]
        if len(tickets) > 1:
            together = joined(tickets)
            if any(claim.weight > claim.meter.budget for claim in together.claims):
                together, tickets = tickets[0], tickets[:1]
        began = perf_counter()
        try:
            await self._turns.take(together, now)
        except NoRoom as full:
            refusal = self._refusal(full.shortage)
        else:
            if len(tickets) > 1:
                together.split(tickets, self._clock())
            if context.bill is not None:
                _put_on_bill(tickets, context.bill)
            return [Permit(self, ticket, cost, user) for ticket, cost in zip(tickets, costs, strict=False)]
        finally:
            STAGES.get().intervals.append((Stage.LIMITER, began, perf_counter()))
        raise refusal

    def _claims(self, cost: Cost, user: User | None, urgency: Urgency) -> tuple[Demand, ...]:
        metered = [(self._meter(scope, user), weight) for scope, weight in cost.weights]
        return tuple(
            Demand(meter, weight, _spare(meter, weight) if cost.heavy else 0, urgency, cost.heavy)
            for meter, weight in metered
        )

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
        wait = max(1, room_at - self._clock())
        return LimitReached(
            f"{whose} has no room in time, but in {wait} ms; nothing was sent",
            retry_after=wait,
            details={"limit": meter.scope.name},
        )


def _spare(meter: Meter, weight: int) -> int:
    """What a heavy request leaves beside itself."""
    if meter.scope.per is not Per.ADDRESS:
        return 0
    return max(0, min(meter.budget // LEFT_TO_LIGHT_ONES, meter.budget - weight))


def _put_on_bill(tickets: list[PendingRequest], bill: dict[Meter, int]) -> None:
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
