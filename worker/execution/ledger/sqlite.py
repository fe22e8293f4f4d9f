"""The ledger in a SQLite file.

Writes are carried out where they are asked for: one takes some tens of microseconds, less than handing it to a thread
and back would. A commit that is only written outlives the death of this process, and once flushed (`write_log.py`) a
power failure too.
"""

import asyncio
import re
import sqlite3
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from pathlib import Path
from time import monotonic, sleep

from worker.execution.ledger import migrations
from worker.execution.ledger.database import Row, Statement
from worker.execution.ledger.errors import CommitInDoubt, LedgerUnavailable, NothingMatched
from worker.execution.ledger.locks import FileLocks
from worker.execution.ledger.write_log import WriteLog

IDENTITY = "INTEGER PRIMARY KEY AUTOINCREMENT"

BUSY_S = 5.0
BUSY_POLL_S = 0.002
"""How long a write waits for that of another process on the same file, and how often it is tried meanwhile."""

PAGE_BYTES = 2048
"""Of a new file. A command's rows fill few pages, and each is written whole: with SQLite's 4096, twice as much."""

LONGEST_LOG_BYTES = 64_000_000
"""A log that has grown beyond this, while another process held it back, is cut when it begins anew."""

Rows = list[list[Row]]


@lru_cache(maxsize=256)
def _sqlite(sql: str) -> str:
    """SQLite numbers its placeholders with question marks."""
    return re.sub(r"\$(\d+)", r"?\1", sql)


class SqliteDatabase:
    """A SQLite file in WAL mode. Made by `open`, and used in one event loop."""

    locks_can_be_lost = False  # the kernel takes them from nobody who lives

    def __init__(self, path: Path) -> None:
        self._path = path
        self._locks = FileLocks(path.with_name(f"{path.name}.locks"))
        self._connection = _connect(path)
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute(f"PRAGMA journal_size_limit = {LONGEST_LOG_BYTES}")
        self._connection.execute("UPDATE schema_version SET version = version")  # makes the log of writes
        self._connection.execute("PRAGMA busy_timeout = 0")  # waiting is done outside, the loop goes on meanwhile
        self._log = WriteLog(path, _connect)
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> "SqliteDatabase":
        """Open or make the file and bring its schema up to date. Raises LedgerTooNew or LedgerUnavailable."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        await asyncio.to_thread(_migrate, path)
        try:
            return cls(path)
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the ledger {path} can't be written: {error}") from error

    async def write(self, *statements: Statement, durable: bool = True) -> Rows:
        """Run statements in one transaction; the rows of each."""
        rows = await self._run(statements)
        self._log.written()
        if durable:
            await self._kept()
        return rows

    async def write_holding(self, name: str, *statements: Statement, durable: bool = True) -> Rows:
        """The same: whoever is within a lock holds it."""
        return await self.write(*statements, durable=durable)

    async def read(self, statement: Statement) -> list[Row]:
        """The rows of a query."""
        return (await self._run((statement,)))[0]

    async def flushed(self) -> None:
        """Return when a power failure could not take back what is written by now."""
        self._require_open()
        await self._log.flushed()

    def lock(self, name: str) -> AbstractAsyncContextManager[None]:
        """Wait for a name, and hold it."""
        return self._locks.lock(name)

    def keep(self, name: str) -> AbstractAsyncContextManager[None]:
        """The same."""
        return self._locks.lock(name)

    async def renew(self, name: str) -> None:
        """There is nothing to do: it is held."""

    def try_lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a name if it is free; tells whether."""
        return self._locks.try_lock(name)

    async def require_locks(self) -> None:
        """Take a lock, to see whether it can be done."""
        async with self._locks.try_lock("probe"):
            pass

    async def close(self) -> None:
        """Finish what is under way, and close the file; who comes later is told LedgerUnavailable."""
        self._closed = True
        await self._log.close()
        self._connection.close()
        self._locks.close()

    async def _run(self, statements: tuple[Statement, ...]) -> Rows:
        give_up = monotonic() + BUSY_S
        while True:
            await self._log.takes_writes()
            self._require_open()
            try:
                return self._execute(statements)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > give_up:
                    self._log.shorten()  # should the disk be full, that may make room
                    raise LedgerUnavailable(f"the ledger can't be used: {error}") from error
            await asyncio.sleep(BUSY_POLL_S)

    async def _kept(self) -> None:
        try:
            await self.flushed()
        except LedgerUnavailable as error:
            raise CommitInDoubt(str(error)) from error  # it is there; a power failure may take it back

    def _require_open(self) -> None:
        if self._closed:
            raise LedgerUnavailable("the ledger is closed")

    def _execute(self, statements: tuple[Statement, ...]) -> Rows:
        if len(statements) == 1:
            return [self._rows(statements[0])]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            rows = [self._rows(statement) for statement in statements]
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return rows

    def _rows(self, statement: Statement) -> list[Row]:
        rows = self._connection.execute(_sqlite(statement.sql), statement.values).fetchall()
        if statement.must_match and not rows:
            raise NothingMatched
        return rows


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _use_write_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"the ledger {path} can't be opened: {error}") from error
    path.chmod(0o600)
    return connection


def _use_write_log(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL. Where several do it at once, SQLite waits for none of them, so we do."""
    give_up = monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > give_up:
                raise
        else:
            return
        sleep(BUSY_POLL_S)


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
