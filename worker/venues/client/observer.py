"""Hearing how each request to a venue goes, for whoever keeps its health.

answered   the venue said something of its own: done, refused, throttled
failed     no connection, no answer, or one that tells nothing, such as a 502
neither    given up here too soon to say anything of the venue

What is held back on this side, by a limit of ours or for want of a key that can sign, never comes this far.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from schemas.base import Milliseconds
from worker.telemetry.metrics import venue_request
from worker.venues.port.errors import Refused, VenueError

Heard = Callable[[str | None], None]
"""Is told why a request failed, or None for one that was answered. The reason holds no URL and no key."""

PATIENCE_MS: Milliseconds = 1_000
"""A request that was given up after so long without an answer has failed, whoever gave it up."""


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
        began = time.monotonic()
        try:
            yield
        except VenueError as error:
            self._ended(began, None if isinstance(error, Refused) else error.message)
            raise
        except (aiohttp.ClientError, OSError) as error:
            self._ended(began, f"a request to {venue} failed ({type(error).__name__})")
            raise
        except asyncio.CancelledError:
            waited_ms = int((time.monotonic() - began) * 1000)
            if waited_ms >= self.patience_ms:
                self._ended(began, f"no answer from {venue} within {waited_ms} ms")
            else:
                venue_request(self.label, "given_up").observe(waited_ms / 1000)
            raise
        self._ended(began, None)

    def _ended(self, began: float, failure: str | None) -> None:
        venue_request(self.label, "failed" if failure else "answered").observe(time.monotonic() - began)
        self.told(failure)
