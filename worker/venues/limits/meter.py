"""One scope as it stands: what is used of it, by how much we may use, and until when the venue has closed it.

And what requests need of scopes: one claims something of each that meters it, and takes all of it or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.limits.request_context import BACKGROUND, Urgency
from worker.venues.limits.tables import UNCOUNTED, Per, Scope, User
from worker.venues.limits.windows import (
    CLOCK_MARGIN,
    ROLLING_MARGIN,
    Ahead,
    Charge,
    ClockWindow,
    Count,
    Most,
    RollingWindow,
    Window,
    level,
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

    Times are ms of a clock that nobody sets; `ahead` tells how far UTC is ahead of it.
    """

    def __init__(
        self,
        scope: Scope,
        user: User | None,
        limit: int,
        share: float,
        ahead: Ahead = level,
        *,
        background: float = 1.0,
    ) -> None:
        self.scope = scope
        self._awaited = [0] * len(Urgency)
        self._user = user
        self._share = share if scope.per is Per.ADDRESS else 1.0
        self._keep_to(limit)
        self._background_share = background
        self._ahead = ahead
        self._window, self._background = self._new_window(), self._new_window()
        self._closed_until: Milliseconds = 0
        self._is_doubted = False
        self._trial: Charge | None = None

    def _new_window(self) -> Window:
        span = self.scope.window
        return ClockWindow(span, self._ahead) if self.scope.on_the_clock else RollingWindow(span)

    def _keep_to(self, limit: int) -> None:
        self._limit = limit
        self.budget = max(1, int(limit * self._share)) if self._share < 1 else limit
        """What this process may use of a window."""

    @property
    def background_budget(self) -> int:
        """What reading in the background may use of it."""
        return max(1, int(self.budget * self._background_share))

    def awaited(self, urgency: Urgency) -> int:
        """The weight of the light requests that wait for room here and are as urgent. Nothing else may go before."""
        return sum(self._awaited[: urgency + 1])

    def await_room(self, weight: int, urgency: Urgency) -> None:
        """A light request waits here; with a negative weight, it does no longer."""
        self._awaited[urgency] += weight

    def await_nobody(self) -> None:
        """Nobody waits here."""
        self._awaited = [0] * len(Urgency)

    def begin(self, weight: int, now: Milliseconds, urgency: Urgency = Urgency.COMMAND) -> Charge:
        """Count a request that is let go."""
        use = self._window.begin(weight, now)
        if urgency in BACKGROUND:
            use.background = self._background.begin(weight, now)
        if self._is_doubted and self._trial is None:
            self._trial = use
        return use

    def drop(self, use: Charge) -> None:
        """Forget a request that never left."""
        self._window.drop(use)
        if use.background:
            self._background.drop(use.background)
        if use is self._trial:
            self._trial = None

    def end(self, use: Charge, weight: int, now: Milliseconds) -> None:
        """A request is answered, or given up."""
        self._window.end(use, weight, now)
        if use.background:
            self._background.end(use.background, weight, now)
        if use is self._trial:
            self._trial, self._is_doubted = None, False

    def has_room(self, weight: int, now: Milliseconds, urgency: Urgency = Urgency.COMMAND) -> bool:
        """Whether a request of this weight may go now."""
        if now < self._opens_at or not self._window.has_room(self._most(weight), now):
            return False
        return urgency not in BACKGROUND or self._background.has_room(self._most_in_background(weight), now)

    def room_at(self, weight: int, now: Milliseconds, urgency: Urgency = Urgency.COMMAND) -> Milliseconds:
        """When there will be room for so much, several windows' worth or less, as far as is known: never too late."""
        windows, rest = divmod(weight - 1, self.budget)
        room = self._window.room_at(self._most(rest + 1), now) + windows * self._window.span
        if urgency in BACKGROUND:
            windows, rest = divmod(weight - 1, self.background_budget)
            share = self._background.room_at(self._most_in_background(rest + 1), now)
            room = max(room, share + windows * self._background.span)
        return max(room, self._closed_until)

    def changes_at(self, now: Milliseconds) -> Milliseconds | None:
        """When there may be room where there is none now; None if that takes an answer."""
        if self._opens_at > now:
            return self._opens_at
        changes = (window.changes_at(now) for window in (self._window, self._background))
        return min((at for at in changes if at is not None), default=None)

    def is_closed_at(self, instant: Milliseconds) -> bool:
        """Whether the venue will still have closed it then."""
        return instant < self._closed_until

    def hear(self, used: int | None, limit: int | None, use: Charge, now: Milliseconds) -> None:
        """What the venue tells in its answer to a request. A limit of nothing at all would be none."""
        if limit is not None and limit > 0:
            self._keep_to(limit)
        if used is not None:
            self._window.hear(used, use, now)

    def absorb(self, other: "Meter", now: Milliseconds) -> None:
        """Count here too what another meter of the same scope has counted: it turns out to be the same user's.

        Of the limits that either was told the lower one holds, until an answer tells it anew.
        """
        self._keep_to(min(self._limit, other._limit))
        used = max((count.ours for count in other._window.counts(now)), default=0)
        if used:
            self._window.end(self._window.begin(used, now), used, now)
        if other._closed_until > self._closed_until:
            self._closed_until, self._is_doubted, self._trial = other._closed_until, True, None

    def close(self, wait: Milliseconds | None, now: Milliseconds) -> None:
        """Let nothing go for so long, or if the venue does not say how long, for a window."""
        self._closed_until = max(self._closed_until, self._end_of(wait, now))
        self._is_doubted, self._trial = True, None

    def headroom(self, exchange: str, base_url: str | None, now: Milliseconds, network: Network = MAINNET) -> Headroom:
        """What is left now."""
        counted = self._limit < UNCOUNTED
        return Headroom(
            exchange=exchange,
            base_url=base_url,
            scope=self.scope.name,
            user=self._user.name if self._user else None,
            limit=self._limit if counted else None,
            left=max(0, min(map(self._left, self._window.counts(now)))) if counted else None,
            closed_for=max(0, self._closed_until - now),
            network=network,
        )

    def _most(self, weight: int) -> Most:
        return Most(self.budget - weight, self._limit - weight)

    def _most_in_background(self, weight: int) -> Most:
        # What weighs more than the whole share goes when nothing else of it is used, rather than never.
        return Most(max(0, self.background_budget - weight), UNCOUNTED)

    def _left(self, count: Count) -> int:
        return min(self.budget - count.ours, self._limit - count.ours - count.others)

    @property
    def _opens_at(self) -> Milliseconds:
        """When others may go, if nobody hears anything before."""
        return self._closed_until if self._trial is None else self._trial.begun + LONGEST_TRIAL

    def _end_of(self, wait: Milliseconds | None, now: Milliseconds) -> Milliseconds:
        span = self.scope.window
        if not self.scope.on_the_clock:
            return now + (span if wait is None else wait) + ROLLING_MARGIN
        told = now + (wait or 0)
        turn = told + -(told + self._ahead()) % span
        if wait is None or turn - told <= WHOLE_SECONDS:
            return turn + CLOCK_MARGIN
        return told + ROLLING_MARGIN


