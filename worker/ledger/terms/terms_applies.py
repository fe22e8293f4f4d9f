"""Terms that are being applied: a command that is accepted and acknowledged, and carried on until it has ended.

An account has one at a time. A row stands from the plan to the result; the worker that owns it goes on with it, and
when that one is gone another takes row and command over together.
"""

from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Row, Statement
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing


@dataclass(frozen=True, slots=True)
class TermsApply:
    """A plan that is carried out by a command; `plan` and `progress` are JSON, the latter as it was told last."""

    command: str
    account: str
    owner: str
    plan: str
    since: Milliseconds
    progress: str | None = None
    cancelled: Milliseconds | None = None
    cancelled_by: str | None = None


_ALL = "command, account, owner, plan, since, progress, cancelled, cancelled_by"


def ended(command: str) -> Statement:
    """It has ended; to be written with its result."""
    return Statement("DELETE FROM terms_applies WHERE command = $1", (command,))


def _apply(row: Row) -> TermsApply:
    return TermsApply(*row)  # type: ignore[arg-type]  # the columns are typed by the schema


class TermsApplies:
    """The plans that are carried out. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def begin(self, apply: TermsApply, told: Outgoing) -> int | None:
        """Record a plan as ours, with the event that says so; the event's position, None where it is published by now.

        Raises StaleWrite where the account has another, or the command is another worker's or over.
        """
        insert = Statement(
            "INSERT INTO terms_applies (command, account, owner, plan, since, progress) "
            "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT), "
            "CAST($6 AS TEXT) "
            "WHERE EXISTS (SELECT 1 FROM commands WHERE id = $1 AND owner = $3 AND finished IS NULL) "
            "ON CONFLICT DO NOTHING RETURNING command",
            (apply.command, apply.account, self._owner, apply.plan, apply.since, apply.progress),
            must_match=True,
        )

        async def write() -> tuple[int | None]:
            _, positions = await self._database.write(insert, insertion(told, self._owner, apply.since))
            return (int(positions[0][0] or 0),)

        async def kept() -> tuple[int | None] | None:
            found = await self.find(apply.command)
            return (await self._outbox.position_of(told),) if found and found.owner == self._owner else None

        (position,) = await looked_after(write, kept)
        return position

    async def find(self, command: str) -> TermsApply | None:
        """What a command carries out, while it does."""
        return await self._one("command = $1", command)

    async def of_account(self, account: str) -> TermsApply | None:
        """What is carried out on an account."""
        return await self._one("account = $1", account)

    async def _one(self, condition: str, value: str) -> TermsApply | None:
        rows = await self._database.read(Statement(f"SELECT {_ALL} FROM terms_applies WHERE {condition}", (value,)))
        return _apply(rows[0]) if rows else None

    async def owners(self) -> list[str]:
        """The workers that have some."""
        rows = await self._database.read(Statement("SELECT DISTINCT owner FROM terms_applies"))
        return [str(row[0]) for row in rows]

    async def ours(self) -> list[TermsApply]:
        """Those that this worker goes on with, the oldest first."""
        query = f"SELECT {_ALL} FROM terms_applies WHERE owner = $1 ORDER BY since, command"
        return [_apply(row) for row in await self._database.read(Statement(query, (self._owner,)))]

    async def take_over(self, owner: str) -> None:
        """What a worker that is gone went on with is ours now, and so are its commands."""
        await self._database.write(
            Statement(
                "UPDATE commands SET owner = $1 WHERE finished IS NULL AND deadline > 0 "
                "AND id IN (SELECT command FROM terms_applies WHERE owner = $2)",
                (self._owner, owner),
            ),
            Statement("UPDATE terms_applies SET owner = $1 WHERE owner = $2", (self._owner, owner)),
        )

    async def drop(self, command: str) -> None:
        """There is nothing to go on with."""
        await self._database.write(ended(command), durable=False)

    async def tell(self, command: str, progress: str, told: Outgoing, at: Milliseconds) -> int:
        """Keep how far it has come, with the event that tells it; the event's position."""
        keeping = Statement("UPDATE terms_applies SET progress = $1 WHERE command = $2", (progress, command))
        _, positions = await self._database.write(keeping, insertion(told, self._owner, at), durable=False)
        return int(positions[0][0] or 0)

    async def cancel(self, command: str, at: Milliseconds, by: str | None) -> bool:
        """Let it stop before its next symbol; whether it is there, be it cancelled already."""
        statement = Statement(
            "UPDATE terms_applies SET cancelled = COALESCE(cancelled, $1), "
            "cancelled_by = CASE WHEN cancelled IS NULL THEN $2 ELSE cancelled_by END "
            "WHERE command = $3 RETURNING command",
            (at, by, command),
            must_match=True,
        )
        try:
            await self._database.write(statement)
        except StaleWrite:
            return False
        return True
