"""The time a stand-in venue believes it is."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.runtime import clock

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(slots=True)
class Clock:
    """UTC in ms, shifted by `offset`, so that a venue can disagree with its clients about the time."""

    offset: Milliseconds = 0

    def now(self) -> Milliseconds:
        """The venue's time."""
        return clock.now() + self.offset
