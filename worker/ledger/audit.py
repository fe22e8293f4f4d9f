"""The audit: who did what to the service, and what was denied to whom."""

import json
from dataclasses import dataclass
from typing import Any

from schemas.base import Milliseconds
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Statement, Value, names
from worker.messages.wire import Outgoing


@dataclass(frozen=True, slots=True)
class Audited:
    """Who did what to the service."""

    at: Milliseconds
    actor: str | None
    action: str
    subject: str
    details: dict[str, Any]


_INSERT = "INSERT INTO audit (at, actor, action, subject, details)"


def _values(row: Audited) -> tuple[Value, ...]:
    return (row.at, row.actor, row.action, row.subject, json.dumps(row.details))


def audit_row(row: Audited) -> Statement:
    """Write down who did what."""
    return Statement(f"{_INSERT} VALUES ({names(1, 5)})", _values(row))


def audit_row_like(row: Audited) -> Statement:
    """The query for a row that says so."""
    query = "SELECT 1 FROM audit WHERE at = $1 AND action = $2 AND subject = $3 AND details = $4"
    return Statement(query, (row.at, row.action, row.subject, json.dumps(row.details)))


def _audit_row_once(row: Audited) -> Statement:
    """Write it down, but for a row that is there already."""
    actor = "COALESCE(actor, '') = COALESCE(CAST($2 AS TEXT), '')"
    same = f"at = $1 AND {actor} AND action = $3 AND subject = $4 AND details = $5"
    return Statement(
        f"{_INSERT} "
        "SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT) "
        f"WHERE NOT EXISTS (SELECT 1 FROM audit WHERE {same}) RETURNING position",
        _values(row),
        must_match=True,
    )


class AuditTrail:
    """The rows of the audit. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def newest(self, limit: int) -> list[Audited]:
        """The newest rows, the newest first."""
        query = Statement(
            "SELECT at, actor, action, subject, details FROM audit ORDER BY position DESC LIMIT $1", (limit,)
        )
        return [
            Audited(
                int(at or 0), None if actor is None else str(actor), str(action), str(subject), json.loads(str(details))
            )
            for at, actor, action, subject, details in await self._database.read(query)
        ]

    async def note(self, row: Audited, told: Outgoing) -> int:
        """Write a row down with its event; the event's position. Raises NothingMatched where the same row is there."""

        async def write() -> int:
            _, positions = await self._database.write(_audit_row_once(row), insertion(told, self._owner, row.at))
            return int(positions[0][0] or 0)

        return await looked_after(write, lambda: self._outbox.position_of(told))

    async def forget(self, before: Milliseconds, limit: int) -> int:
        """Delete older rows, the oldest first; how many."""
        deletion = Statement(
            "DELETE FROM audit WHERE position IN (SELECT position FROM audit WHERE at < $1 ORDER BY at LIMIT $2) "
            "RETURNING position",
            (before, limit),
        )
        (deleted,) = await self._database.write(deletion, durable=False)
        return len(deleted)
