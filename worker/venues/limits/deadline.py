"""Until when a request may wait for room: told by whoever carries out a command, read where requests are let go."""

from contextlib import AbstractContextManager
from contextvars import ContextVar

from schemas.base import Milliseconds
from worker.runtime.context import bound

DEADLINE: ContextVar[Milliseconds | None] = ContextVar("deadline", default=None)
"""UTC ms. None: nobody said, and a request waits no longer for room than it may wait for its answer."""


def within(deadline: Milliseconds) -> AbstractContextManager[None]:
    """Every venue call made in here must have its answer by then."""
    return bound(DEADLINE, deadline)
