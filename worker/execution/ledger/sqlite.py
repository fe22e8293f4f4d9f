"""The ledger in a SQLite file: one thread writes, and writes that wait for it share one transaction.

A commit that must survive a power failure costs a flush of the disk, a fraction of a millisecond. Whatever arrives
while one is under way goes into the next, so that the flushes are shared by all commands that run at the time.
"""

import asyncio
import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from worker.execution.ledger import migrations
from worker.execution.ledger.database import Row, Statement
from worker.execution.ledger.errors import LedgerUnavailable, NothingMatched
from worker.execution.ledger.locks import FileLocks

IDENTITY = "INTEGER PRIMARY KEY AUTOINCREMENT"
BUSY_S = 5.0
"""How long a write waits for that of another process on the same file."""

Rows = list[list[Row]]


@lru_cache(maxsize=256)
def _sqlite(sql: str) -> str:
    """SQLite numbers its placeholders with question marks."""
    return re.sub(r"\$(\d+)", r"?\1", sql)


@dataclass(frozen=True, slots=True)
class _Job:
    """Statements that are carried out together or not at all, and who waits for them."""

    statements: Sequence[Statement]
    durable: bool
    done: "asyncio.Future[Rows]"


class SqliteDatabase:
    """A SQLite file in WAL mode. Made by `open`, inside a running event loop."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._locks = FileLocks(path.with_name(f"{path.name}.locks"))
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection = _connect(path)
        self._flushing = False
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path) -> "SqliteDatabase":
        """Open or make the file and bring its schema up to date. Raises LedgerTooNew or LedgerUnavailable."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        await asyncio.to_thread(_migrate, path)
        return cls(path, asyncio.get_running_loop())

    async def write(self, *statements: Statement, durable: bool = True) -> Rows:
        """Run statements in one transaction; the rows of each."""
        done: asyncio.Future[Rows] = self._loop.create_future()
        self._jobs.put(_Job(statements, durable, done))
        return await done

    async def read(self, statement: Statement) -> list[Row]:
        """The rows of a query."""
        return (await self.write(statement, durable=False))[0]

    def lock(self, name: str) -> AbstractAsyncContextManager[None]:
        """Wait for a name, and hold it."""
        return self._locks.lock(name)

    def try_lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a name if it is free; tells whether."""
        return self._locks.try_lock(name)

    async def close(self) -> None:
        """Finish the writes that wait, and close the file."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        """The thread: take all jobs that wait, carry them out in one transaction, tell the loop."""
        running = True
        while running:
            waiting = [self._jobs.get()]
            while not self._jobs.empty():
                waiting.append(self._jobs.get())
            jobs = [job for job in waiting if job is not None]
            running = len(jobs) == len(waiting)
            if jobs:
                self._loop.call_soon_threadsafe(_tell, self._carry_out(jobs))
        self._connection.close()

    def _carry_out(self, jobs: list[_Job]) -> "list[Callable[[], None]]":
        """All jobs at once; if that fails each by itself, so that none pays for another."""
        try:
            return self._transaction(jobs)
        except (sqlite3.Error, ValueError, OverflowError) as error:
            if len(jobs) == 1:
                return [_failed(jobs[0], _meaning(error))]
        return [tell for job in jobs for tell in self._carry_out([job])]

    def _transaction(self, jobs: list[_Job]) -> "list[Callable[[], None]]":
        self._flush(any(job.durable for job in jobs))
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            told = [self._run(job) for job in jobs]
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return told

    def _flush(self, flushing: bool) -> None:
        if flushing is not self._flushing:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if flushing else 'NORMAL'}")
            self._flushing = flushing

    def _run(self, job: _Job) -> "Callable[[], None]":
        if len(job.statements) == 1:
            rows = self._execute(job.statements[0])
            return _matched(job, [rows]) if _is_match(job.statements[0], rows) else _failed(job, NothingMatched())
        self._connection.execute("SAVEPOINT job")
        found: Rows = []
        for statement in job.statements:
            found.append(self._execute(statement))
            if not _is_match(statement, found[-1]):
                self._connection.execute("ROLLBACK TO job")
                self._connection.execute("RELEASE job")
                return _failed(job, NothingMatched())
        self._connection.execute("RELEASE job")
        return _matched(job, found)

    def _execute(self, statement: Statement) -> list[Row]:
        return self._connection.execute(_sqlite(statement.sql), statement.values).fetchall()


def _meaning(error: Exception) -> Exception:
    """No room, no disk, a file that another process holds for too long: it may work later. Anything else is a bug."""
    if isinstance(error, sqlite3.OperationalError):
        return LedgerUnavailable(f"the ledger can't be written: {error}")
    return error


def _is_match(statement: Statement, rows: list[Row]) -> bool:
    return bool(rows) or not statement.must_match


def _matched(job: _Job, rows: Rows) -> "Callable[[], None]":
    def tell() -> None:
        if not job.done.done():
            job.done.set_result(rows)

    return tell


def _failed(job: _Job, error: Exception) -> "Callable[[], None]":
    def tell() -> None:
        if not job.done.done():
            job.done.set_exception(error)

    return tell


def _tell(news: "list[Callable[[], None]]") -> None:
    for tell in news:
        tell()


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # Made in one thread, used in one other, never in two at once.
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"the ledger {path} can't be opened: {error}") from error
    path.chmod(0o600)
    return connection


def _migrate(path: Path) -> None:
    connection = _connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        _apply_steps(connection, path)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"the ledger {path} can't be brought up to date: {error}") from error
    finally:
        connection.close()


def _apply_steps(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    (done,) = connection.execute("SELECT COALESCE(MAX(version), 0) FROM schema_version").fetchone()
    for number, statements in migrations.missing(done, IDENTITY, str(path)):
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
