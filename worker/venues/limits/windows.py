"""How much of a limit is used in the windows that a venue counts by.

When a request arrives is known only to lie between its sending and its answer. It is therefore counted in every window
it may have arrived in: from its sending on, and until one is over that began with its answer. That holds for any
number of requests at once, on however slow a way, and costs no more than one way there and back.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.runtime.clock import Moment

CLOCK_MARGIN: Milliseconds = 500
"""How much a venue's clock may differ from ours. Signatures bear the time, so that clocks are kept close anyway."""

ROLLING_MARGIN: Milliseconds = 20
"""For the rounding of times, ours and theirs."""


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
