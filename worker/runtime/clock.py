"""The clock that deadlines are measured by, which may be set, and the one that only passes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from schemas.base import Milliseconds

Clock = Callable[[], Milliseconds]

HELD_UP: Milliseconds = 1
"""Two clocks that were read further apart than this are read again: a step that is none is seen otherwise."""

READINGS = 3


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

    def ahead(self) -> Milliseconds:
        """How far UTC is ahead of the steady clock. It changes only when UTC is set."""
        for _ in range(READINGS):
            before, utc, after = self.steady(), self.utc(), self.steady()
            if after - before <= HELD_UP:
                break
        return utc - after

    def both(self, utc: Milliseconds) -> tuple[Milliseconds, Milliseconds]:
        """Now, and a time told in UTC, as the steady clock shows the one and will show the other unless UTC is set."""
        return self.steady(), utc - self.ahead()


CLOCKS = Clocks()
"""Those of this machine."""
