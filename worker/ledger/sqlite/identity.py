"""Which ledger a SQLite file holds, and what is remembered of it outside the file.

A file that is gone leaves no trace of its own: SQLite makes a new one, empty, in which no command was ever carried out
and nothing is frozen. So a ledger has an identity, which its copies and backups share, and that is written down beside
it and in the state folder. What a start finds must be the same.
"""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from worker.ledger.sql.errors import LedgerGone, LedgerInPlace, LedgerUnavailable
from worker.runtime.files.state_files import write_private

RESTORE = (
    "put it back, or a backup of it, and start again. With --new-ledger the start goes on without it: ids that were "
    "used then count as new, and nothing is frozen"
)


def as_uri(path: Path) -> str:
    """The file for SQLite to open, which makes none where there is none."""
    return f"{path.absolute().as_uri()}?mode=rw"


def settle_identity(connection: sqlite3.Connection) -> str:
    """The identity in an open file, given to it now if it has none."""
    connection.execute("CREATE TABLE IF NOT EXISTS ledger_identity (id TEXT NOT NULL)")
    give = "INSERT INTO ledger_identity (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM ledger_identity)"
    connection.execute(give, (uuid4().hex,))
    return identity_of(connection)


def identity_of(connection: sqlite3.Connection) -> str:
    """The identity in an open file. Raises an OperationalError where it has none."""
    (identity,) = connection.execute("SELECT id FROM ledger_identity").fetchone()
    return str(identity)


class Remembered:
    """What is written down of the ledger at a path, beside it and in the state folder.

    The names begin with a dot, so that `rm ledger.db*` leaves them.
    """

    def __init__(self, path: Path, state: Path | None) -> None:
        self._path = path.absolute()
        self._files = [self._path.with_name(f".{path.name}.id")]
        if state is not None and state.absolute() != self._path.parent:
            place = hashlib.sha256(str(self._path).encode()).hexdigest()[:16]
            self._files.append(state / f".ledger-{place}.id")

    def require(self) -> None:
        """Raises LedgerGone where the ledger of which is known is not the one that is there, or LedgerUnavailable."""
        if (known := self._known()) is None:
            return
        if (found := _identity_at(self._path)) is None:
            raise LedgerGone(f"the ledger {self._path} is gone: there was one, and now there is none; {RESTORE}")
        if found != known:
            raise LedgerGone(f"the ledger {self._path} is another one than before: {RESTORE}")

    def forget(self) -> None:
        """Let the next start go on with whatever it finds, or a new ledger.

        Raises LedgerInPlace where the one that is remembered is there, or LedgerUnavailable where that can't be read.
        """
        if (found := _identity_at(self._path)) is not None and self._known() in (None, found):
            raise LedgerInPlace(
                f"the ledger {self._path} is there: start without --new-ledger, or move it away first, with what lies "
                "beside it"
            )
        for file in self._files:
            file.unlink(missing_ok=True)

    def write(self, identity: str) -> None:
        """Write down that this ledger is here now."""
        for file in self._files:
            if os.access(file.parent, os.W_OK) and _text(file) != identity:
                write_private(file, identity)

    def _known(self) -> str | None:
        return next((text for file in self._files if (text := _text(file)) is not None), None)


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return None


def _identity_at(path: Path) -> str | None:
    """The identity of the ledger in a file; None where there is no ledger, empty for one of an older program."""
    try:
        return _identity_in(path) if path.exists() and path.stat().st_size else None
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error


def _identity_in(path: Path) -> str | None:
    with closing(sqlite3.connect(as_uri(path), uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "ledger_identity" in tables:
            return identity_of(connection)
        return "" if tables else None


def unusable(path: Path, error: Exception) -> LedgerUnavailable:
    """What there is to say of a file that can't be opened."""
    if is_damage(error):
        return LedgerUnavailable(
            f"the ledger {path} is damaged ({error}): put a backup in its place, without the files {path.name}-wal and "
            f"{path.name}-shm, and start again; or move all of them away and start with --new-ledger"
        )
    return LedgerUnavailable(
        f"the ledger {path} can't be used ({error}); see that it can be read and written, that its disk has room, "
        "and that no other program holds it"
    )


def is_damage(error: Exception) -> bool:
    """Whether an error tells that what is in the file is no ledger, or no longer."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def primary_code(error: Exception) -> int | None:
    """SQLite's primary result code; None for what Python's own module says."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
