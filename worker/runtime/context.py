"""What holds for the running task while a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def bound(variable: ContextVar[T], value: T) -> Iterator[None]:
    """The variable has this value in here, and the one from before when the block ends, however it ends."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
