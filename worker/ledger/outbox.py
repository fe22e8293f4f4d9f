"""The outbox: events that were recorded together with what they tell, until the broker has confirmed them."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.ledger.sql.database import Database, Row, Statement, deletions
from worker.ledger.sql.errors import CommitInDoubt
from worker.messages.wire import Outgoing


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in the outbox, by its position there."""

    position: int
    event: Outgoing


def insertion(event: Outgoing, owner: str, at: Milliseconds) -> Statement:
    """Put an event into the outbox; returns its position."""
    return Statement(
        "INSERT INTO outbox (owner, id, type, routing_key, body, made) VALUES ($1, $2, $3, $4, $5, $6) "
        "RETURNING position",
        (owner, event.id, event.type, event.routing_key, event.body, at),
    )


def _waiting(row: Row) -> Waiting:
    position, *event = row
    return Waiting(int(position or 0), Outgoing(*map(str, event)))


class Outbox:
    """The events that still have to be published. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def add(self, event: Outgoing, at: Milliseconds) -> int:
        """Record an event that belongs to nothing else; its position."""
        try:
            (rows,) = await self._database.write(insertion(event, self._owner, at))
        except CommitInDoubt:
            if (position := await self.position_of(event)) is None:
                raise
            return position
        return int(rows[0][0] or 0)

    async def position_of(self, event: Outgoing) -> int | None:
        """Where an event of ours waits, which may have been recorded before; None where it waits no more."""
        query = Statement("SELECT position FROM outbox WHERE owner = $1 AND id = $2", (self._owner, event.id))
        rows = await self._database.read(query)
        return int(rows[0][0] or 0) if rows else None

    async def holds(self, event_id: str) -> bool:
        """Whether an event waits, whichever worker's it is."""
        query = Statement("SELECT 1 FROM outbox WHERE id = $1 LIMIT 1", (event_id,))
        return bool(await self._database.read(query))

    async def confirmed(self, *positions: int) -> None:
        """Strike out events that the broker has. If this gets lost they are published again, with the same ids."""
        await self._database.write(*deletions("outbox", "position", positions), durable=False)

    async def of(self, owner: str, limit: int) -> list[Waiting]:
        """The events that a worker left, oldest first."""
        query = "SELECT position, id, type, routing_key, body FROM outbox WHERE owner = $1 ORDER BY position LIMIT $2"
        return [_waiting(row) for row in await self._database.read(Statement(query, (owner, limit)))]

    async def owners(self) -> list[str]:
        """The workers whose events wait."""
        return [str(row[0]) for row in await self._database.read(Statement("SELECT DISTINCT owner FROM outbox"))]

    async def oldest(self) -> Milliseconds | None:
        """When the event that waits longest was recorded."""
        rows = await self._database.read(Statement("SELECT made FROM outbox ORDER BY position LIMIT 1"))
        return int(rows[0][0] or 0) if rows else None

    async def size(self) -> int:
        """How many events wait."""
        return int((await self._database.read(Statement("SELECT COUNT(*) FROM outbox")))[0][0] or 0)
