"""The commands: received, about to be sent, finished. What keeps one from being carried out twice stands here.

A row has an owner, the worker that may go on with it. Every write names the owner it believes in; when another worker
has taken the row over meanwhile it matches nothing, and the one that came too late learns it before it can do harm.

A write whose commit was in doubt is tried again, and may then match nothing because it was kept: so each looks whether
what it finds is its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, perf_counter

import orjson
import structlog

from schemas.base import Milliseconds
from worker.ledger.audit import Audited, audit_rows
from worker.ledger.epoch import PROVEN, Epoch
from worker.ledger.freezes import FREEZES, OF_ACCOUNT, Freeze, freeze_of, in_force
from worker.ledger.outbox import Outbox, insertion
from worker.ledger.owners import Presence
from worker.ledger.patience import Patience
from worker.ledger.sql.database import Database, Latch, Row, Statement, Value, names
from worker.ledger.sql.errors import LockLost, NotInTime, StaleWrite
from worker.ledger.unresolved import Doubt, Doubts, Setting
from worker.messages.wire import Outgoing, Reply
from worker.runtime.clock import now
from worker.telemetry.stages import STAGES, Stage

log = structlog.get_logger(__name__)

LOOK_S = 0.05
"""How often a worker whose command is under way on an account that we took is looked after."""

lock_of = "account:{}".format
"""The name that whoever changes an account holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as it came in. The fingerprint tells one body from another; `request` is its JSON.

    `guardrails` are those of its sender's token, as JSON; none where it has none. The fields stand in the order of the
    columns that it is read back from.
    """

    id: str
    operation: str
    exchange: str
    account: str
    actor: str | None
    fingerprint: str
    request: str
    received: Milliseconds
    deadline: Milliseconds
    guardrails: str | None = None
    reason: str | None = field(default=None, compare=False)
    """Why its sender wants it, for the audit alone; a command that is read again has none, for no column has it."""


@dataclass(frozen=True, slots=True)
class CommandEnding:
    """How a command ended: what its sender was told, and the event that everybody is told."""

    outcome: str
    finished: Milliseconds
    attempts: int
    reply: Reply
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


_ENTRY = "id, operation, exchange, account, actor, fingerprint, request, received, deadline, guardrails"
RECORD = f"{_ENTRY}, owner, attempts, intended, finished, outcome, status, reply, headers, event"
"""The columns of a `Record`."""

_NOTE = (
    f"INSERT INTO commands ({_ENTRY}, owner) VALUES ({names(1, 11)}) ON CONFLICT (id) DO NOTHING "
    f"RETURNING EXISTS ({in_force(3, 4)}), EXISTS (SELECT 1 FROM doubts WHERE account = $4), "
    f"({PROVEN})"
)
_INTEND = (
    "UPDATE commands SET intended = COALESCE(intended, $1), attempts = $2 WHERE id = $3 AND owner = $4 "
    f"AND finished IS NULL AND NOT EXISTS ({in_force(5, 6)}) RETURNING id"
)
_UNDER_WAY = (
    "SELECT DISTINCT owner FROM commands WHERE account = $1 AND finished IS NULL AND intended IS NOT NULL "
    "AND owner <> $2 AND deadline > $3"
)
_FINISH = (
    "UPDATE commands SET finished = $1, outcome = $2, attempts = $3, status = $4, reply = $5, headers = $6, "
    "event = $7 WHERE id = $8 AND owner = $9 AND finished IS NULL RETURNING id"
)


def _audited(entry: Entry) -> tuple[Statement, ...]:
    """The audit's row of a command that came with a reason."""
    details = {"reason": entry.reason, "command_id": entry.id, "request": json.loads(entry.request)}
    return audit_rows(Audited(entry.received, entry.actor, "command", entry.operation, details))


def record_of(row: Row) -> Record:
    """A row of the columns of RECORD."""
    return Record(Entry(*row[:10]), *row[10:])  # type: ignore[arg-type]  # the columns are typed by the schema


