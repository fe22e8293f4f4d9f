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


class FileLocks:
    """One file per name, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Wait for a name, and hold it."""
        # Who waits holds the turn. Whoever lets go and wants it again at once, as a busy worker does, comes after them.
        turn = await self._wait(f"turn for {name}")
        try:
            held = await self._wait(name)
        finally:
            os.close(turn)
        try:
            yield
        finally:
            os.close(held)

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncIterator[bool]:
        """Hold a name if it is free; tells whether."""
        held = self._take(name)
        try:
            yield held is not None
        finally:
            if held is not None:
                os.close(held)

    async def _wait(self, name: str) -> int:
        while (held := self._take(name)) is None:  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(POLL_S)
        return held

    def _take(self, name: str) -> int | None:
        file = self._folder / hashlib.sha256(name.encode()).hexdigest()[:32]
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor
