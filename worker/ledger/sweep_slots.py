"""The slots of scheduled sweeps: up to which one each account's are done, or told as missed."""

from schemas.base import Milliseconds
from worker.ledger.audit import Audited, audit_rows
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Statement
from worker.messages.wire import Outgoing


class SweepSlots:
    """One row for each schedule of each account. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def begin(self, account: str, schedule: str, slot: Milliseconds) -> Milliseconds:
        """A schedule is seen: what is due in it begins after a slot, unless it was seen before; the last one over."""
        insert = Statement(
            "INSERT INTO sweep_slots (account, schedule, slot) VALUES ($1, $2, $3) "
            "ON CONFLICT (account, schedule) DO UPDATE SET slot = sweep_slots.slot RETURNING slot",
            (account, schedule, slot),
        )
        ((row,),) = await self._database.write(insert, durable=False)
        return int(row[0] or 0)

    async def over(
        self, account: str, schedule: str, slot: Milliseconds, audited: Audited, told: Outgoing | None = None
    ) -> int | None:
        """A slot is over, and all before it; the position of the event that tells what was missed.

        Raises StaleWrite where it was over before.
        """
        move = Statement(
            "UPDATE sweep_slots SET slot = $3 WHERE account = $1 AND schedule = $2 AND slot < $3 RETURNING slot",
            (account, schedule, slot),
            must_match=True,
        )
        event = () if told is None else (insertion(told, self._owner, audited.at),)

        async def write() -> tuple[int | None]:
            _, *rows = await self._database.write(move, *event, *audit_rows(audited))
            return (int(rows[0][0][0] or 0) if told else None,)

        async def kept() -> tuple[int | None] | None:
            if told is None:
                return None
            position = await self._outbox.position_of(told)
            return None if position is None else (position,)

        (position,) = await looked_after(write, kept)
        return position

    async def forget(self, account: str, schedule: str) -> None:
        """A schedule is no more: should it come again, it begins anew."""
        gone = Statement("DELETE FROM sweep_slots WHERE account = $1 AND schedule = $2", (account, schedule))
        await self._database.write(gone, durable=False)
