"""One scope as it stands: what is used of it, by how much we may use, and until when the venue has closed it.

And what requests need of scopes: one claims something of each that meters it, and takes all of it or nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import Moment
from worker.venues.limits.request_context import BACKGROUND, Urgency
from worker.venues.limits.tables import UNCOUNTED, Per, Scope, User
from worker.venues.limits.windows import (
    CLOCK_MARGIN,
    ROLLING_MARGIN,
    Charge,
    ClockWindow,
    Most,
    RollingWindow,
)

WHOLE_SECONDS: Milliseconds = 1_000
"""What a venue may leave out of a wait that it tells in whole seconds."""

LONGEST_TRIAL: Milliseconds = 1_000
"""How long others wait for the answer to the first request after a scope was closed."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What is left of a scope. `user` is None where all accounts share it, `left` where nobody counts.

    `limit` is what the venue allows, `left` what this process may still use now; `closed_for` is in ms.
    """

    exchange: str
    base_url: str | None
    scope: str
    user: str | None
    limit: int | None
    left: int | None
    closed_for: Milliseconds
    network: Network = MAINNET


class Meter:
    """Counts one scope, for one user where it is counted by user.

    Of what is metered by address, others behind the same address have a part of their own: `share` is ours. When a
    scope that was closed opens again, one request goes first: a crowd that runs into a second refusal looks to a venue
    like somebody who does not back off.

    What is read in the background is counted once more by itself, for it has `background` of our part at most.

    Times are ms of a clock that nobody sets, except in what is told as a `Moment`.
    """

    def __init__(self, scope: Scope, user: User | None, limit: int, share: float, *, background: float = 1.0) -> None:
        self.scope = scope
        self.awaited = [0] * len(Urgency)
        """By urgency, the weight of the light requests that wait for room here and are as urgent, or more."""
        self._user = user
        self._share = share if scope.per is Per.ADDRESS else 1.0
        self._keep_to(limit)
        self._background_share = background
        window = ClockWindow if scope.on_the_clock else RollingWindow
        self._window, self._background = window(scope.window), window(scope.window)
        self._closed_until: Milliseconds = 0
        self._is_doubted = False
        self._trial: Charge | None = None

    def _keep_to(self, limit: int) -> None:
        self._limit = limit
        self.budget = max(1, int(limit * self._share)) if self._share < 1 else limit
        """What this process may use of a window."""

    @property
    def background_budget(self) -> int:
        """What reading in the background may use of it."""
        return max(1, int(self.budget * self._background_share))

    def await_room(self, weight: int, urgency: Urgency) -> None:
        """A light request waits here; with a negative weight, it does no longer."""
        for behind in range(urgency, len(Urgency)):
            self.awaited[behind] += weight

    def await_nobody(self) -> None:
        """Nobody waits here."""
        self.awaited = [0] * len(Urgency)

    def has_room(self, weight: int, now: Moment, urgency: Urgency = Urgency.COMMAND) -> bool:
        """Whether a request of this weight may go now."""
        if self._is_doubted and now.steady < self._opens_at:
            return False
        used = self._window.used(now)
        if used.ours > self.budget - weight or used.together > self._limit - weight:
            return False
        return urgency not in BACKGROUND or self._most_in_background(weight).holds(self._background.used(now))

    def begin(self, weight: int, now: Moment, urgency: Urgency = Urgency.COMMAND) -> Charge:
        """Count a request that is let go."""
        use = self._window.begin(weight, now)
        if urgency in BACKGROUND:
            use.in_background = True
            self._background.begin(weight, now)
        if self._is_doubted and self._trial is None and now.steady >= self._closed_until:
            self._trial = use
        return use

    def drop(self, use: Charge) -> None:
        """Forget a request that never left."""
        self._window.drop(use)
        if use.in_background:
            self._background.drop(use)
        if use is self._trial:
            self._trial = None

    def end(self, use: Charge, weight: int, now: Moment, *, told: int | None = None, limit: int | None = None) -> None:
        """A request is given up, or answered, and its answer may tell how much is used, and how much it may be at most.

        A limit of nothing at all would be none.
        """
        if limit is not None and limit > 0:
            self._keep_to(limit)
        self._window.end(use, weight, now, told)
        if use.in_background:
            self._background.end(use, weight, now)
        if use is self._trial:
            self._trial, self._is_doubted = None, False

    def room_at(self, weight: int, now: Moment, urgency: Urgency = Urgency.COMMAND) -> Milliseconds:
        """When there will be room for so much, several windows' worth or less, as far as is known: never too late."""
        windows, rest = divmod(weight - 1, self.budget)
        most = Most(self.budget - rest - 1, self._limit - rest - 1)
        room = self._window.room_at(most, now) + windows * self.scope.window
        if urgency in BACKGROUND:
            windows, rest = divmod(weight - 1, self.background_budget)
            share = self._background.room_at(self._most_in_background(rest + 1), now)
            room = max(room, share + windows * self.scope.window)
        return max(room, self._closed_until)

    def changes_at(self, now: Moment) -> Milliseconds | None:
        """When there may be room where there is none now; None if that takes an answer."""
        if self._is_doubted and self._opens_at > now.steady:
            return self._opens_at
        changes = (window.changes_at(now) for window in (self._window, self._background))
        return min((at for at in changes if at is not None), default=None)

    def is_closed_at(self, instant: Milliseconds) -> bool:
        """Whether the venue will still have closed it then."""
        return instant < self._closed_until

    def absorb(self, other: "Meter", now: Moment) -> None:
        """Count here too what another meter of the same scope has counted: it turns out to be the same user's.

        Of the limits that either was told the lower one holds, until an answer tells it anew.
        """
        self._keep_to(min(self._limit, other._limit))
        if used := other._window.used(now).ours:
            self._window.end(self._window.begin(used, now), used, now)
        if other._closed_until > self._closed_until:
            self._closed_until, self._is_doubted, self._trial = other._closed_until, True, None

    def close(self, wait: Milliseconds | None, now: Moment) -> None:
        """Let nothing go for so long, or if the venue does not say how long, for a window."""
        self._closed_until = max(self._closed_until, self._end_of(wait, now))
        self._is_doubted, self._trial = True, None

    def headroom(self, exchange: str, base_url: str | None, now: Moment, network: Network = MAINNET) -> Headroom:
        """What is left now."""
        counted, used = self._limit < UNCOUNTED, self._window.used(now)
        return Headroom(
            exchange=exchange,
            base_url=base_url,
            scope=self.scope.name,
            user=self._user.name if self._user else None,
            limit=self._limit if counted else None,
            left=max(0, min(self.budget - used.ours, self._limit - used.together)) if counted else None,
            closed_for=max(0, self._closed_until - now.steady),
            network=network,
        )

    def _most_in_background(self, weight: int) -> Most:
        # What weighs more than the whole share goes when nothing else of it is used, rather than never.
        return Most(max(0, self.background_budget - weight), UNCOUNTED)

    @property
    def _opens_at(self) -> Milliseconds:
        """When others may go, if nobody hears anything before."""
        return self._closed_until if self._trial is None else self._trial.begun + LONGEST_TRIAL

    def _end_of(self, wait: Milliseconds | None, now: Moment) -> Milliseconds:
        span = self.scope.window
        if not self.scope.on_the_clock:
            return now.steady + (span if wait is None else wait) + ROLLING_MARGIN
        told = now.steady + (wait or 0)
        turn = told + -(now.utc + (wait or 0)) % span
        if wait is None or turn - told <= WHOLE_SECONDS:
            return turn + CLOCK_MARGIN
        return told + ROLLING_MARGIN


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
