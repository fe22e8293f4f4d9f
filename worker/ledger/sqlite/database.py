"""The ledger in a SQLite file.

Writes are carried out where they are asked for: one takes some tens of microseconds, less than handing it to a thread
and back would. A commit that is only written outlives the death of this process, and once flushed (`wal.py`) a
power failure too.
"""

import asyncio
import hashlib
import os
import re
import sqlite3
from contextlib import AbstractAsyncContextManager, closing, suppress
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from time import monotonic, sleep

from worker.ledger import migrations
from worker.ledger.sql.database import Latch, Row, Statement
from worker.ledger.sql.errors import CommitInDoubt, LedgerUnavailable, StaleWrite
from worker.ledger.sqlite.file_locks import FileLock, FileLocks
from worker.ledger.sqlite.identity import (
    Remembered,
    as_uri,
    identity_of,
    is_damage,
    primary_code,
    settle_identity,
    unusable,
)
from worker.ledger.sqlite.open_file import OpenFile
from worker.ledger.sqlite.wal import LONGEST_WRITES, WriteLog

IDENTITY = "INTEGER PRIMARY KEY AUTOINCREMENT"

BUSY_S = 5.0
BUSY_POLL_S = 0.002
"""How long a write waits for that of another process on the same file, and how often it is tried meanwhile."""

PAGE_BYTES = 2048
"""Of a new file. A command's rows fill few pages, and each is written whole: with SQLite's 4096, twice as much."""

LONGEST_LOG_BYTES = 64_000_000
"""A log that has grown beyond this, while another process held it back, is cut when it begins anew."""

MARK = attrgetter("st_dev", "st_ino", "st_mtime_ns")
"""What changes of a folder when a name in it is given to another file, or when another folder lies there."""

OF_THE_STATEMENT = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
)
"""What is wrong with a statement, and would be on any ledger. All else is wrong with the ledger."""

Rows = list[list[Row]]


@lru_cache(maxsize=256)
def _sqlite(sql: str) -> str:
    """SQLite numbers its placeholders with question marks."""
    return re.sub(r"\$(\d+)", r"?\1", sql)


