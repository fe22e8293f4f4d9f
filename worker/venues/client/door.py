"""The door that every request which changes something goes through.

Whoever carries out a command stands at the door: it takes the request that an adapter has made, and has it let go,
recorded and sent, in that order. A request that changes something and finds no door is not sent.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from typing import Any, Protocol

from schemas.base import Milliseconds
from worker.runtime.context import bound
from worker.runtime.errors import Defect
from worker.venues.limits.permits import Permit, ReservedPermit

Hold = Callable[[ReservedPermit], None]
"""Takes room that is kept for a read which confirms a change."""


class ChangeRequest(Protocol):
    """A request that changes something, ready to be signed and sent."""

    @property
    def usual_ms(self) -> Milliseconds:
        """How long an answer to it usually takes at this venue."""

    def permit(self, hold: Hold) -> AbstractAsyncContextManager[Permit]:
        """The venue's limits let it go, together with the reads that confirm it. Raises LimitReached."""

    async def send(self, permit: Permit) -> Any:
        """Sign it, send it, and return the JSON of its answer. Raises what `worker.venues.port.errors` draws."""


class Door(Protocol):
    """Sends the requests of one change."""

    async def send(self, request: ChangeRequest) -> Any:
        """Send a request, and return its answer. Raises what forbids it, and then it was not sent."""


class Unguarded(Defect):
    """A request that changes something was about to be sent on nobody's behalf. It was not."""


DOOR: ContextVar[Door | None] = ContextVar("door", default=None)
"""The door of the change that the running task carries out."""


def through(door: Door) -> AbstractContextManager[None]:
    """Every change that is sent in here goes through this door."""
    return bound(DOOR, door)


def door_for(what: str) -> Door:
    """The door of a change. Raises Unguarded where there is none."""
    if (door := DOOR.get()) is None:
        raise Unguarded(f"{what} changes something, and nobody guards its sending; it was not sent")
    return door
