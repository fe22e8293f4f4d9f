"""One scope as it stands: what is used of it, by how much we may use, and until when the venue has closed it.

When a request arrives is known only to lie between its sending and its answer. It is therefore counted in every window
it may have arrived in: from its sending on, and until one is over that began with its answer. That holds for any
number of requests at once, on however slow a way, and costs no more than one way there and back.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import Moment
from worker.venues.limits.request_context import BACKGROUND, Urgency
from worker.venues.limits.tables import UNCOUNTED, Per, Scope, User

CLOCK_MARGIN: Milliseconds = 500
"""How much a venue's clock may differ from ours. Signatures bear the time, so that clocks are kept close anyway."""

ROLLING_MARGIN: Milliseconds = 20
"""For the rounding of times, ours and theirs."""

WHOLE_SECONDS: Milliseconds = 1_000
"""What a venue may leave out of a wait that it tells in whole seconds."""

LONGEST_TRIAL: Milliseconds = 1_000
"""How long others wait for the answer to the first request after a scope was closed."""


class Count(NamedTuple):
    """What is used of a window: by us, and by all together, that is, by others too as far as the venue told it."""

    ours: int
    together: int


NOTHING = Count(0, 0)


class Most(NamedTuple):
    """How much may be used of a window already where something is to go: by us, and by all together."""

    ours: int
    together: int

    def holds(self, count: Count) -> bool:
        """Whether there is room beside what is used."""
        return count.ours <= self.ours and count.together <= self.together


@dataclass(slots=True, eq=False)
class Charge:
    """What a request uses from when it is let go; counted once more by itself if it is read `in_background`."""

    weight: int
    begun: Milliseconds
    in_background: bool = False


class RollingWindow:
    """What is used in any stretch of time of a given length. Times are told by a clock that nobody sets."""

    def __init__(self, span: Milliseconds) -> None:
        self.span = span
        self._under_way = 0
        self._past: deque[tuple[Milliseconds, Count]] = deque()
        self._ours = self._together = 0

    def begin(self, weight: int, now: Moment) -> Charge:
        """Count a request that is let go."""
        self._under_way += weight
        return Charge(weight, now.steady)

    def drop(self, use: Charge) -> None:
        """Forget a request that never left."""
        self._under_way -= use.weight

    def end(self, use: Charge, weight: int, now: Moment, told: int | None = None) -> None:
        """A request is answered, or given up; `weight` is what it turned out to have.

        `told` is how much is used by us and by others, if its answer tells that. Only what exceeds our own count is
        news: that is others', and leaves the window no later than a window's length from now.
        """
        self._forget(now)
        self._under_way -= use.weight
        self._ours += weight
        others = 0 if told is None else max(0, told - self._under_way - self._together - weight)
        self._together += weight + others
        self._past.append((now.steady + self.span + ROLLING_MARGIN, Count(weight, weight + others)))

    def used(self, now: Moment) -> Count:
        """The most that is used of a window in which a request that is let go now may arrive."""
        self._forget(now)
        return Count(self._ours + self._under_way, self._together + self._under_way)

    def room_at(self, most: Most, now: Moment) -> Milliseconds:
        """When there will be room, as far as is known now: never too late."""
        ours, together = self.used(now)
        if most.holds(Count(ours, together)):
            return now.steady
        for leaves, left in self._past:
            ours, together = ours - left.ours, together - left.together
            if most.holds(Count(ours, together)):
                return leaves
        return now.steady + self.span

    def changes_at(self, now: Moment) -> Milliseconds | None:
        """When the next of what is used leaves its window; None if all of it is still under way."""
        return max(now.steady, self._past[0][0]) if self._past else None

    def _forget(self, now: Moment) -> None:
        """What has left the window."""
        while self._past and self._past[0][0] <= now.steady:
            _, left = self._past.popleft()
            self._ours -= left.ours
            self._together -= left.together


class ClockWindow(RollingWindow):
    """Windows that follow each other on the venue's clock. At their borders a request may belong to two of them.

    Where the borders are is told by UTC. When that is set, before or now it was wrong, and nobody knows which: until a
    window's length is over, any stretch of that length counts. Whatever the clock is set to, nothing of what was used
    is forgotten, and nothing is counted for longer than two windows.
    """

    def __init__(self, span: Milliseconds) -> None:
        super().__init__(span)
        self._doubt = span + 2 * CLOCK_MARGIN
        """For so long after UTC was set nobody knows the borders."""
        self._answered: dict[Milliseconds, Count] = {}
        """What is used of windows by requests that are over, by when each window began."""

    def end(self, use: Charge, weight: int, now: Moment, told: int | None = None) -> None:
        """The same; what is told is believed where there is no doubt of its window, or where that does not matter."""
        first, *more = self._windows(now)
        in_one = not more and use.begun - CLOCK_MARGIN >= first
        is_in_doubt = now.since_set < self._doubt
        super().end(use, weight, now, told if in_one or is_in_doubt else None)
        counts = {window: self._answered.get(window, NOTHING) for window in (first, *more)}
        self._answered = {at: Count(count.ours + weight, count.together + weight) for at, count in counts.items()}
        if told is not None and in_one and not is_in_doubt:
            ours, together = self._answered[first]
            self._answered[first] = Count(ours, max(together, told - self._under_way))

    def used(self, now: Moment) -> Count:
        """Of the window that it is by our clock, and near its border of the one beside it too."""
        if now.since_set < self._doubt:
            return super().used(now)
        counts = [self._answered.get(window, NOTHING) for window in self._windows(now)]
        ours, together = max(count.ours for count in counts), max(count.together for count in counts)
        return Count(ours + self._under_way, together + self._under_way)

    def room_at(self, most: Most, now: Moment) -> Milliseconds:
        """Now, or when the next window has surely begun, or the one after it."""
        if most.holds(self.used(now)):
            return now.steady
        if now.since_set < self._doubt:
            return min(now.steady + self._doubt - now.since_set, super().room_at(most, now))
        following = self._windows(now)[0] + self.span
        # what is under way may well be answered by then
        if not most.holds(self._answered.get(following, NOTHING)):
            following += self.span
        return following + CLOCK_MARGIN

    def changes_at(self, now: Moment) -> Milliseconds | None:
        """When the next window has surely begun."""
        if now.since_set < self._doubt:
            return min(filter(None, (now.steady + self._doubt - now.since_set, super().changes_at(now))))
        return self._windows(now)[0] + self.span + CLOCK_MARGIN

    def _windows(self, now: Moment) -> range:
        """When the windows began, or will, that it may be now by the venue's clock."""
        earliest, latest = now.steady - CLOCK_MARGIN, now.steady + CLOCK_MARGIN
        return range(earliest - (earliest + now.ahead) % self.span, latest + 1, self.span)


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
