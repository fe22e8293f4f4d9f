"""How much of a limit is used in the windows that a venue counts by.

When a request arrives is known only to lie between its sending and its answer. It is therefore counted in every window
it may have arrived in: from its sending on, and until one is over that began with its answer. That holds for any
number of requests at once, on however slow a way, and costs no more than one way there and back.
"""

from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.base import Milliseconds

CLOCK_MARGIN: Milliseconds = 500
"""How much a venue's clock may differ from ours. Signatures bear the time, so that clocks are kept close anyway."""

ROLLING_MARGIN: Milliseconds = 20
"""For the rounding of times, ours and theirs."""

STEP: Milliseconds = 100
"""When UTC has moved so far against the steady clock, somebody has set it. Otherwise the two pass alike."""

Ahead = Callable[[], Milliseconds]
"""How far UTC is ahead of the clock that windows are told the time by."""


def level() -> Milliseconds:
    """The time is told in UTC, which nobody sets."""
    return 0


class Count(NamedTuple):
    """What is used of a window: by us, and as far as the venue told it, by others."""

    ours: int
    others: int


class Most(NamedTuple):
    """How much may be used of a window already where something is to go: by us, and by all together."""

    ours: int
    together: int

    def holds(self, count: Count) -> bool:
        """Whether there is room beside what is used."""
        return count.ours <= self.ours and count.ours + count.others <= self.together

    def less(self, used: int) -> "Most":
        """The same where so much more is used by us."""
        return Most(self.ours - used, self.together - used)


@dataclass(slots=True, eq=False)
class Charge:
    """What a request uses from when it is let go."""

    weight: int
    begun: Milliseconds
    background: "Charge | None" = None
    """The same in the count of what is read in the background, if it is."""


class Window(ABC):
    """What is used of one scope. Times are ms of a clock that nobody sets, so that they do not run backwards."""

    def __init__(self, span: Milliseconds) -> None:
        self.span = span
        self._under_way = 0

    def begin(self, weight: int, now: Milliseconds) -> Charge:
        """Count a request that is let go."""
        self._under_way += weight
        return Charge(weight, now)

    def drop(self, use: Charge) -> None:
        """Forget a request that never left."""
        self._under_way -= use.weight

    def end(self, use: Charge, weight: int, now: Milliseconds) -> None:
        """A request is answered, or given up; `weight` is what it turned out to have."""
        self._under_way -= use.weight
        self._keep(use.begun, weight, now)

    def has_room(self, most: Most, now: Milliseconds) -> bool:
        """Whether no more is used in any window that a request let go now may arrive in."""
        return all(map(most.holds, self.counts(now)))

    @abstractmethod
    def counts(self, now: Milliseconds) -> list[Count]:
        """What is used of each window that a request let go now may arrive in."""

    @abstractmethod
    def room_at(self, most: Most, now: Milliseconds) -> Milliseconds:
        """When there will be room, as far as is known now: never too late."""

    @abstractmethod
    def changes_at(self, now: Milliseconds) -> Milliseconds | None:
        """When the next of what is used leaves its window; None if all of it is still under way."""

    @abstractmethod
    def hear(self, used: int, use: Charge, now: Milliseconds) -> None:
        """The venue says how much is used, by us and by others, in an answer to a request that has just come.

        Only what exceeds our own count is news: that is others'.
        """

    @abstractmethod
    def _keep(self, begun: Milliseconds, weight: int, now: Milliseconds) -> None: ...


class RollingWindow(Window):
    """Any stretch of time of a given length."""

    def __init__(self, span: Milliseconds) -> None:
        super().__init__(span)
        self._past: deque[tuple[Milliseconds, Count]] = deque()
        self._ours = self._others = 0

    def counts(self, now: Milliseconds) -> list[Count]:
        """The one window that ends now."""
        while self._past and self._past[0][0] <= now:
            _, left = self._past.popleft()
            self._ours -= left.ours
            self._others -= left.others
        return [Count(self._ours + self._under_way, self._others)]

    def room_at(self, most: Most, now: Milliseconds) -> Milliseconds:
        """When enough will have left the window."""
        (count,) = self.counts(now)
        if most.holds(count):
            return now
        for leaves, left in self._past:
            count = Count(count.ours - left.ours, count.others - left.others)
            if most.holds(count):
                return leaves
        return now + self.span

    def changes_at(self, now: Milliseconds) -> Milliseconds | None:
        """When the oldest leaves the window."""
        return max(now, self._past[0][0]) if self._past else None

    def hear(self, used: int, use: Charge, now: Milliseconds) -> None:
        """What is others' leaves the window no later than a window's length from now."""
        ((ours, others),) = self.counts(now)
        if (more := used - ours - others) > 0:
            self._add(Count(0, more), now)

    def _keep(self, begun: Milliseconds, weight: int, now: Milliseconds) -> None:
        self._add(Count(weight, 0), now)

    def _add(self, count: Count, now: Milliseconds) -> None:
        self._past.append((now + self.span + ROLLING_MARGIN, count))
        self._ours += count.ours
        self._others += count.others


