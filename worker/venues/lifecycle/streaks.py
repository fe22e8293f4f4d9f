"""Counting what became of requests: within the last while, and one after the other."""

from collections import deque
from dataclasses import dataclass

from schemas.base import Milliseconds


@dataclass(slots=True)
class _Second:
    """What became of the requests that ended within one second."""

    at: int
    requests: int = 0
    failures: int = 0


class SlidingCounter:
    """The requests of the last so many seconds."""

    def __init__(self, seconds: int) -> None:
        self._span = seconds
        self._seconds: deque[_Second] = deque()

    def note(self, at: Milliseconds, *, failed: bool) -> None:
        """Count a request that has just ended."""
        second = at // 1000
        if not self._seconds or self._seconds[-1].at < second:
            self._seconds.append(_Second(second))
        self._seconds[-1].requests += 1
        self._seconds[-1].failures += failed

    def counts(self, at: Milliseconds) -> tuple[int, int]:
        """How many requests there were, and how many of them failed."""
        while self._seconds and self._seconds[0].at <= at // 1000 - self._span:
            self._seconds.popleft()
        return sum(second.requests for second in self._seconds), sum(second.failures for second in self._seconds)


@dataclass(slots=True)
class Row:
    """Failures, or answers, one after the other with none of the other kind between them.

    `began` and `last` are the times of the first and the last failure.
    """

    failures: int = 0
    answers: int = 0
    began: Milliseconds = 0
    last: Milliseconds = 0

    def note(self, at: Milliseconds, *, failed: bool) -> None:
        """Count a request that has just ended."""
        if not failed:
            self.failures, self.answers = 0, self.answers + 1
            return
        if not self.failures:
            self.began = at
        self.failures, self.answers, self.last = self.failures + 1, 0, at
