"""The commands, looked at from outside: which are unfinished, which have ended. Nothing that a command itself needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.ledger.commands import RECORD, Record, record_of
from worker.ledger.sql.database import Database, Statement, names

Place = tuple[Milliseconds, str]
"""Where a command stands among those that are unfinished: its deadline and its id."""

FIRST: Place = (-(2**63), "")
"""Before all of them."""

_IN_SCOPE = "CASE CAST($1 AS TEXT) WHEN 'account' THEN account = $2 WHEN 'exchange' THEN exchange = $2 ELSE TRUE END"


@dataclass(frozen=True, slots=True)
class Glance:
    """What tells whether a command that has ended is one of those that somebody looks for."""

    id: str
    operation: str
    exchange: str
    account: str
    actor: str | None
    outcome: str
    finished: Milliseconds


_GLANCE = "id, operation, exchange, account, actor, outcome, finished"


class CommandList:
    """Looks commands up. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overdue(self, deadline: Milliseconds, limit: int, after: Place = FIRST) -> list[Record]:
        """Unfinished commands whose deadline was earlier, the oldest behind a place. Raises LedgerUnavailable.

        One that applies terms is not done at its deadline: it is gone on with by who has it.
        """
        query = (
            f"SELECT {RECORD} FROM commands WHERE finished IS NULL AND deadline < $1 AND deadline >= $2 "
            "AND NOT EXISTS (SELECT 1 FROM terms_applies WHERE command = commands.id) "
            "AND (deadline, id) > ($2, $3) ORDER BY deadline, id LIMIT $4"
        )
        return [record_of(row) for row in await self._database.read(Statement(query, (deadline, *after, limit)))]

    async def unfinished(self, limit: int) -> list[Record]:
        """Commands that have not ended, those with the earliest deadline first. Raises LedgerUnavailable."""
        query = f"SELECT {RECORD} FROM commands WHERE finished IS NULL AND deadline > 0 ORDER BY deadline, id LIMIT $1"
        return [record_of(row) for row in await self._database.read(Statement(query, (limit,)))]

    async def finished_before(self, place: Place, limit: int) -> list[Glance]:
        """Commands that ended before a place, the last first, as little of them as tells whether they are meant.

        A place is here when a command ended, and its id. Raises LedgerUnavailable.
        """
        query = (
            f"SELECT {_GLANCE} FROM commands WHERE finished IS NOT NULL AND finished <= $1 "
            "AND (finished < $1 OR id < $2) ORDER BY finished DESC, id DESC LIMIT $3"
        )
        rows = await self._database.read(Statement(query, (*place, limit)))
        return [Glance(*row) for row in rows]  # type: ignore[arg-type]

    async def of_ids(self, ids: Sequence[str]) -> dict[str, Record]:
        """Commands by their ids. Raises LedgerUnavailable."""
        if not ids:
            return {}
        query = f"SELECT {RECORD} FROM commands WHERE id IN ({names(1, len(ids))})"
        records = [record_of(row) for row in await self._database.read(Statement(query, tuple(ids)))]
        return {record.entry.id: record for record in records}

    async def under_way(self, scope: str, limit: int) -> list[str]:
        """The ids of commands in a scope that may have been sent and are not finished. Raises LedgerUnavailable."""
        kind, _, name = scope.partition(":")
        query = (
            f"SELECT id FROM commands WHERE finished IS NULL AND deadline > 0 AND intended IS NOT NULL AND {_IN_SCOPE} "
            "ORDER BY deadline LIMIT $3"
        )
        return [str(row[0]) for row in await self._database.read(Statement(query, (kind, name, limit)))]
