"""The newest margin event of each account, with the levels from which thresholds are crossed."""

from worker.ledger.epoch import proven
from worker.ledger.observed.newest import Kept, NewestOfEach, Positions
from worker.ledger.outbox import insertion
from worker.ledger.sql.database import Statement
from worker.messages.wire import Outgoing

_KEEP_FIRST = (
    "INSERT INTO margin_readings (account, seq, as_of, event) "
    "SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT) "
    f"WHERE {proven(5)} ON CONFLICT (account) DO NOTHING RETURNING seq"
)
_KEEP = (
    "UPDATE margin_readings SET seq = $2, as_of = $3, event = $4 "
    f"WHERE account = $1 AND seq = $2 - 1 AND {proven(5)} RETURNING seq"
)


class MarginReadings(NewestOfEach):
    """What was told last of the margin of each account. Every call raises LedgerUnavailable."""

    TABLE = "margin_readings"

    async def keep(self, reading: Kept, told: list[Outgoing], epoch: int) -> Positions:
        """Replace the reading before, with the events that tell it; their positions, None of those published by now.

        Raises StaleWrite when another worker has told one meanwhile, or when the epoch in which it was counted has
        ended: no crossing is told twice.
        """
        values = (reading.account, reading.seq, reading.as_of, reading.event, epoch)

        async def write() -> Positions:
            keep = Statement(_KEEP_FIRST if reading.seq == 1 else _KEEP, values, must_match=True)
            _, *more = await self._database.write(
                keep, *(insertion(event, self._owner, reading.as_of) for event in told)
            )
            return [int(rows[0][0] or 0) for rows in more]

        return await self._replaced(reading, told, epoch, write)
