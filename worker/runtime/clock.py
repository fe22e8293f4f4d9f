"""The clock that deadlines are measured by, which may be set, and the one that only passes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.base import Milliseconds

Clock = Callable[[], Milliseconds]

HELD_UP: Milliseconds = 1
"""Two clocks that were read further apart than this are read again: a step that is none is seen otherwise."""

READINGS = 3

STEP: Milliseconds = 100
"""When UTC has moved so far against the steady clock, somebody has set it. Otherwise the two pass alike."""

AGES: Milliseconds = 2**62
"""Longer than anything lasts: UTC was not set since it was read first."""


def now() -> Milliseconds:
    """UTC milliseconds. An operator, or a server of time, may set this clock, by years and in either direction."""
    return time.time_ns() // 1_000_000


def steady() -> Milliseconds:
    """Milliseconds that only pass: nobody sets them, and they say nothing of the date."""
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Clocks:
    """What a duration is measured by, `steady`, and what others mean by a time, `utc`."""

    steady: Clock = steady
    utc: Clock = now

    @classmethod
    def alike(cls, clock: Clock) -> "Clocks":
        """One clock for both, which nobody sets: for what has a time of its own, such as a simulation."""
        return cls(clock, clock)


CLOCKS = Clocks()
"""Those of this machine."""


class Moment(NamedTuple):
    """One reading of both clocks, in ms, for all that is decided at once."""

    steady: Milliseconds
    utc: Milliseconds
    ahead: Milliseconds = 0
    """How far UTC is ahead of the steady clock. It changes only when UTC is set."""
    since_set: Milliseconds = AGES
    """For how long UTC has not been set, as far as that was seen."""


class Timekeeper:
    """Tells the time by both clocks, and sees when UTC was set."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._ahead: Milliseconds | None = None
        self._set_at: Milliseconds = -AGES

    def now(self) -> Moment:
        """Both clocks, read as one."""
        for _ in range(READINGS):
            before, utc, steady = self._clocks.steady(), self._clocks.utc(), self._clocks.steady()
            if steady - before <= HELD_UP:
                break
        ahead = utc - steady
        if self._ahead is None:
            self._ahead = ahead
        elif abs(ahead - self._ahead) > STEP:
            self._ahead, self._set_at = ahead, steady
        return Moment(steady, utc, self._ahead, steady - self._set_at)
