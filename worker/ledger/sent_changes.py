"""What was sent to an account not long ago: the changes there that are ours."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.ledger.sql.database import Database, Statement


@dataclass(frozen=True, slots=True)
class SentChange:
    """What commands asked for that were sent, and how they ended; those that asked and ended alike are one.

    The `reply` is there of those that did not simply succeed, the `event` of changes of a margin mode.
    """

    operation: str
    exchange: str
    request: str
    outcome: str | None
    attempts: int
    reply: str | None
    event: str | None


_SENT = (
    "operation, exchange, request, outcome, attempts, CASE WHEN outcome <> 'applied' THEN reply END, "
    "CASE WHEN operation = 'set_margin_mode' THEN event END"
)
"""Replies and events are long, and rows of a busy account many: what nobody needs of them is not even read."""

_SINCE = (  # two queries in one, for each has an index of its own
    f"SELECT {_SENT} FROM commands WHERE finished IS NULL AND deadline > 0 AND account = $1 AND intended IS NOT NULL "
    f"UNION SELECT {_SENT} FROM commands WHERE finished >= $2 AND account = $1 AND intended IS NOT NULL"
)


class SentChanges:
    """What was sent of commands. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, account: str, moment: Milliseconds) -> list[SentChange]:
        """What was sent to an account by commands that were not finished before a moment."""
        rows = await self._database.read(Statement(_SINCE, (account, moment)))
        return [SentChange(*row) for row in rows]  # type: ignore[arg-type]  # the columns are typed by the schema