@dataclass(frozen=True, slots=True)
class Registration:
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
        self._outbox = Outbox(database, owner)
        self._presence = Presence(database, owner)

    async def register(self, entry: Entry) -> Registration:
        """Write a new command down, as ours, and in the audit if it has a reason; one that is known stays as it is."""
        values = (entry.id, entry.operation, entry.exchange, entry.account, entry.actor, entry.fingerprint)
        insert = Statement(
            _NOTE,
            (*values, entry.request, entry.received, entry.deadline, entry.guardrails, self._owner),
            must_match=True,
        )
        audited = () if entry.reason is None else _audited(entry)
        epoch: Value
        try:
            (row,), *_ = await self._patience.retry_while_unavailable(
                partial(self._database.write, insert, *audited, durable=False),
                kept=partial(self._inserted_before, entry),
            )
            is_new, is_frozen, is_doubted, epoch = True, bool(row[0]), bool(row[1]), row[2]
        except StaleWrite:
            is_new, is_frozen, is_doubted, epoch = False, True, False, None
        # A command that is known may have been finished in an epoch that this ledger has not heard the end of.
        if epoch is not None:
            self._epoch.number = int(epoch)
        else:
            await self._patience.retry_while_unavailable(self._epoch.look)
        if is_doubted:
            self._doubts.heard_of(entry.account)
        if not is_frozen:
            return Registration(is_new, freeze=None)
        freezes = await self._patience.retry_while_unavailable(
            partial(self._database.read, Statement(OF_ACCOUNT, (entry.exchange, entry.account)))
        )
        return Registration(is_new, freeze_of(freezes))

    async def _inserted_before(self, entry: Entry) -> list[list[Row]] | None:
        """That a freeze or a doubt has to be looked for, of a command that we have just noted."""
        record = await self.find(entry.id)
        ours = record is not None and (record.entry, record.owner) == (entry, self._owner)
        return [[(1, 1, None)]] if ours else None

    @asynccontextmanager
    async def alone(self, account: str, within_s: float | None = None) -> AsyncIterator[None]:
        """The right to change an account, which one worker has at a time. Raises NotInTime.

        What another worker has under way there is over first, even of one that has lost the account while it lives.
        """
        began, name = perf_counter(), lock_of(account)
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(within_s):
                    await self._patience.retry_while_unavailable(
                        lambda: held.enter_async_context(self._database.lock(name))
                    )
                    if self._database.locks_can_be_lost:
                        await self._patience.retry_while_unavailable(partial(self._others_over, account))
            except TimeoutError:
                raise NotInTime("another worker held the account") from None
            finally:
                STAGES.get().intervals.append((Stage.LANE, began, perf_counter()))
            yield

    async def _others_over(self, account: str) -> None:
        if not (owners := await self._under_way(account)):
            return
        log.warning("account_busy_elsewhere", account=account)
        while not await self._are_gone(owners):
            await asyncio.sleep(LOOK_S)
            owners = await self._under_way(account)

    async def over_elsewhere(self, command_id: str) -> bool:
        """Wait until another worker has finished a command, or will send nothing of it any more.

        Tells whether it has left it: it is gone, and the deadline is not past.
        """
        while (record := await self.found(command_id)) is not None and record.finished is None:
            if now() > record.entry.deadline:
                return False
            if await self._patience.retry_while_unavailable(partial(self._are_gone, [record.owner])):
                return True
            await asyncio.sleep(LOOK_S)
        return False

    async def _under_way(self, account: str) -> list[str]:
        """Who else has sent something to an account, and not told how it ended. Behind its deadline no request is."""
        query = Statement(_UNDER_WAY, (account, self._owner, now()))
        return [str(row[0]) for row in await self._database.read(query)]

    async def _are_gone(self, owners: list[str]) -> bool:
        for owner in owners:
            async with self._presence.gone(owner) as gone:
                if not gone:
                    return False
        return True

    async def find(self, command_id: str) -> Record | None:
        """What is known of a command. Raises LedgerUnavailable."""
        rows = await self._database.read(Statement(f"SELECT {RECORD} FROM commands WHERE id = $1", (command_id,)))
        return record_of(rows[0]) if rows else None

    async def found(self, command_id: str) -> Record | None:
        """The same, for as long as it takes."""
        return await self._patience.retry_while_unavailable(lambda: self.find(command_id))

    async def take_over(self, record: Record, *, holding: str | None = None) -> None:
        """Become the owner of an unfinished command, `holding` its account where what is sent of it depends on that.

        Raises StaleWrite when another worker was quicker, and LockLost.
        """
        takeover = Statement(
            "UPDATE commands SET owner = $1 WHERE id = $2 AND owner = $3 AND finished IS NULL RETURNING id",
            (self._owner, record.entry.id, record.owner),
            must_match=True,
        )
        await self._patience.retry_while_unavailable(
            partial(self._database.write, takeover, holding=holding and lock_of(holding)),
            kept=lambda: self._adopted_before(record.entry.id),
        )

    async def _adopted_before(self, command_id: str) -> list[list[Row]] | None:
        record = await self.find(command_id)
        ours = record is not None and record.owner == self._owner and record.finished is None
        return [] if ours else None

    async def record_intent(self, entry: Entry, attempt: int, at: Milliseconds, *, durable: bool) -> None:
        """Write down that a command is about to be sent, for the n-th time, by whoever is `alone` on its account.

        Raises StaleWrite when that may not be: it is frozen, finished, or another worker's by now; and NotInTime.
        """
        values: tuple[Value, ...] = (at, attempt, entry.id, self._owner, entry.exchange, entry.account)
        intent, latch = Statement(_INTEND, values, must_match=True), Latch(FREEZES, shared=True)
        write = partial(self._database.write, intent, durable=durable, latch=latch, holding=lock_of(entry.account))
        give_up = monotonic() + (entry.deadline - at) / 1000
        while True:
            try:
                await self._patience.retry_while_unavailable(write, within_s=give_up - monotonic())
            except LockLost as error:
                log.warning("account_lost_before_send", account=entry.account, command_id=entry.id, error=str(error))
                await self._regain(entry.account, give_up - monotonic())
            else:
                return

    async def _regain(self, account: str, within_s: float) -> None:
        """Be alone on an account again. Raises NotInTime."""
        try:
            async with asyncio.timeout(within_s):
                await self._patience.retry_while_unavailable(partial(self._database.renew, lock_of(account)))
                if self._database.locks_can_be_lost:
                    await self._patience.retry_while_unavailable(partial(self._others_over, account))
        except TimeoutError:
            raise NotInTime("the account was lost, and could not be taken anew in time") from None

    async def finish(
        self,
        command_id: str,
        ending: CommandEnding,
        setting: Setting | None = None,
        *,
        more: tuple[Statement, ...] = (),
        holding: str | None = None,
    ) -> int | None:
        """Write down how a command ended, and its event for the outbox, together; the event's position there.

        No position: it is written down, and published by now. With them that the setting which it is about is in doubt
        now; where it is no more, that is told soon after. It is to be told only when the ledger is flushed. What is
        true only as long as nobody else changes an account is written `holding` that. `more` is written with
        it. Raises StaleWrite when it is finished, or another worker's by now, and LockLost.
        """
        reply = (ending.reply.status, ending.reply.body.decode(), orjson.dumps(ending.reply.headers).decode())
        values = (ending.finished, ending.outcome, ending.attempts, *reply, ending.event.body, command_id, self._owner)
        result = Statement(_FINISH, values, must_match=True)
        event = insertion(ending.event, self._owner, ending.finished)
        begun: tuple[Statement, ...] = ()
        ended: list[Doubt] = []
        if setting is not None:
            begun, ended = await self._doubts_of(setting, command_id, ending)
        _, ((position,),), *_ = await self._patience.retry_while_unavailable(
            partial(
                self._database.write, result, event, *begun, *more, durable=False, holding=holding and lock_of(holding)
            ),
            kept=partial(self._finished_before, command_id, ending),
        )
        if begun or ended:
            self._doubts.end(ended, ending.event.body)
            self._doubts.news.set()
        return None if position is None else int(position)

    async def _finished_before(self, command_id: str, ending: CommandEnding) -> list[list[Row]] | None:
        record = await self.find(command_id)
        ours = record is not None and (record.owner, record.event) == (self._owner, ending.event.body)
        return [[], [(await self._outbox.position_of(ending.event),)]] if ours else None

    async def _doubts_of(
        self, setting: Setting, command_id: str, ending: CommandEnding
    ) -> tuple[tuple[Statement, ...], list[Doubt]]:
        """What is to be written of a doubt that begins, and the doubts that end."""
        ended = await self._patience.retry_while_unavailable(lambda: self._doubts.ended_by(setting, ending.outcome))
        return self._doubts.begun(setting, ending.outcome, command_id, ending.finished), ended

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
