"""Freezes: what an admin has stopped."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from schemas.control import EVERYTHING
from worker.ledger.audit import Audited, audit_row_like, audit_rows
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Latch, Row, Statement
from worker.messages.wire import Outgoing


@dataclass(frozen=True, slots=True)
class Freeze:
    """A scope in which nothing may be changed: `account:<id>`, `exchange:<name>` or `all`."""

    scope: str
    reason: str
    actor: str | None
    since: Milliseconds


def in_force(exchange: int, account: int) -> str:
    """The query for the freezes that forbid changes of an account, by the placeholders of its exchange and its id."""
    scopes = (f"'{EVERYTHING}'", f"'exchange:' || CAST(${exchange} AS TEXT)", f"'account:' || CAST(${account} AS TEXT)")
    return f"SELECT scope, reason, actor, since FROM freezes WHERE scope IN ({', '.join(scopes)})"


OF_ACCOUNT = in_force(1, 2)

FREEZES = "freezes"
"""The latch of freezes and intents: no intent that has not seen a freeze is recorded after it."""


def freeze_of(rows: list[Row]) -> Freeze | None:
    """The widest of the freezes found."""
    found = sorted((Freeze(*row) for row in rows), key=lambda freeze: (freeze.scope != EVERYTHING, freeze.scope[0]))  # type: ignore[arg-type]
    return found[-1] if found else None


class Freezes:
    """What is frozen. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def all(self) -> list[Freeze]:
        """Everything that is frozen, the oldest first."""
        rows = await self._database.read(
            Statement("SELECT scope, reason, actor, since FROM freezes ORDER BY since, scope")
        )
        return [Freeze(*row) for row in rows]  # type: ignore[arg-type]

    async def of(self, exchange: str, account: str) -> Freeze | None:
        """The freeze that forbids changes of an account."""
        return freeze_of(await self._database.read(Statement(OF_ACCOUNT, (exchange, account))))

    async def freeze(self, freeze: Freeze, told: Outgoing) -> int | None:
        """Freeze a scope, with event and audit row; the event's position, or None where it is published by now.

        Raises NothingMatched where it was frozen.
        """
        insert = Statement(
            "INSERT INTO freezes (scope, reason, actor, since) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (scope) DO NOTHING RETURNING scope",
            (freeze.scope, freeze.reason, freeze.actor, freeze.since),
            must_match=True,
        )
        return await self._change(insert, freeze, "freeze", told)

    async def unfreeze(self, freeze: Freeze, told: Outgoing) -> int | None:
        """Lift a freeze likewise; `freeze` tells who does it and when. Raises NothingMatched where there is none."""
        delete = Statement("DELETE FROM freezes WHERE scope = $1 RETURNING scope", (freeze.scope,), must_match=True)
        return await self._change(delete, freeze, "unfreeze", told)

    async def _change(self, change: Statement, freeze: Freeze, action: str, told: Outgoing) -> int | None:
        audited = Audited(freeze.since, freeze.actor, action, freeze.scope, {"reason": freeze.reason})
        event = insertion(told, self._owner, freeze.since)

        async def write() -> tuple[int | None]:
            latch = Latch(FREEZES, shared=False)
            _, positions, *_ = await self._database.write(change, event, *audit_rows(audited), latch=latch)
            return (int(positions[0][0] or 0),)

        async def kept() -> tuple[int | None] | None:
            is_ours = await self._database.read(audit_row_like(audited))
            return (await self._outbox.position_of(told),) if is_ours else None

        (position,) = await looked_after(write, kept)
        return position
