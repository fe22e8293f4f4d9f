"""Which worker follows which account's private streams, and how it finds them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.base import Milliseconds
from schemas.control import StreamHealth
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.patience import looked_after
from worker.ledger.sql.database import Database, Statement, Value, names
from worker.messages.wire import Outgoing

NOT_FOLLOWED, HANDED_OVER = "not followed yet", "handed over to another worker"
STOPPED, GONE = "the worker that followed it has stopped", "the worker that followed it is gone"

MOST_NAMES = 500
"""Values of one statement: SQLite takes 32,766, PostgreSQL's planner is quick with some hundreds."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An account, who follows it, and how its streams are since when."""

    account: str
    owner: str | None
    state: StreamHealth
    since: Milliseconds
    reason: str | None


class StreamLeases:
    """The leases of all accounts, and the workers that share them. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._outbox = Outbox(database, owner)

    async def beat(self, at: Milliseconds) -> None:
        """We are there: one statement, however many accounts we follow."""
        sql = "INSERT INTO stream_workers (owner, beat) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET beat = $2"
        await self._database.write(Statement(sql, (self._owner, at)), durable=False)

    async def workers(self) -> dict[str, Milliseconds]:
        """When each worker gave its last sign of life."""
        rows = await self._database.read(Statement("SELECT owner, beat FROM stream_workers"))
        return {str(owner): int(beat or 0) for owner, beat in rows}

    async def all(self) -> dict[str, Lease]:
        """Every account's lease."""
        rows = await self._database.read(Statement("SELECT account, owner, state, since, reason FROM stream_leases"))
        return {
            str(account): Lease(
                str(account),
                None if owner is None else str(owner),
                StreamHealth(str(state)),
                int(since or 0),
                None if reason is None else str(reason),
            )
            for account, owner, state, since, reason in rows
        }

    async def add(self, accounts: Iterable[str], at: Milliseconds) -> None:
        """These accounts can be followed from now on; those that can already stay as they are."""
        for some in _parts(sorted(accounts)):
            rows = ", ".join(f"(${place}, 'blind', $1, $2)" for place in range(3, 3 + len(some)))
            adding = f"INSERT INTO stream_leases (account, state, since, reason) VALUES {rows}"
            sql = f"{adding} ON CONFLICT (account) DO NOTHING"
            await self._database.write(Statement(sql, (at, NOT_FOLLOWED, *some)), durable=False)

    async def remove(self, accounts: Iterable[str]) -> None:
        """These accounts are served no more."""
        for some in _parts(sorted(accounts)):
            sql = f"DELETE FROM stream_leases WHERE account IN ({names(1, len(some))})"
            await self._database.write(Statement(sql, tuple(some)), durable=False)

    async def take(self, accounts: Mapping[str, str | None]) -> None:
        """We follow these accounts from now on, if each still is whose it was said to be: a worker's, or nobody's."""
        by_owner: dict[str | None, list[str]] = {}
        for account, owner in accounts.items():
            by_owner.setdefault(owner, []).append(account)
        for owner, theirs in by_owner.items():
            for some in _parts(sorted(theirs)):
                sql = (
                    "UPDATE stream_leases SET owner = $1 WHERE COALESCE(owner, '') = $2 "
                    f"AND account IN ({names(3, len(some))})"
                )
                await self._database.write(Statement(sql, (self._owner, owner or "", *some)), durable=False)

    async def give(self, accounts: Collection[str], to: str | None, at: Milliseconds) -> None:
        """These accounts of ours are another worker's from now on, or nobody's; whoever follows them next tells it."""
        for some in _parts(sorted(accounts)):
            where = f"owner = $4 AND account IN ({names(5, len(some))})"
            values: tuple[Value, ...] = (to, at, HANDED_OVER, self._owner, *some)
            await self._database.write(Statement(f"{_BLIND} WHERE {where}", values), durable=False)

    async def leave(self, at: Milliseconds, told: Sequence[Outgoing] = ()) -> list[int]:
        """We follow nothing from now on; the positions of the events that tell it."""
        events = [insertion(event, self._owner, at) for event in told]
        _, _, *rows = await self._database.write(*_left(self._owner, at, STOPPED), *events)
        return [int(row[0][0] or 0) for row in rows]

    async def forget(self, owner: str, at: Milliseconds) -> None:
        """A worker is gone since then: what it followed is nobody's."""
        await self._database.write(*_left(owner, at, GONE), durable=False)

    async def tell(self, lease: Lease, told: Outgoing) -> int | None:
        """How the streams of an account of ours are, with the event that tells it; its position in the outbox.

        Raises StaleWrite where the account is ours no more.
        """
        sql = (
            "UPDATE stream_leases SET state = $3, since = $4, reason = $5 WHERE account = $1 AND owner = $2 "
            "RETURNING account"
        )
        values: tuple[Value, ...] = (lease.account, self._owner, lease.state, lease.since, lease.reason)

        async def write() -> int | None:
            _, rows = await self._database.write(
                Statement(sql, values, must_match=True), insertion(told, self._owner, lease.since)
            )
            return int(rows[0][0] or 0)

        return await looked_after(write, lambda: self._outbox.position_of(told))


_BLIND = (
    "UPDATE stream_leases SET owner = CAST($1 AS TEXT), "
    "since = CASE state WHEN 'live' THEN CAST($2 AS BIGINT) ELSE since END, "
    "reason = CASE state WHEN 'live' THEN CAST($3 AS TEXT) ELSE reason END, "
    "state = CASE state WHEN 'live' THEN 'blind' ELSE state END"
)
"""An account changes hands: if it was live, it is blind until it is followed again."""


def _left(owner: str, at: Milliseconds, reason: str) -> tuple[Statement, Statement]:
    return (
        Statement(f"{_BLIND} WHERE owner = $4", (None, at, reason, owner)),
        Statement("DELETE FROM stream_workers WHERE owner = $1", (owner,)),
    )


def _parts(accounts: list[str]) -> Iterable[list[str]]:
    return (accounts[begin : begin + MOST_NAMES] for begin in range(0, len(accounts), MOST_NAMES))
