"""Named locks among the processes of one machine: a lock on a file, which the kernel frees when its holder dies."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

POLL_S = 0.02
"""How often a lock that another process holds is tried again; nothing tells us when it is free."""


OPEN_FILES = 128
"""How many files are kept open that nobody holds just now: opening one costs more than locking it."""


class FileLocks:
    """One file per name, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Wait for a name, and hold it."""
        # Who waits holds the turn. Whoever lets go and wants it again at once, as a busy worker does, comes after them.
        queue = f"turn for {name}"
        turn = await self._wait(queue)
        try:
            held = await self._wait(name)
        finally:
            self._give_back(queue, turn)
        try:
            yield
        finally:
            self._give_back(name, held)

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncIterator[bool]:
        """Hold a name if it is free; tells whether."""
        held = self._take(name)
        try:
            yield held is not None
        finally:
            if held is not None:
                self._give_back(name, held)

    def close(self) -> None:
        """Close what nobody holds."""
        while self._open:
            os.close(self._open.popitem()[1])

    async def _wait(self, name: str) -> int:
        while (held := self._take(name)) is None:  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(POLL_S)
        return held

    def _take(self, name: str) -> int | None:
        # Whoever holds a name has taken its file out: the same name asked for again opens the file anew, and waits.
        descriptor = self._open.pop(name, None)
        if descriptor is None:
            file = self._folder / hashlib.sha256(name.encode()).hexdigest()[:32]
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _give_back(self, name: str, descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        if name in self._open or len(self._open) >= OPEN_FILES:
            os.close(descriptor)
        else:
            self._open[name] = descriptor
