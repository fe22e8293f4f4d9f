"""The audit: who did what to the service, and what was denied to whom, each record chained to the one before.

The head of the chain is one row. Whoever writes a record moves it first, and so waits for whoever moved it before:
several workers make one chain. Both happen in the transaction of what the record tells of, and come last in it: nobody
who holds the head waits for anything else. `schemas.audit.chain` has what is hashed, and proves it.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from schemas.audit.chain import CHECKPOINT, ChainRecord, Link
from schemas.base import Milliseconds
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Latch, Row, Statement, Value
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing

AUDIT = Latch("audit", shared=False)
"""Held by who looks into the audit before writing to it."""

RETENTION = "retention"
"""The actor of checkpoints."""


@dataclass(frozen=True, slots=True)
class Audited:
    """Who did what to the service."""

    at: Milliseconds
    actor: str | None
    action: str
    subject: str
    details: dict[str, Any]


def _written(field: str) -> str:
    return f"COALESCE(CAST(LENGTH({field}) AS TEXT) || ':' || {field}, '-')"


_FIELDS = tuple(f"CAST(${number} AS TEXT)" for number in range(2, 6))
_HASH = (
    "audit_hash(hash || ':' || CAST(position + 1 AS TEXT) || ':' || CAST(CAST($1 AS BIGINT) AS TEXT) || ':' || "
    f"{' || '.join(map(_written, _FIELDS))})"
)
_MOVE_HEAD = f"UPDATE audit_chain SET position = position + 1, previous = hash, hash = {_HASH}"
_INSERT = (
    "INSERT INTO audit (position, at, actor, action, subject, details, previous, hash) "
    f"SELECT position, CAST($1 AS BIGINT), {', '.join(_FIELDS)}, previous, hash FROM audit_chain"
)
_RECORD = "position, at, actor, action, subject, details, previous, hash"

_SAME = (
    "at = $1 AND COALESCE(actor, '') = COALESCE(CAST($2 AS TEXT), '') AND action = $3 AND subject = $4 AND details = $5"
)


def _values(row: Audited) -> tuple[Value, ...]:
    return (row.at, row.actor, row.action, row.subject, json.dumps(row.details))


def audit_rows(row: Audited) -> tuple[Statement, ...]:
    """Write down who did what; to be the last of a write."""
    return Statement(_MOVE_HEAD, _values(row)), Statement(_INSERT, _values(row))


def audit_row_like(row: Audited) -> Statement:
    """The query for a row that says so."""
    query = "SELECT 1 FROM audit WHERE at = $1 AND action = $2 AND subject = $3 AND details = $4"
    return Statement(query, (row.at, row.action, row.subject, json.dumps(row.details)))


def _audit_rows_once(row: Audited) -> tuple[Statement, ...]:
    """Write it down, but for a row that is there already."""
    once = f"{_MOVE_HEAD} WHERE NOT EXISTS (SELECT 1 FROM audit WHERE {_SAME}) RETURNING position"
    return Statement(once, _values(row), must_match=True), Statement(_INSERT, _values(row))


def _record(row: Row) -> ChainRecord:
    position, at, *texts = row
    action, subject, stored, previous, hashed = (str(text or "") for text in texts[1:])
    # Not validated: what somebody has tampered with may be of any form, and who proves the chain is to tell that.
    return ChainRecord.model_construct(
        position=position,  # type: ignore[arg-type]
        at=at,  # type: ignore[arg-type]
        actor=texts[0],  # type: ignore[arg-type]
        action=action,
        subject=subject,
        stored=stored,
        previous=previous,
        hash=hashed,
    )


class AuditTrail:
    """The rows of the audit. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def newest(self, limit: int) -> list[ChainRecord]:
        """The newest records, the newest first."""
        query = Statement(f"SELECT {_RECORD} FROM audit ORDER BY position DESC LIMIT $1", (limit,))
        return list(map(_record, await self._database.read(query)))

    async def after(self, position: int, limit: int) -> list[ChainRecord]:
        """The records that follow a position, in their order."""
        query = f"SELECT {_RECORD} FROM audit WHERE position > $1 ORDER BY position LIMIT $2"
        return list(map(_record, await self._database.read(Statement(query, (position, limit)))))

    async def head(self) -> Link:
        """Where the chain ends."""
        ((position, hashed),) = await self._database.read(Statement("SELECT position, hash FROM audit_chain"))
        return Link.model_construct(position=int(position or 0), hash=str(hashed))

    async def note(self, row: Audited, told: Outgoing) -> int:
        """Write a row down with its event; the event's position. Raises StaleWrite where the same row is there."""

        async def write() -> int:
            rows = _audit_rows_once(row)
            positions, *_ = await self._database.write(insertion(told, self._owner, row.at), *rows, latch=AUDIT)
            return int(positions[0][0] or 0)

        return await looked_after(write, lambda: self._outbox.position_of(told))

    async def adopt(self, row: Audited) -> None:
        """Write a row down that others have told of; the same one once."""
        with suppress(StaleWrite):
            await self._database.write(*_audit_rows_once(row), latch=AUDIT)

    async def forget(self, before: Milliseconds, limit: int, at: Milliseconds) -> int:
        """Delete older records from the beginning of the chain; how many. A checkpoint tells where it begins then.

        It keeps to the order of the chain: one that is not old enough keeps those that follow it. One checkpoint is
        left where it is: to delete it would make another.
        """
        query = Statement("SELECT position, at, action, hash FROM audit ORDER BY position LIMIT $1", (limit,))
        old = list(takewhile(lambda row: int(row[1] or 0) < before, await self._database.read(query)))
        if not old or (len(old) == 1 and old[0][2] == CHECKPOINT):
            return 0
        position, _, _, hashed = old[-1]
        details = {"position": position, "hash": hashed, "records": len(old)}
        checkpoint = _values(Audited(at, RETENTION, CHECKPOINT, "audit", details))
        still_there = f"{_MOVE_HEAD} WHERE EXISTS (SELECT 1 FROM audit WHERE position = $6) RETURNING position"
        try:
            await self._database.write(
                Statement("DELETE FROM audit WHERE position < $1", (position,)),
                Statement(still_there, (*checkpoint, position), must_match=True),
                Statement(_INSERT, checkpoint),
                Statement("DELETE FROM audit WHERE position = $1", (position,)),
                durable=False,
                latch=AUDIT,
            )
        except StaleWrite:
            return 0  # another worker has
        return len(old)
