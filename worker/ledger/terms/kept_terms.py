"""Documents of terms that are kept, what was mended of them, and whether that is suspended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.ledger.audit import Audited, audit_row_like, audit_rows
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Row, Statement
from worker.messages.wire import Outgoing

MOST_TOLD = 50
"""Mends of an account that are told, the newest."""

DAY_MS: Milliseconds = 86_400_000
KEPT_MENDS_MS: Milliseconds = 30 * DAY_MS


@dataclass(frozen=True, slots=True)
class Keeping:
    """A document that is kept; `document` is its JSON, `problem` why it could not be looked at the last time."""

    account: str
    exchange: str
    version: int
    document: str
    actor: str | None
    since: Milliseconds
    next_look: Milliseconds
    mends: int = 0
    failures: int = 0
    looked: Milliseconds | None = None
    problem: str | None = None
    suspended: Milliseconds | None = None
    reason: str | None = None


class Mend(NamedTuple):
    """A setting of a symbol that the keeper has set; a `reversal` where it had set it not long before."""

    symbol: str
    setting: str
    at: Milliseconds
    command: str
    reversal: int


_ALL = (
    "account, exchange, version, document, actor, since, next_look, mends, failures, looked, problem, suspended, reason"
)


def _keeping(row: Row) -> Keeping:
    return Keeping(*row)  # type: ignore[arg-type]  # the columns are typed by the schema


class KeptTerms:
    """The documents that are kept. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def keep(self, keeping: Keeping, audited: Audited, told: Outgoing) -> int | None:
        """Keep a document from now on, instead of the one before, suspended or not; the event's position."""
        values = (keeping.account, keeping.exchange, keeping.version, keeping.document, keeping.actor, keeping.since)
        insert = Statement(
            "INSERT INTO kept_terms (account, exchange, version, document, actor, since, next_look) "
            "VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (account) DO UPDATE SET exchange = $2, version = $3, "
            "document = $4, actor = $5, since = $6, next_look = $6, failures = 0, problem = NULL, suspended = NULL, "
            "reason = NULL",
            values,
        )
        forgotten = Statement("UPDATE kept_terms_mends SET reversal = 0 WHERE account = $1", (keeping.account,))
        return await self._changed((insert, forgotten), audited, told)

    async def drop(self, account: str, audited: Audited, told: Outgoing) -> int | None:
        """Keep it no more; the event's position. Raises StaleWrite where nothing is kept."""
        deletion = Statement("DELETE FROM kept_terms WHERE account = $1 RETURNING account", (account,), must_match=True)
        return await self._changed((deletion,), audited, told)

    async def suspend(self, keeping: Keeping, audited: Audited, told: Outgoing) -> int | None:
        """Mend it no more until it is kept anew; the event's position. Raises StaleWrite where it is another by now."""
        suspension = Statement(
            "UPDATE kept_terms SET suspended = $1, reason = $2 WHERE account = $3 AND version = $4 "
            "AND suspended IS NULL RETURNING account",
            (audited.at, str(audited.details["reason"]), keeping.account, keeping.version),
            must_match=True,
        )
        return await self._changed((suspension,), audited, told)

    async def _changed(self, changes: Sequence[Statement], audited: Audited, told: Outgoing) -> int | None:
        event = insertion(told, self._owner, audited.at)

        async def write() -> tuple[int | None]:
            found = await self._database.write(*changes, event, *audit_rows(audited))
            return (int(found[len(changes)][0][0] or 0),)

        async def kept() -> tuple[int | None] | None:
            is_ours = await self._database.read(audit_row_like(audited))
            return (await self._outbox.position_of(told),) if is_ours else None

        (position,) = await looked_after(write, kept)
        return position

    async def all(self) -> list[Keeping]:
        """Everything that is kept, by account."""
        return [
            _keeping(row)
            for row in await self._database.read(Statement(f"SELECT {_ALL} FROM kept_terms ORDER BY account"))
        ]

    async def of(self, account: str) -> Keeping | None:
        """What is kept of an account."""
        rows = await self._database.read(Statement(f"SELECT {_ALL} FROM kept_terms WHERE account = $1", (account,)))
        return _keeping(rows[0]) if rows else None

    async def due(self, now: Milliseconds) -> list[Keeping]:
        """What is to be looked at."""
        query = f"SELECT {_ALL} FROM kept_terms WHERE suspended IS NULL AND next_look <= $1 ORDER BY next_look, account"
        return [_keeping(row) for row in await self._database.read(Statement(query, (now,)))]

    async def looked_at(
        self, keeping: Keeping, now: Milliseconds, again: Milliseconds, problem: str | None, failures: int
    ) -> None:
        """Look at it again no earlier than this."""
        await self._database.write(
            Statement(
                "UPDATE kept_terms SET looked = $1, next_look = $2, problem = $3, failures = $4 "
                "WHERE account = $5 AND version = $6",
                (now, again, problem, failures, keeping.account, keeping.version),
            ),
            durable=False,
        )

    async def mended(self, keeping: Keeping, mends: Iterable[Mend]) -> None:
        """Write down what is about to be set. Raises StaleWrite where it is another by now."""
        counted = Statement(
            "UPDATE kept_terms SET mends = mends + 1 WHERE account = $1 AND version = $2 AND mends = $3 "
            "AND suspended IS NULL RETURNING account",
            (keeping.account, keeping.version, keeping.mends),
            must_match=True,
        )
        sql = (
            "INSERT INTO kept_terms_mends (account, symbol, setting, at, command, reversal) "
            "VALUES ($1, $2, $3, $4, $5, $6)"
        )
        await self._database.write(counted, *(Statement(sql, (keeping.account, *mend)) for mend in mends))

    async def mends_of(self, account: str, since: Milliseconds) -> list[Mend]:
        """What was mended of an account since then, the newest first."""
        query = (
            "SELECT symbol, setting, at, command, reversal FROM kept_terms_mends WHERE account = $1 AND at >= $2 "
            f"ORDER BY at DESC, symbol LIMIT {MOST_TOLD * 100}"
        )
        rows = await self._database.read(Statement(query, (account, since)))
        return [Mend(*row) for row in rows]  # type: ignore[arg-type]

    async def forget(self, before: Milliseconds) -> None:
        """Delete what was mended earlier."""
        await self._database.write(Statement("DELETE FROM kept_terms_mends WHERE at < $1", (before,)), durable=False)
