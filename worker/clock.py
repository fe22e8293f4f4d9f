"""The time that deadlines are measured by."""

import time
from collections.abc import Callable

from schemas.base import Milliseconds

Clock = Callable[[], Milliseconds]


def now() -> Milliseconds:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000
