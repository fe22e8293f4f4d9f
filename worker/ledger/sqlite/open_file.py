"""Whether the file of an open SQLite ledger is still the one that lies at its path.

Whoever has a file open goes on writing to it after it was removed, replaced or unmounted, and nobody ever sees that
again. SQLite does not look; so the database looks before statements, at the folder alone (a few microseconds), which
tells whenever a name in it was given to another file; then, and once a second, all that there is is looked at here.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

from worker.ledger.sql.errors import LedgerUnavailable
from worker.ledger.sqlite.identity import as_uri, identity_of, is_damage, primary_code

LOOK_S = 1.0
"""How often the files and what is in them are looked at; that takes some tenths of a millisecond."""

Mark = tuple[int, ...]


class OpenFile:
    """The file of an open ledger, its log and its index. Used from when all three are there."""

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path.absolute()
        self._identity = identity
        self._damage: str | None = None
        self._marks = {str(file): _mark(str(file)) for file in self._files()}
        self.look_at = 0.0
        """When all of it is looked at, by the monotonic clock."""

    def require(self) -> None:
        """Raises LedgerUnavailable where it is gone, is another one by now, or can't be read any more."""
        if self._damage is not None:
            raise LedgerUnavailable(self._damage)
        self._require_files()
        self._require_content()
        self.look_at = monotonic() + LOOK_S

    def damaged(self, how: str) -> LedgerUnavailable:
        """Remember damage, for good: what is still right in memory must not be mixed with what is not."""
        self._damage = (
            f"the ledger {self._path} is damaged ({how}): commands wait, and nothing is sent. Stop all workers, put "
            f"a backup in its place, without the files {self._path.name}-wal and {self._path.name}-shm, and start again"
        )
        return LedgerUnavailable(self._damage)

    def _files(self) -> list[Path]:
        return [self._path, *(self._path.with_name(f"{self._path.name}{end}") for end in ("-wal", "-shm"))]

    def _require_files(self) -> None:
        for file, mark in self._marks.items():
            try:
                found = _mark(file)
            except OSError as error:
                raise self._gone(Path(file), error) from error
            if found != mark:
                raise self._gone(Path(file))

    def _gone(self, file: Path, error: OSError | None = None) -> LedgerUnavailable:
        how = "another one lies in its place" if error is None else error.strerror
        what = f"the ledger's file {file} was removed, moved or replaced while in use ({how}): commands wait, and "
        if file == self._path:
            remedy = "Put it back. If it can't be had, stop the workers, put a backup in its place, and start again"
        else:
            remedy = "Stop the workers with SIGTERM, which saves what was written, and start again"
        return LedgerUnavailable(f"{what}nothing is sent. {remedy}")

    def _require_content(self) -> None:
        """A reader of its own sees what is on the disk, where we may have it in memory."""
        try:
            if not os.stat(self._path).st_size:
                raise self.damaged("the file is empty")
            with closing(sqlite3.connect(as_uri(self._path), uri=True, timeout=0)) as connection:
                same = _read_all_tables(connection) == self._identity
        except (sqlite3.Error, OSError) as error:
            if is_damage(error):
                raise self.damaged(str(error)) from error
            if primary_code(error) != sqlite3.SQLITE_BUSY:
                raise LedgerUnavailable(f"the ledger {self._path} can't be read: {error}") from error
        else:
            if not same:
                raise self.damaged("another ledger was written over it")


def _read_all_tables(connection: sqlite3.Connection) -> str | None:
    """Look into every table; the identity, None without."""
    tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in tables:
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchall()
    return identity_of(connection) if "ledger_identity" in tables else None


def _mark(file: str) -> Mark:
    found = os.stat(file)
    return found.st_dev, found.st_ino
