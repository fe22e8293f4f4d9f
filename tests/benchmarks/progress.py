"""What a run is at, and how long that took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from worker.console.kit.display import console


@contextmanager
def measuring(what: str) -> Iterator[None]:
    """Say what is measured now, and in the end how long it took."""
    console.print(f"measuring {what} …")
    began = time.monotonic()
    yield
    console.print(f"    {time.monotonic() - began:.0f} s")
