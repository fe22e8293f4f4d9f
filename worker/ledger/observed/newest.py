"""What was told last of each account, from which the next is counted: one row an account, in a table of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from schemas.base import Milliseconds
from worker.ledger.epoch import Epoch
from worker.ledger.outbox import Outbox
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Statement
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading as it was published; `event` is its JSON. `as_of` is when the venue was last asked for a newer one."""

    account: str
    seq: int
    as_of: Milliseconds
    event: str


Positions = list[int | None]
"""Of events in the outbox; None of those that are published by now."""


class NewestOfEach:
    """The newest reading of each account. Every call raises LedgerUnavailable."""

    TABLE: ClassVar[str]

    def __init__(self, database: Database, owner: str, epoch: Epoch) -> None:
        self._database = database
        self._owner = owner
        self._epoch = epoch
        self._outbox = Outbox(database, owner)

    async def newest(self, account: str) -> Kept | None:
        """The newest reading of an account."""
        query = Statement(f"SELECT account, seq, as_of, event FROM {self.TABLE} WHERE account = $1", (account,))
        rows = await self._database.read(query)
        return Kept(*rows[0]) if rows else None  # type: ignore[arg-type]

    async def all(self) -> dict[str, Kept]:
        """The newest reading of each account that has one."""
        rows = await self._database.read(Statement(f"SELECT account, seq, as_of, event FROM {self.TABLE}"))
        return {kept.account: kept for kept in (Kept(*row) for row in rows)}  # type: ignore[arg-type]

    async def _replaced(
        self, reading: Kept, told: list[Outgoing], epoch: int, write: Callable[[], Awaitable[Positions]]
    ) -> Positions:
        """Replace the reading before, by what `write` does, with the events that tell it; their positions.

        Raises StaleWrite when another worker has told one meanwhile, or when the epoch in which it was counted has
        ended: no number is given twice.
        """

        async def kept() -> Positions | None:
            newest = await self.newest(reading.account)
            is_ours = newest is not None and (newest.seq, newest.event) == (reading.seq, reading.event)
            return [await self._outbox.position_of(event) for event in told] if is_ours else None

        try:
            return await looked_after(write, kept)
        except StaleWrite:
            if await self._epoch.look() != epoch:
                raise
        # The epoch was not proven since the server started. It is now; another worker's reading is still there.
        return await looked_after(write, kept)
