"""The log of writes beside a SQLite file: flushed to the disk when somebody asks for it, and kept short."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from worker.ledger.sql.errors import LedgerUnavailable

LONGEST_WRITES = 1_000
"""After so many writes, some megabytes, the log is moved into the file itself and begun anew."""


class WriteLog:
    """The write-ahead log of an open SQLite file, used in one event loop.

    A flush happens in a thread, and all who wait for it share the next one: the loop goes on with what need not wait.
    """

    def __init__(self, path: Path, connect: Callable[[Path], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._file = os.open(path.with_name(f"{path.name}-wal"), os.O_RDWR | os.O_CLOEXEC)
        self._threads = ThreadPoolExecutor(2, "ledger")
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._shortening: asyncio.Task[None] | None = None
        self._writes = 0
        self._takes_writes = asyncio.Event()
        self._takes_writes.set()

    async def flushed(self) -> None:
        """Return when a power failure could not take back what is written by now. Raises LedgerUnavailable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def takes_writes(self) -> None:
        """Wait while the last of the log is being moved."""
        if not self._takes_writes.is_set():
            await self._takes_writes.wait()

    def written(self) -> None:
        """Count a write, and shorten the log when there were many."""
        self._writes += 1
        if self._writes >= LONGEST_WRITES:
            self.shorten()

    def shorten(self) -> None:
        """Begin to move the log into the file itself, unless that is under way."""
        if self._shortening is None or self._shortening.done():
            self._writes = 0
            self._shortening = asyncio.create_task(self._shorten())

    async def close(self) -> None:
        """Finish what is under way."""
        await asyncio.gather(*(task for task in (self._flushing, self._shortening) if task is not None))
        await asyncio.to_thread(self._threads.shutdown)
        os.close(self._file)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(self._threads, os.fdatasync, self._file)
            except OSError as error:
                _tell(waiting, LedgerUnavailable(f"the ledger can't be flushed: {error}"))
            else:
                _tell(waiting, None)

    async def _shorten(self) -> None:
        """Move most of the log while writes go on, and the rest while none does: only an empty log begins anew."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._move)
        self._takes_writes.clear()
        try:
            await loop.run_in_executor(self._threads, self._move)
        finally:
            self._takes_writes.set()

    def _move(self) -> None:
        """Move the log into the file as far as no other process holds it back; what is left is for the next time."""
        try:
            with closing(self._connect(self._path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except (LedgerUnavailable, sqlite3.Error, OSError):
            return  # it can't be done now; the log grows meanwhile, and a write that can't be done is told


def _tell(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
