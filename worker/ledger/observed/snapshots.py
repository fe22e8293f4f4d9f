"""The newest position snapshot of each account, from which the next one is counted."""

from collections.abc import Iterable

from schemas.base import Milliseconds
from worker.ledger.epoch import proven
from worker.ledger.observed.newest import Kept, NewestOfEach, Positions
from worker.ledger.observed.owed_snapshots import settled
from worker.ledger.observed.pushed_drifts import PushedDrift, confirmed
from worker.ledger.outbox import insertion
from worker.ledger.sql.database import Statement
from worker.ledger.sql.errors import CommitInDoubt, LedgerUnavailable
from worker.messages.wire import Outgoing

_KEEP_FIRST = (
    "INSERT INTO snapshots (account, seq, as_of, event, seen) "
    "SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT) "
    f"WHERE {proven(6)} ON CONFLICT (account) DO NOTHING RETURNING seq"
)
_KEEP = (
    "UPDATE snapshots SET seq = $2, as_of = $3, event = $4, seen = COALESCE($5, seen) "
    f"WHERE account = $1 AND seq = $2 - 1 AND {proven(6)} RETURNING seq"
)


class SnapshotLog(NewestOfEach):
    """The newest snapshots. Every call raises LedgerUnavailable."""

    TABLE = "snapshots"

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
        shown: Iterable[PushedDrift] = (),
    ) -> Positions:
        """Replace the snapshot before, with the events that tell it; their positions, None of those published by now.

        A `stale` one shows what was seen before. What `commands` owed is settled with it, and
        the drifts that it has `shown`.
        Raises StaleWrite when another worker has taken one meanwhile, or when the epoch in which it was counted
        (the one we know of, if none is named) has ended: no number is given twice.
        """
        counted_in = self._epoch.number if epoch is None else epoch
        seen = None if stale else snapshot.as_of
        values = (snapshot.account, snapshot.seq, snapshot.as_of, snapshot.event, seen, counted_in)
        events = [insertion(event, self._owner, snapshot.as_of) for event in told]

        async def write() -> Positions:
            keep = Statement(_KEEP_FIRST if snapshot.seq == 1 else _KEEP, values, must_match=True)
            _, *more = await self._database.write(keep, *events, *settled(commands), *confirmed(shown), durable=False)
            await self._flushed()
            return [int(rows[0][0] or 0) for rows in more[: len(events)]]

        return await self._replaced(snapshot, told, counted_in, write)

    async def _flushed(self) -> None:
        """Return when a power failure could not take back what was written. Nobody waits for a snapshot."""
        try:
            await self._database.flushed(gathered=True)
        except LedgerUnavailable as error:
            raise CommitInDoubt(str(error)) from error  # it is there; a power failure may take it back
