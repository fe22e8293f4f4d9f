"""The seam below the ledger: plain SQL that SQLite and PostgreSQL both understand, and locks that die with us."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
KINDS = (SQLITE, *POSTGRES)
"""How the URL of a ledger begins."""

Value = str | int | None
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with `$1`, `$2`, … for its values.

    One that `must_match` takes the whole write back when it returns no row: it ends in RETURNING.
    """

    sql: str
    values: tuple[Value, ...] = ()
    must_match: bool = False


class Latch(NamedTuple):
    """A name that a transaction holds from its first statement to its commit, alone or `shared` with others like it.

    Two transactions that each look for what the other writes miss it under READ COMMITTED; behind a latch in common
    the later one sees it. SQLite, where writes follow each other, needs none.
    """

    name: str
    shared: bool


def names(first: int, count: int) -> str:
    """Placeholders in a row.

    >>> names(2, 3)
    '$2, $3, $4'
    """
    return ", ".join(f"${number}" for number in range(first, first + count))


MOST_NAMED = 500
"""Values that one statement names at most. Both databases take some 32,000."""


def deletions(table: str, key: str, values: Iterable[Value]) -> tuple[Statement, ...]:
    """Delete the rows of all these keys: many in one statement, for each costs a way there and back.

    >>> deletions("outbox", "position", (7, 9))[0]
    Statement(sql='DELETE FROM outbox WHERE position IN ($1, $2)', values=(7, 9), must_match=False)
    """
    keys = tuple(values)
    parts = (keys[first : first + MOST_NAMED] for first in range(0, len(keys), MOST_NAMED))
    return tuple(Statement(f"DELETE FROM {table} WHERE {key} IN ({names(1, len(part))})", part) for part in parts)


class Database(Protocol):
    """A database with our schema. Every call raises LedgerUnavailable while it can't be reached or has no room.

    A write raises CommitInDoubt when it is not known whether it was kept.
    """

    locks_can_be_lost: bool
    """Whether somebody else can hold our names while we live, because what held them for us has ended."""

    async def write(
        self, *statements: Statement, durable: bool = True, latch: Latch | None = None, holding: str | None = None
    ) -> list[list[Row]]:
        """Run statements in one transaction, behind a latch; the rows of each. Raises StaleWrite.

        A write that is not `durable` outlives the death of the process; until the next `flushed` a power failure can
        take it back. One that is to be made `holding` a name is made within our `lock` of it, and before anybody else
        holds it. Raises LockLost where that was lost; then what was written may be kept.
        """

    async def read(self, statement: Statement) -> list[Row]:
        """The rows of a query."""

    async def flushed(self, *, gathered: bool = False) -> None:
        """Return when a power failure could not take back what is written by now.

        One that is `gathered` may wait some milliseconds for others, and costs a part of one that is not.
        """

    def lock(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold a name that nobody else holds, in any process on the same ledger; waits for it.

        Whoever waits comes before its holder's next time. The name is free again at once when its holder dies.
        """

    def keep(self, name: str) -> AbstractAsyncContextManager[None]:
        """The same; and when it is lost, it is taken anew."""

    async def renew(self, name: str) -> None:
        """Wait for a name that was lost, for whoever is within its `lock`."""

    def try_lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """The same without waiting; tells whether it is held."""

    async def require_locks(self) -> None:
        """Take a lock, to see whether it can be done."""

    async def close(self) -> None:
        """Finish what was begun, and let go of everything."""
