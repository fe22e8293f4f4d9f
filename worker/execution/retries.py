"""Whether, and when, to try again: a value, apart from the trying."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.execution.errors import NotInForce
from worker.runtime.backoff import backoff_s
from worker.venues.port.errors import Ambiguous, NotSent, VenueError

FIRST_WAIT_MS = 100
LONGEST_WAIT_MS = 1_000


@dataclass(frozen=True, slots=True)
class Retries:
    """How often each kind of failure is tried again; what is not listed is final."""

    limits: Mapping[type[VenueError], int | None]

    def wait(self, error: VenueError, failures: int, left: Milliseconds) -> Milliseconds | None:
        """Milliseconds to wait after the n-th failure, or None to give up.

        The wait doubles, with jitter, and never reaches the deadline.
        """
        if type(error) not in self.limits:
            return None
        limit = self.limits[type(error)]
        if limit is not None and failures > limit:
            return None
        wait = int(1000 * backoff_s(failures, FIRST_WAIT_MS / 1000, LONGEST_WAIT_MS / 1000))
        return wait if wait < left else None


CHANGE = Retries(MappingProxyType({NotSent: None, NotInForce: 2}))
"""A change may be sent again after a read-back has shown the old value; while nothing leaves, until the deadline.

Of a collection nothing can be read back: once sent it is never sent again.
"""

QUERY = Retries(MappingProxyType({NotSent: 2, Ambiguous: 2}))
"""A query changes nothing and may be repeated."""
