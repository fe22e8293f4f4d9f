"""The newest position snapshot of each account, from which the next one is counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.ledger.epoch import Epoch, proven
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.owed_snapshots import settled
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Statement
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot as it was published; `event` is its JSON. `as_of` is when the venue was last asked for a newer one."""

    account: str
    seq: int
    as_of: Milliseconds
    event: str


_KEEP_FIRST = (
    "INSERT INTO snapshots (account, seq, as_of, event, seen) "
    "SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT) "
    f"WHERE {proven(6)} ON CONFLICT (account) DO NOTHING RETURNING seq"
)
_KEEP = (
    "UPDATE snapshots SET seq = $2, as_of = $3, event = $4, seen = COALESCE($5, seen) "
    f"WHERE account = $1 AND seq = $2 - 1 AND {proven(6)} RETURNING seq"
)


class SnapshotLog:
    """The newest snapshots. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str, epoch: Epoch) -> None:
        self._database = database
        self._owner = owner
        self._epoch = epoch
        self._outbox = Outbox(database, owner)

    async def newest(self, account: str) -> Kept | None:
        """The newest snapshot of an account."""
        query = Statement("SELECT account, seq, as_of, event FROM snapshots WHERE account = $1", (account,))
        rows = await self._database.read(query)
        return Kept(*rows[0]) if rows else None  # type: ignore[arg-type]

    async def seen(self) -> dict[str, Milliseconds]:
        """When the venue last showed the positions of each account; those it never showed are left out."""
        query = Statement("SELECT account, seen FROM snapshots WHERE seen IS NOT NULL")
        return {str(account): int(seen or 0) for account, seen in await self._database.read(query)}

    async def unchanged(self, snapshot: Kept, as_of: Milliseconds, *, stale: bool = False) -> None:
        """Note that the venue was asked again, and that there was nothing to tell beyond the newest snapshot.

        It was asked in vain if that is `stale`. Does nothing when it is the newest no more.
        """
        update = "UPDATE snapshots SET as_of = $3, seen = COALESCE($4, seen) WHERE account = $1 AND seq = $2"
        values = (snapshot.account, snapshot.seq, as_of, None if stale else as_of)
        await self._database.write(Statement(update, values), durable=False)

    async def keep(
        self,
        snapshot: Kept,
        told: list[Outgoing],
        *,
        epoch: int | None = None,
        stale: bool = False,
        commands: Iterable[str] = (),
    ) -> list[int | None]:
        """Replace the snapshot before, with the events that tell it; their positions, None of those published by now.

        A `stale` one shows what was seen before. What `commands` owed is settled with it.
        Raises StaleWrite when another worker has taken one meanwhile, or when the epoch in which it was counted
        (the one we know of, if none is named) has ended: no number is given twice.
        """
        counted_in = self._epoch.number if epoch is None else epoch
        seen = None if stale else snapshot.as_of
        values = (snapshot.account, snapshot.seq, snapshot.as_of, snapshot.event, seen, counted_in)
        events = [insertion(event, self._owner, snapshot.as_of) for event in told]

        async def write() -> list[int | None]:
            keep = Statement(_KEEP_FIRST if snapshot.seq == 1 else _KEEP, values, must_match=True)
            _, *more = await self._database.write(keep, *events, *settled(commands))
            return [int(rows[0][0] or 0) for rows in more[: len(events)]]

        async def kept() -> list[int | None] | None:
            newest = await self.newest(snapshot.account)
            is_ours = newest is not None and (newest.seq, newest.event) == (snapshot.seq, snapshot.event)
            return [await self._outbox.position_of(event) for event in told] if is_ours else None

        try:
            return await looked_after(write, kept)
        except StaleWrite:
            if await self._epoch.look() != counted_in:
                raise
        # The epoch was not proven since the server started. It is now; another worker's snapshot is still there.
        return await looked_after(write, kept)
