"""How long a venue usually takes to answer, measured on the answers that came not long ago."""

import time
from collections import deque
from collections.abc import Callable
from statistics import median_high
from typing import NamedTuple

from schemas.base import Milliseconds

UNMEASURED_MS: Milliseconds = 250
"""What is supposed of a venue that has not answered lately: a slow network and a new TLS connection."""

SLOWEST_MS: Milliseconds = 2_000
"""No more is ever expected: a venue that was slow for a while must not keep all commands from being tried."""

RECENT_S = 60.0
SAMPLES = 32
SAFETY = 1.25
"""The usual time is this much more than nine of ten answers took: who is sent on time shall have its answer in time."""

QUICKEST_MS: Milliseconds = 50
"""No less is ever expected: a busy loop alone can take so long to see that an answer is there."""


class _Sample(NamedTuple):
    at: float
    took_ms: float


class Latency:
    """The newest answers of one venue, by endpoint. Times are monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_endpoint: dict[str, deque[_Sample]] = {}

    def observe(self, endpoint: str, took_ms: float) -> None:
        """An answer has come."""
        self._by_endpoint.setdefault(endpoint, deque(maxlen=SAMPLES)).append(_Sample(self._clock(), took_ms))

    def usual(self, endpoint: str) -> Milliseconds:
        """What an answer of an endpoint usually takes: by its own answers, else by what others usually take."""
        if (own := self._measured(endpoint)) is not None:
            return own
        others = [ms for other in self._by_endpoint if (ms := self._measured(other)) is not None]
        return median_high(others) if others else UNMEASURED_MS

    def _measured(self, endpoint: str) -> Milliseconds | None:
        since = self._clock() - RECENT_S
        recent = sorted(sample.took_ms for sample in self._by_endpoint.get(endpoint, ()) if sample.at >= since)
        if not recent:
            return None
        return max(QUICKEST_MS, min(SLOWEST_MS, int(SAFETY * recent[len(recent) * 9 // 10])))
