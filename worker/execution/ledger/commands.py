"""The commands: received, about to be sent, finished. What keeps one from being carried out twice stands here.

A row has an owner, the worker that may go on with it. Every write names the owner it believes in; when another worker
has taken the row over meanwhile it matches nothing, and the one that came too late learns it before it can do harm.
"""

from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.execution.ledger.database import Database, Latch, Row, Statement, Value, names
from worker.execution.ledger.doubts import Doubt, Doubts, Setting
from worker.execution.ledger.epoch import PROVEN, Epoch
from worker.execution.ledger.freezes import FREEZES, OF_ACCOUNT, Freeze, freeze_of, in_force, scopes_of
from worker.execution.ledger.outbox import insertion
from worker.execution.ledger.patience import Patience
from worker.wire import Outgoing

Place = tuple[Milliseconds, str]
"""Where a command stands among those that are unfinished: its deadline and its id."""

FIRST: Place = (-(2**63), "")
"""Before all of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as it came in. The fingerprint tells one body from another; `request` is its JSON."""

    id: str
    operation: str
    exchange: str
    account: str
    actor: str | None
    fingerprint: str
    request: str
    received: Milliseconds
    deadline: Milliseconds


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: what its sender was told, and the event that everybody is told."""

    outcome: str
    finished: Milliseconds
    attempts: int
    status: int
    reply: str
    headers: str
    event: Outgoing


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of a command. `intended` is when it was first about to be sent."""

    entry: Entry
    owner: str
    attempts: int
    intended: Milliseconds | None
    finished: Milliseconds | None
    outcome: str | None
    status: int | None
    reply: str | None
    headers: str | None
    event: str | None


_ENTRY = "id, operation, exchange, account, actor, fingerprint, request, received, deadline"
_ALL = f"{_ENTRY}, owner, attempts, intended, finished, outcome, status, reply, headers, event"

_NOTE = (
    f"INSERT INTO commands ({_ENTRY}, owner) VALUES ({names(1, 10)}) ON CONFLICT (id) DO NOTHING "
    f"RETURNING EXISTS ({in_force(11)}), EXISTS (SELECT 1 FROM doubts WHERE account = $4), "
    f"({PROVEN})"
)
_INTEND = (
    "UPDATE commands SET intended = COALESCE(intended, $1), attempts = $2 WHERE id = $3 AND owner = $4 "
    f"AND finished IS NULL AND NOT EXISTS ({in_force(5)}) RETURNING id"
)
_FINISH = (
    "UPDATE commands SET finished = $1, outcome = $2, attempts = $3, status = $4, reply = $5, headers = $6, "
    "event = $7 WHERE id = $8 AND owner = $9 AND finished IS NULL RETURNING id"
)


_IN_SCOPE = "CASE CAST($1 AS TEXT) WHEN 'account' THEN account = $2 WHEN 'exchange' THEN exchange = $2 ELSE TRUE END"


def _record(row: Row) -> Record:
    return Record(Entry(*row[:9]), *row[9:])  # type: ignore[arg-type]  # the columns are typed by the schema


@dataclass(frozen=True, slots=True)
class Noted:
    """Whether a command is new, and the freeze that forbids it, if there is one."""

    is_new: bool
    freeze: Freeze | None


