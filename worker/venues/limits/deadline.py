"""Until when a request may wait for room: told by whoever carries out a command, read where requests are let go."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from schemas.base import Milliseconds

DEADLINE: ContextVar[Milliseconds | None] = ContextVar("deadline", default=None)
"""UTC ms. None: nobody said, and a request waits no longer for room than it may wait for its answer."""


@contextmanager
def within(deadline: Milliseconds) -> Iterator[None]:
    """Every venue call made in here must have its answer by then."""
    token = DEADLINE.set(deadline)
    try:
        yield
    finally:
        DEADLINE.reset(token)
