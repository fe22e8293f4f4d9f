"""Terms that were told as changed from outside because the venue pushed them, before a reading showed them."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Statement
from worker.messages.wire import Outgoing

REMEMBERED_MS: Milliseconds = 600_000
"""What no reading has shown for so long is not waited for any more."""


class PushedDrift(NamedTuple):
    """Terms of a market as they were told; None where the push said nothing of them. `at` is the venue's time."""

    account: str
    symbol: str
    side: str
    leverage: str | None
    margin_mode: str | None
    at: Milliseconds


def confirmed(drifts: Iterable[PushedDrift]) -> tuple[Statement, ...]:
    """A reading shows these, and says no more of them."""
    sql = "DELETE FROM pushed_drifts WHERE account = $1 AND symbol = $2 AND side = $3 AND at = $4"
    return tuple(Statement(sql, (row.account, row.symbol, row.side, row.at)) for row in drifts)


class PushedDrifts:
    """What was told and not read yet. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def waiting(self, account: str, now: Milliseconds) -> list[PushedDrift]:
        """What was told of an account, and no reading has shown yet."""
        query = (
            "SELECT account, symbol, side, leverage, margin_mode, at FROM pushed_drifts "
            "WHERE account = $1 AND told > $2"
        )
        rows = await self._database.read(Statement(query, (account, now - REMEMBERED_MS)))
        return [PushedDrift(*row) for row in rows]  # type: ignore[arg-type]

    async def tell(self, drifts: Iterable[PushedDrift], told: Outgoing, at: Milliseconds) -> int | None:
        """Record what is told, with its event; its position. Raises StaleWrite where the same push was told before."""
        rows = [_told(row, at) for row in drifts]

        async def write() -> int | None:
            *_, positions = await self._database.write(*rows, insertion(told, self._owner, at))
            return int(positions[0][0] or 0)

        return await looked_after(write, lambda: self._outbox.position_of(told))

    async def confirm(self, drifts: Iterable[PushedDrift]) -> None:
        """The venue was asked, and shows these."""
        await self._database.write(*confirmed(drifts))

    async def correct(self, drift: PushedDrift, told: Outgoing, at: Milliseconds) -> int | None:
        """The venue was asked, and shows others than these, which is told; its position.

        Raises StaleWrite where it was told before, or the venue has pushed others since.
        """
        [statement] = confirmed((drift,))
        ended = Statement(f"{statement.sql} RETURNING account", statement.values, must_match=True)

        async def write() -> int | None:
            _, positions = await self._database.write(ended, insertion(told, self._owner, at))
            return int(positions[0][0] or 0)

        return await looked_after(write, lambda: self._outbox.position_of(told))


def _told(row: PushedDrift, at: Milliseconds) -> Statement:
    sql = (
        "INSERT INTO pushed_drifts (account, symbol, side, leverage, margin_mode, at, told) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account, symbol, side) DO UPDATE "
        "SET leverage = COALESCE($4, pushed_drifts.leverage), margin_mode = COALESCE($5, pushed_drifts.margin_mode), "
        "at = $6, told = $7 WHERE pushed_drifts.at < $6 "
        "OR COALESCE(pushed_drifts.leverage, '') <> COALESCE($4, pushed_drifts.leverage, '') "
        "OR COALESCE(pushed_drifts.margin_mode, '') <> COALESCE($5, pushed_drifts.margin_mode, '') RETURNING account"
    )
    return Statement(sql, (*row, at), must_match=True)