class Demand(NamedTuple):
    """What a request needs of one scope. `spare` must be left beside it; a `heavy` one gives way to users' queries."""

    meter: Meter
    weight: int
    spare: int = 0
    urgency: Urgency = Urgency.COMMAND
    heavy: bool = False

    @property
    def awaited(self) -> int:
        """What goes before it."""
        return self.meter.awaited(max(self.urgency, Urgency.QUERY) if self.heavy else self.urgency)

    def has_room(self, now: Milliseconds) -> bool:
        """Whether it may be taken now."""
        return not self.awaited and self.meter.has_room(self.weight + self.spare, now, self.urgency)

    def room_at(self, now: Milliseconds) -> Milliseconds | None:
        """When it may be taken, as far as is known; None if the budget will never hold it."""
        if self.weight > self.meter.budget:
            return None
        return self.meter.room_at(self.awaited + self.weight + self.spare, now, self.urgency)


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
    """A request that wants to go. If it must wait, then no longer than until `latest`."""

    claims: tuple[Demand, ...]
    latest: Milliseconds
    heavy: bool = False
    urgency: Urgency = Urgency.COMMAND
    uses: list[tuple[Meter, Charge]] = field(default_factory=list)
    lacked: list[Demand] = field(default_factory=list)
    """For what it was seen waiting last."""

    def lacking(self, now: Milliseconds) -> list[Demand]:
        """The claims for which there is no room now."""
        return [claim for claim in self.claims if not claim.has_room(now)]

    def go(self, now: Milliseconds) -> None:
        """Take what is claimed: all of it, or nothing where that fails."""
        try:
            for claim in self.claims:
                self.uses.append((claim.meter, claim.meter.begin(claim.weight, now, claim.urgency)))
        except BaseException:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Nothing of it was used. What was given back once is not given back again."""
        while self.uses:
            meter, use = self.uses.pop()
            meter.drop(use)

    def split(self, parts: Sequence["PendingRequest"], now: Milliseconds) -> None:
        """Hand what was taken for all over to each of the parts that were joined here."""
        if parts == [self]:
            return
        self.give_back()
        for part in parts:
            part.go(now)

    def shortage(self, now: Milliseconds) -> CapacityShortage | None:
        """What has no room in time: of several scopes the one that has it last."""
        found = (CapacityShortage(claim.meter, claim.room_at(now)) for claim in self.claims)
        late = [shortage for shortage in found if shortage.is_after(self.latest)]
        return max(late, key=lambda shortage: shortage.room_at or NEVER, default=None)


def joined(tickets: Sequence[PendingRequest]) -> PendingRequest:
    """One request in the place of several that go together; of each meter it claims the sum."""
    first, *more = tickets
    if not more:
        return first
    claims: dict[Meter, Demand] = {}
    for claim in chain.from_iterable(ticket.claims for ticket in tickets):
        before = claims.get(claim.meter, claim._replace(weight=0))
        together, spare = before.weight + claim.weight, max(before.spare, claim.spare)
        claims[claim.meter] = before._replace(weight=together, spare=spare)
    return PendingRequest(tuple(claims.values()), first.latest, first.heavy, first.urgency)
