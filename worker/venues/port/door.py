"""The door that every request which changes something goes through.

Whoever carries out a command hands its door down with it. A request is first let go by the venue's limits, then passes
the door, where it is looked whether there is time left for it and it is recorded, and only then is it signed and sent.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from schemas.base import Milliseconds
from worker.runtime.errors import Defect


class KeptRoom(Protocol):
    """Room at the venue that is kept for one request which is still to be made."""

    def end(self) -> None:
        """What was not used of it is free again."""


class Door(Protocol):
    """What the requests of one change pass on their way out."""

    def sending(self, usual_ms: Milliseconds) -> AbstractAsyncContextManager[None]:
        """A request leaves in here; an answer to it usually takes so long. Raises what forbids that: then none is sent.

        What is raised in here tells the door whether the venue may have made something of it.
        """

    def hold(self, room: KeptRoom) -> None:
        """Keep room for a read that confirms the change."""


class Unguarded(Defect):
    """A request that changes something was about to be sent past every door, or a read through one. It was not sent."""