class SqliteDatabase:
    """A SQLite file in WAL mode. Made by `open`, and used in one event loop."""

    locks_can_be_lost = False  # the kernel takes them from nobody who lives

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._locks = FileLocks(path.with_name(f"{path.name}.locks"))
        self._connection = connection
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute(f"PRAGMA journal_size_limit = {LONGEST_LOG_BYTES}")
        self._connection.execute("UPDATE schema_version SET version = version")  # makes the log of writes
        self._connection.execute("PRAGMA busy_timeout = 0")  # waiting is done outside, the loop goes on meanwhile
        self._file = OpenFile(path, identity_of(connection))
        self._log = WriteLog(path, self._connect_again)
        self._polling = asyncio.Lock()
        self._closed = False
        self._looked: float | None = None
        self._folders = (str(path.absolute().parent), str(path.absolute().with_name(f"{path.name}.locks")))
        self._marks: tuple[object, object] = (None, None)
        """The folders as they were when all was in its place."""

    @classmethod
    async def open(cls, path: Path, remembered: Remembered) -> "SqliteDatabase":
        """Open or make the file and bring its schema up to date.

        Raises LedgerTooNew, LedgerUnavailable, or LedgerGone where there was another one.
        """
        try:
            await asyncio.to_thread(_prepare, path, remembered)
            connection = _connect(path)
            try:
                return cls(path, connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise unusable(path, error) from error

    async def write(
        self, *statements: Statement, durable: bool = True, latch: Latch | None = None, holding: str | None = None
    ) -> Rows:
        """Run statements in one transaction; the rows of each. Writes follow each other, with a latch or without.

        Whoever is within the lock of a name holds it.
        """
        rows = await self._run(statements)
        self._log.writes += 1
        if self._log.writes >= LONGEST_WRITES:
            self._log.shorten()
        if durable:
            await self._kept()
        return rows

    async def read(self, statement: Statement) -> list[Row]:
        """The rows of a query."""
        return (await self._run((statement,)))[0]

    async def flushed(self, *, gathered: bool = False) -> None:
        """Return when a power failure could not take back what is written by now."""
        await self._log.flushed(gathered=gathered)
        self._require_usable()  # what was flushed is still the file that the next start finds

    def lock(self, name: str) -> AbstractAsyncContextManager[None]:
        """Wait for a name, and hold it. Raises LedgerUnavailable."""
        self._require_usable()  # a name is to be had though the file is gone: that would tell that all is well again
        return FileLock(self._locks, name)

    def keep(self, name: str) -> AbstractAsyncContextManager[None]:
        """The same."""
        return FileLock(self._locks, name)

    async def renew(self, name: str) -> None:
        """There is nothing to do: it is held."""

    def try_lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a name if it is free; tells whether. Raises LedgerUnavailable."""
        self._require_usable()
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
            if not self._log.takes_writes.is_set():
                await self._log.takes_writes.wait()
            self._require_usable()
            try:
                return self._execute(statements)
            except OF_THE_STATEMENT:
                raise
            except sqlite3.Error as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or monotonic() > give_up:
                    raise self._unavailable(error) from error
            async with self._polling:  # one after the other: hundreds who ask all the time would leave no time for else
                await asyncio.sleep(BUSY_POLL_S)

    async def _kept(self) -> None:
        try:
            await self.flushed()
        except LedgerUnavailable as error:
            raise CommitInDoubt(str(error)) from error  # it is there; a power failure may take it back

    def _unavailable(self, error: sqlite3.Error) -> LedgerUnavailable:
        if is_damage(error):
            self._looked, self._marks = None, (None, None)
            return self._file.damaged(str(error))
        self._log.shorten()  # should the disk be full, that may make room
        return LedgerUnavailable(f"the ledger can't be used: {error}")

    def _require_usable(self) -> None:
        """Raise LedgerUnavailable where it can't be used. Looked at once in a turn of the loop: it takes a while."""
        if self._closed:
            raise LedgerUnavailable("the ledger is closed")
        turn = asyncio.get_running_loop().time()  # uvloop's stands still during a turn, in ms; asyncio's goes on
        if turn == self._looked:
            return
        here: object = None
        locks: object = None
        with suppress(OSError):  # who looks closer tells why
            here, locks = map(MARK, map(os.stat, self._folders))
        if here is None or here != self._marks[0] or monotonic() >= self._file.look_at:
            self._file.require()
        if locks is None or locks != self._marks[1]:
            self._locks.keep()
        self._looked, self._marks = turn, (here, locks)

    def _connect_again(self, path: Path) -> sqlite3.Connection:
        self._file.require()
        return _connect(path, as_uri(path))

    def _execute(self, statements: tuple[Statement, ...]) -> Rows:
        """All of them or none. One alone is a transaction by itself, which nothing of it outlives where it fails."""
        found: Rows = []
        if len(statements) > 1:
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                rows = self._connection.execute(_sqlite(statement.sql), statement.values).fetchall()
                if statement.must_match and not rows:
                    raise StaleWrite
                found.append(rows)
            if len(statements) > 1:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return found


def _connect(path: Path, uri: str | None = None) -> sqlite3.Connection:
    """Open a file; without a URI that says otherwise it is made where it is missing."""
    connection = sqlite3.connect(uri or path, timeout=BUSY_S, isolation_level=None, uri=uri is not None)
    try:
        connection.create_function("audit_hash", 1, _audit_hash, deterministic=True)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _use_write_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        path.chmod(0o600)
    except BaseException:
        connection.close()
        raise
    return connection


def _audit_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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


def _prepare(path: Path, remembered: Remembered) -> None:
    remembered.require()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remembered.write(_migrate(path))


def _migrate(path: Path) -> str:
    """Bring the schema up to date; the identity of the ledger."""
    with closing(_connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _apply_steps(connection, path)
        identity = settle_identity(connection)
        connection.execute("COMMIT")
        return identity


def _apply_steps(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    (done,) = connection.execute("SELECT COALESCE(MAX(version), 0) FROM schema_version").fetchone()
    for number, statements in migrations.missing(done, IDENTITY, str(path)):
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
