"""Requests that no client waits for: they go when nobody else wants to, and leave room beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

BACKGROUND: ContextVar[bool] = ContextVar("background", default=False)


@contextmanager
def yielding() -> Iterator[None]:
    """Every venue call made in here comes after all others."""
    token = BACKGROUND.set(True)
    try:
        yield
    finally:
        BACKGROUND.reset(token)