class ClockWindow(Window):
    """Windows that follow each other on the venue's clock. At their borders a request may belong to two of them.

    Where the borders are is told by UTC. When that is set, before or now it was wrong, and nobody knows which: until a
    window's length is over, any stretch of that length counts. Whatever the clock is set to, nothing of what was used
    is forgotten, and nothing is counted for longer than two windows.
    """

    def __init__(self, span: Milliseconds, ahead: Ahead = level) -> None:
        super().__init__(span)
        self._ours: defaultdict[int, int] = defaultdict(int)
        self._others: defaultdict[int, int] = defaultdict(int)
        self._recent = RollingWindow(span)
        self._clock_ahead = ahead
        self._ahead = ahead()
        self._looked: Milliseconds | None = None
        self._doubted_until: Milliseconds | None = None

    def counts(self, now: Milliseconds) -> list[Count]:
        """The window that it is by our clock, and near its border the one beside it."""
        if self._is_in_doubt(now):
            ((ours, others),) = self._recent.counts(now)
            return [Count(ours + self._under_way, others)]
        return [self._count(window) for window in self._windows(now, now)]

    def room_at(self, most: Most, now: Milliseconds) -> Milliseconds:
        """Now, or when the next window has surely begun, or the one after it."""
        if self.has_room(most, now):
            return now
        if self._doubted_until is not None:
            return min(self._doubted_until, self._recent.room_at(most.less(self._under_way), now))
        following = self._windows(now, now)[0] + 1
        # what is under way may well be answered by then
        return self._begins(following if most.holds(self._kept(following)) else following + 1)

    def changes_at(self, now: Milliseconds) -> Milliseconds | None:
        """When the next window has surely begun."""
        if self._is_in_doubt(now):
            return min(filter(None, (self._doubted_until, self._recent.changes_at(now))))
        return self._begins(self._windows(now, now)[0] + 1)

    def hear(self, used: int, use: Charge, now: Milliseconds) -> None:
        """Believed only where there is no doubt which window it is about, or where it does not matter."""
        is_in_doubt = self._is_in_doubt(now)
        first, *more = self._windows(use.begun, now)
        if not more and not is_in_doubt:
            self._others[first] = max(self._others[first], used - self._count(first).ours)
        if not more or is_in_doubt:
            self._recent.hear(used - self._under_way, use, now)

    def _is_in_doubt(self, now: Milliseconds) -> bool:
        """Whether UTC was set not long ago. Looked at once in a millisecond."""
        if now != self._looked:
            self._looked, ahead = now, self._clock_ahead()
            if abs(ahead - self._ahead) > STEP:
                self._ahead = ahead
                self._ours.clear()
                self._others.clear()
                self._doubted_until = now + self.span + 2 * CLOCK_MARGIN
            elif self._doubted_until is not None and now >= self._doubted_until:
                self._doubted_until = None
        return self._doubted_until is not None

    def _count(self, window: int) -> Count:
        return Count(self._ours.get(window, 0) + self._under_way, self._others.get(window, 0))

    def _kept(self, window: int) -> Count:
        return Count(self._ours.get(window, 0), self._others.get(window, 0))

    def _windows(self, begun: Milliseconds, ended: Milliseconds) -> range:
        first = (begun + self._ahead - CLOCK_MARGIN) // self.span
        return range(first, (ended + self._ahead + CLOCK_MARGIN) // self.span + 1)

    def _begins(self, window: int) -> Milliseconds:
        return window * self.span + CLOCK_MARGIN - self._ahead

    def _keep(self, begun: Milliseconds, weight: int, now: Milliseconds) -> None:
        self._is_in_doubt(now)  # where the borders are now
        self._recent.counts(now)  # forgets what is over
        self._recent.end(self._recent.begin(weight, begun), weight, now)
        present = self._windows(now, now)[0]
        for counts in (self._ours, self._others):
            for past in [window for window in counts if window < present]:
                del counts[past]
        for window in self._windows(begun, now):
            if window >= present:
                self._ours[window] += weight
