"""Named locks among the processes of one machine: a lock on a file, which the kernel frees when its holder dies."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import structlog

from worker.ledger.sql.errors import LedgerUnavailable

POLL_S = 0.02
"""How often a lock that another process holds is tried again; nothing tells us when it is free."""


OPEN_FILES = 128
"""How many files are kept open that nobody holds just now: opening one costs more than locking it."""

log = structlog.get_logger(__name__)


class FileLocks:
    """One file per name, in a folder of their own, which is made anew where it is missing.

    A lock is the file's, not the name's: when a file is removed, whoever comes next makes another one. So a lock that
    was taken counts only if its file still lies there; and who holds one looks whether it does (`keep`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._open: dict[str, int] = {}
        self._held: dict[str, int] = {}
        folder.mkdir(exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncIterator[bool]:
        """Hold a name if it is free; tells whether. Raises LedgerUnavailable."""
        taken = self.take(name)
        try:
            yield taken
        finally:
            if taken:
                self.give_back(name)

    def keep(self) -> None:
        """Take anew what we hold and whose file was removed. Raises LedgerUnavailable while another process has it."""
        for name, descriptor in list(self._held.items()):
            if not _lies_at(descriptor, _file_of(self._folder, name)):
                self._take_anew(name, descriptor)

    def close(self) -> None:
        """Close what nobody holds."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _take_anew(self, name: str, descriptor: int) -> None:
        if not self.take(name):
            raise LedgerUnavailable(
                f"the files of the ledger's locks were removed from {self._folder} while in use, and another process "
                "has taken one of ours; nothing is sent until it is ours again"
            )
        os.close(descriptor)
        log.warning("lock_file_recreated", lock=name)

    def take(self, name: str) -> bool:
        """Hold a name if it is free; tells whether. Raises LedgerUnavailable."""
        # Whoever holds a name has taken its file out: the same name asked for again opens the file anew, and waits.
        file = _file_of(self._folder, name)
        while True:
            descriptor = self._open.pop(name, None)
            if descriptor is None:
                descriptor = self._opened(file)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(descriptor)
                if isinstance(error, BlockingIOError):
                    return False
                raise LedgerUnavailable(f"the ledger's locks can't be used: {error.strerror}") from error
            if _lies_at(descriptor, file):
                self._held[name] = descriptor
                return True
            os.close(descriptor)

    def _opened(self, file: str) -> int:
        try:
            Path(self._folder).mkdir(exist_ok=True, mode=0o700)
            return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerUnavailable(f"the ledger's locks in {self._folder} can't be used: {error.strerror}") from error

    def give_back(self, name: str) -> None:
        """Hold it no longer."""
        descriptor = self._held.pop(name)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        if name in self._open or len(self._open) >= OPEN_FILES:
            os.close(descriptor)
        else:
            self._open[name] = descriptor


@dataclass(frozen=True, slots=True)
class FileLock:
    """Waits for a name, and holds it. Raises LedgerUnavailable. A context as a class costs half of a generator."""

    locks: FileLocks
    name: str

    async def __aenter__(self) -> None:
        # Who waits holds the turn. Whoever lets go and wants it again at once, as a busy worker does, comes after them.
        turn = f"turn for {self.name}"
        while not self.locks.take(turn):  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(POLL_S)
        try:
            while not self.locks.take(self.name):  # noqa: ASYNC110 - the same
                await asyncio.sleep(POLL_S)
        finally:
            self.locks.give_back(turn)

    async def __aexit__(self, *_: object) -> None:
        self.locks.give_back(self.name)


@lru_cache(maxsize=2 * OPEN_FILES)
def _file_of(folder: str, name: str) -> str:
    return f"{folder}/{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _lies_at(descriptor: int, file: str) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        there = os.stat(file)
    except OSError:
        return False  # opening it tells why
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
