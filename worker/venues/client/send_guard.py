"""The last look before a change leaves for a venue.

```
adapter's own reads ─▶ the limiter's permit ─▶ guard: time left? intent recorded? ─▶ signed and sent
                                                 └▶ raises what forbids it; nothing is sent
```

Whoever carries out a command sets the guard; the transport asks it for each request that changes something, repetitions
included, when all that has to be waited for is over.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

from schemas.base import Milliseconds
from worker.runtime.context import bound
from worker.runtime.errors import Defect
from worker.venues.limits.permits import ReservedPermit


class SendGuard(Protocol):
    """Decides about each sending of one change."""

    async def admit(self, usual: Milliseconds) -> None:
        """Record that the change is about to be sent. Raises what forbids it; then it must not be sent.

        `usual` is how many ms an answer usually takes at this venue.
        """

    def not_processed(self) -> None:
        """What was admitted last definitively changed nothing."""

    def hold(self, reservation: ReservedPermit) -> None:
        """Keep room at the venue for a read that confirms the change."""


class Unguarded(Defect):
    """A request that changes something was about to be sent on nobody's behalf. It was not."""


SEND_GUARD: ContextVar[SendGuard | None] = ContextVar("send_guard", default=None)
"""The guard of the change that the running task carries out."""


def guarded_by(guard: SendGuard) -> AbstractContextManager[None]:
    """Every change that is sent in here passes the guard first."""
    return bound(SEND_GUARD, guard)


def require_guard(what: str) -> SendGuard:
    """The guard of a change. Raises Unguarded where there is none."""
    if (guard := SEND_GUARD.get()) is None:
        raise Unguarded(f"{what} changes something, and nobody guards its sending; it was not sent")
    return guard
