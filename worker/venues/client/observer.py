"""Hearing how each request to a venue goes, for whoever keeps its health, and how long its answers take.

answered   the venue said something of its own: done, refused, throttled
failed     no connection, no answer, or one that tells nothing, such as a 502
neither    given up here too soon to say anything of the venue

What is held back on this side, by a limit of ours or for want of a key that can sign, never comes this far.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median_high
from typing import NamedTuple

import aiohttp

from schemas.base import Milliseconds
from worker.telemetry.metrics import venue_request
from worker.telemetry.stages import STAGES, Stage
from worker.venues.port.errors import Refused, VenueError

Heard = Callable[[str | None], None]
"""Is told why a request failed, or None for one that was answered. The reason holds no URL and no key."""

PATIENCE_MS: Milliseconds = 1_000
"""A request that was given up after so long without an answer has failed, whoever gave it up."""

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


def nobody(failure: str | None) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class RequestObserver:
    """Tells how requests went. `patience_ms` is shorter than any time limit of a request, `label` names the venue."""

    told: Heard = nobody
    patience_ms: Milliseconds = PATIENCE_MS
    label: str = "a venue"

    @contextmanager
    def request(self, venue: str) -> Iterator[None]:
        """One request, from its first byte to the meaning of its answer."""
        began = time.perf_counter()
        try:
            yield
        except VenueError as error:
            self._ended(began, None if isinstance(error, Refused) else error.message)
            raise
        except (aiohttp.ClientError, OSError) as error:
            self._ended(began, f"a request to {venue} failed ({type(error).__name__})")
            raise
        except asyncio.CancelledError:
            waited_ms = int((time.perf_counter() - began) * 1000)
            if waited_ms >= self.patience_ms:
                self._ended(began, f"no answer from {venue} within {waited_ms} ms")
            else:
                venue_request(self.label, "given_up").observe(waited_ms / 1000)
            raise
        else:
            self._ended(began, None)
        finally:
            STAGES.get().intervals.append((Stage.VENUE, began, time.perf_counter()))

    def _ended(self, began: float, failure: str | None) -> None:
        venue_request(self.label, "failed" if failure else "answered").observe(time.perf_counter() - began)
        self.told(failure)


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
