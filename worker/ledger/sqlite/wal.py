"""The log of writes beside a SQLite file: flushed to the disk when somebody asks for it, and kept short."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from worker.ledger.sql.errors import LedgerUnavailable
from worker.runtime.stopping import set_within

LONGEST_WRITES = 1_000
"""After so many writes, some megabytes, the log is moved into the file itself and begun anew."""

GATHER_S = 0.01
"""How soon after the one before a flush begins that keeps nobody waiting: one does for all who ask meanwhile, and each
takes 0.2 to 0.5 ms of processor time with its way to a thread and back. Who asks seldom waits for nothing: to wake up
once more costs as much."""


class WriteLog:
    """The write-ahead log of an open SQLite file, used in one event loop.

    A flush happens in a thread, and all who wait for it share the next one: the loop goes on with what need not wait.

    ```
    asked for ─▶ at once, or when one has been under way, after it ─▶ all who have asked by then
              └▶ no hurry: the same, but a moment after the one before at the soonest
    ```
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[Path], sqlite3.Connection],
        flush: Callable[[int], None] = os.fdatasync,
        gather_s: float = GATHER_S,
    ) -> None:
        self._path = path
        self._connect = connect
        self._flush_file = flush
        self._gather_s = gather_s
        self._file = os.open(path.with_name(f"{path.name}-wal"), os.O_RDWR | os.O_CLOEXEC)
        self._threads = ThreadPoolExecutor(2, "ledger")
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._begun = 0.0
        self._closed = False
        self._shortening: asyncio.Task[None] | None = None
        self.writes = 0
        """How many there were since it was begun anew; when they are many, it is to be shortened."""
        self.takes_writes = asyncio.Event()
        """Not set while the last of the log is being moved."""
        self.takes_writes.set()

    async def flushed(self, *, gathered: bool = False) -> None:
        """Return when a power failure could not take back what is written by now. Raises LedgerUnavailable.

        One that is `gathered` may wait a moment, together with others.
        """
        if self._closed:
            raise LedgerUnavailable("the ledger is closed")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if not gathered:
            self._hurry.set()
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done

    def shorten(self) -> None:
        """Begin to move the log into the file itself, unless that is under way."""
        if self._shortening is None or self._shortening.done():
            self.writes = 0
            self._shortening = asyncio.create_task(self._shorten())

    async def close(self) -> None:
        """Finish what is under way."""
        self._closed = True
        self._hurry.set()
        await asyncio.gather(*(task for task in (self._flushing, self._shortening) if task is not None))
        await asyncio.to_thread(self._threads.shutdown)
        os.close(self._file)

    async def _flush(self) -> None:
        """Flush for all who have asked, and again for who has asked meanwhile, until nobody has."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            if (early_s := self._begun + self._gather_s - loop.time()) > 0:
                await set_within(self._hurry, early_s)
            self._hurry.clear()
            self._begun = loop.time()
            waiting, self._waiting = self._waiting, []
            trouble: LedgerUnavailable | None = None
            try:
                await loop.run_in_executor(self._threads, self._flush_file, self._file)
            except OSError as error:
                trouble = LedgerUnavailable(f"the ledger can't be flushed: {error}")
            for done in waiting:
                if done.done():
                    continue  # whoever waited was cancelled
                if trouble is None:
                    done.set_result(None)
                else:
                    done.set_exception(trouble)

    async def _shorten(self) -> None:
        """Move most of the log while writes go on, and the rest while none does: only an empty log begins anew."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._move)
        self.takes_writes.clear()
        try:
            await loop.run_in_executor(self._threads, self._move)
        finally:
            self.takes_writes.set()

    def _move(self) -> None:
        """Move the log into the file as far as no other process holds it back; what is left is for the next time."""
        try:
            with closing(self._connect(self._path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except (LedgerUnavailable, sqlite3.Error, OSError):
            return  # it can't be done now; the log grows meanwhile, and a write that can't be done is told