class Commands:
    """The rows of all commands. Writes that a command depends on wait until the ledger can be written."""

    def __init__(self, database: Database, owner: str, patience: Patience, doubts: Doubts, epoch: Epoch) -> None:
        self._database = database
        self._owner = owner
        self._patience = patience
        self._doubts = doubts
        self._epoch = epoch

    async def note(self, entry: Entry) -> Noted:
        """Write a new command down, as ours; one that is known stays as it is."""
        scopes = scopes_of(entry.exchange, entry.account)
        values = (entry.id, entry.operation, entry.exchange, entry.account, entry.actor, entry.fingerprint)
        insert = Statement(_NOTE, (*values, entry.request, entry.received, entry.deadline, self._owner, *scopes))
        (inserted,) = await self._patience.until_done(lambda: self._database.write(insert, durable=False))
        # A command that is known may have been finished in an epoch that this ledger has not heard the end of.
        if inserted and inserted[0][2] is not None:
            self._epoch.heard_of(inserted[0][2])
        else:
            await self._patience.until_done(self._epoch.look)
        if inserted and inserted[0][1]:
            self._doubts.heard_of(entry.account)
        if inserted and not inserted[0][0]:
            return Noted(is_new=True, freeze=None)
        freezes = await self._patience.until_done(lambda: self._database.read(Statement(OF_ACCOUNT, scopes)))
        return Noted(bool(inserted), freeze_of(freezes))

    async def find(self, command_id: str) -> Record | None:
        """What is known of a command. Raises LedgerUnavailable."""
        rows = await self._database.read(Statement(f"SELECT {_ALL} FROM commands WHERE id = $1", (command_id,)))
        return _record(rows[0]) if rows else None

    async def found(self, command_id: str) -> Record | None:
        """The same, for as long as it takes."""
        return await self._patience.until_done(lambda: self.find(command_id))

    async def adopt(self, record: Record) -> None:
        """Become the owner of an unfinished command. Raises NothingMatched when another worker was quicker."""
        takeover = Statement(
            "UPDATE commands SET owner = $1 WHERE id = $2 AND owner = $3 AND finished IS NULL RETURNING id",
            (self._owner, record.entry.id, record.owner),
            must_match=True,
        )
        await self._patience.until_done(lambda: self._database.write(takeover))

    async def intend(self, entry: Entry, attempt: int, at: Milliseconds, *, durable: bool) -> None:
        """Write down that a command is about to be sent, for the n-th time.

        Raises NothingMatched when that may not be: it is frozen, finished, or another worker's by now.
        """
        values: tuple[Value, ...] = (at, attempt, entry.id, self._owner, *scopes_of(entry.exchange, entry.account))
        intent, latch = Statement(_INTEND, values, must_match=True), Latch(FREEZES, shared=True)
        await self._patience.until_done(lambda: self._database.write(intent, durable=durable, latch=latch))

    async def finish(self, command_id: str, ending: Ending, setting: Setting | None = None) -> int:
        """Write down how a command ended, and its event for the outbox, together; the event's position there.

        With them that the setting which it is about is in doubt now; where it is no more, that is told soon after. It
        is to be told only when the ledger is flushed. Raises NothingMatched when it is finished, or another worker's by
        now.
        """
        result = Statement(
            _FINISH,
            (
                *(ending.finished, ending.outcome, ending.attempts, ending.status, ending.reply, ending.headers),
                *(ending.event.body, command_id, self._owner),
            ),
            must_match=True,
        )
        event = insertion(ending.event, self._owner, ending.finished)
        begun, ended = await self._doubts_of(command_id, ending, setting)
        _, positions, *_ = await self._patience.until_done(
            lambda: self._database.write(result, event, *begun, durable=False)
        )
        self._doubts.end(ended, ending.event.body)
        if begun or ended:
            self._doubts.news.set()
        return int(positions[0][0] or 0)

    async def _doubts_of(
        self, command_id: str, ending: Ending, setting: Setting | None
    ) -> tuple[tuple[Statement, ...], list[Doubt]]:
        """What is to be written of a doubt that begins, and the doubts that end."""
        if setting is None:
            return (), []
        ended = await self._patience.until_done(lambda: self._doubts.ended_by(setting, ending.outcome))
        return self._doubts.begun(setting, ending.outcome, command_id, ending.finished), ended

    async def overdue(self, deadline: Milliseconds, limit: int, after: Place = FIRST) -> list[Record]:
        """Unfinished commands whose deadline was earlier, the oldest behind a place. Raises LedgerUnavailable."""
        query = (
            f"SELECT {_ALL} FROM commands WHERE finished IS NULL AND deadline < $1 AND deadline >= $2 "
            "AND (deadline, id) > ($2, $3) ORDER BY deadline, id LIMIT $4"
        )
        return [_record(row) for row in await self._database.read(Statement(query, (deadline, *after, limit)))]

    async def under_way(self, scope: str, limit: int) -> list[str]:
        """The ids of commands in a scope that may have been sent and are not finished. Raises LedgerUnavailable."""
        kind, _, name = scope.partition(":")
        query = (
            f"SELECT id FROM commands WHERE finished IS NULL AND deadline > 0 AND intended IS NOT NULL AND {_IN_SCOPE} "
            "ORDER BY deadline LIMIT $3"
        )
        return [str(row[0]) for row in await self._database.read(Statement(query, (kind, name, limit)))]

    async def since(self, account: str, moment: Milliseconds) -> list[Record]:
        """Commands of an account that were sent, and were not finished before a moment. Raises LedgerUnavailable."""
        query = (  # two queries in one, for each has an index of its own
            f"SELECT {_ALL} FROM commands WHERE finished IS NULL AND deadline > 0 AND account = $1 "
            "AND intended IS NOT NULL "
            f"UNION ALL SELECT {_ALL} FROM commands WHERE finished >= $2 AND account = $1 AND intended IS NOT NULL"
        )
        return [_record(row) for row in await self._database.read(Statement(query, (account, moment)))]

    async def forget(self, before: Milliseconds, limit: int) -> int:
        """Delete commands that were finished before; how many. Raises LedgerUnavailable.

        Their ids are new ones from then on.
        """
        deletion = Statement(
            "DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE finished < $1 ORDER BY finished LIMIT $2) "
            "RETURNING id",
            (before, limit),
        )
        (deleted,) = await self._database.write(deletion, durable=False)
        return len(deleted)
