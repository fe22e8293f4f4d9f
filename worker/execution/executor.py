"""Carrying out commands, each once: noted, in its account's lane, intended, sent, finished, told.

The same command may be delivered again at any moment, here or to another worker. It is told by its id:

    finished           ─▶ what was told the first time is told again
    running here       ─▶ the copies wait for the first, and are told the same
    begun elsewhere    ─▶ its worker is gone, or the account's lock would not be ours: read back, and finish
    another body       ─▶ a conflict
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson
import structlog

from schemas import Outcome
from worker.execution.answers import answered_in_time
from worker.execution.calls import Expired, Interrupted, VenueCalls
from worker.execution.dispatch import Dispatch, TakenOver
from worker.execution.failures import (
    CommandFailure,
    conflict,
    doubt_about,
    forgotten,
    held_elsewhere,
    in_doubt,
    refusal,
)
from worker.execution.freeze import Frozen
from worker.execution.lanes import Lanes
from worker.execution.outbox_relay import OutboxRelay
from worker.execution.requests import Command, RequestRejected
from worker.execution.response import CommandResponse, told_before
from worker.execution.results import envelope_of, outcome_of, reply_to, result_event
from worker.handlers.plan import Applied, CommandHandler
from worker.ledger.commands import CommandEnding, Entry, Record, Registration
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.owed_snapshots import Owed
from worker.ledger.sql.database import Statement
from worker.ledger.sql.errors import LockLost, NotInTime, StaleWrite
from worker.ledger.unresolved import Setting
from worker.messages.wire import Reply, ShuttingDown, outgoing_result
from worker.runtime.clock import Clock
from worker.runtime.errors import ExecutionError
from worker.telemetry import tracing
from worker.telemetry.metrics import COMMANDS, COMMANDS_REPEATED, command_told
from worker.telemetry.stages import STAGES, Stage, spent
from worker.venues.limits.limiter import LEFT_FOR_AN_ANSWER

LOCK_MS = 250
"""What even a late command may wait for its account: whether it was sent is known to who holds the account."""

BEHIND_MS = 100
"""How long behind its deadline a command may still get its account: what was under way there until then is over."""

log = structlog.get_logger(__name__)


class AccountLocked(ExecutionError):
    """Another worker held the account until the deadline."""


class RecordGone(ExecutionError):
    """The ledger knew a command, and knows it no more."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A command that runs here, and what will be told of it."""

    fingerprint: str
    told: "asyncio.Future[CommandResponse]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class CommandExecutor:
    """Carries out commands. Bootstrap gives it all its parts."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        relay: OutboxRelay,
        dispatch: Dispatch,
        owe_snapshot: Callable[[Command], None],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._relay = relay
        self._dispatch = dispatch
        self._owe_snapshot = owe_snapshot
        self._clock = clock
        self._lanes = Lanes()
        self._running: dict[str, _Running] = {}
        self._ceased = False

    def cease(self) -> None:
        """Begin nothing more. What has begun is finished; the rest raises ShuttingDown when it is its turn."""
        self._ceased = True

    def is_running(self, command_id: str) -> bool:
        """Whether the command runs in this process."""
        return command_id in self._running

    async def carry_out(
        self, command: Command, handler: CommandHandler, answer: Callable[[Reply], Awaitable[None]]
    ) -> None:
        """Carry a command out, or find out how it ended; answer its sender; publish the event.

        Returns when the broker has the event. Raises RequestRejected for a command id that belongs to another command,
        Superseded, and ShuttingDown.
        """
        with answered_in_time(command, answer, self._clock) as in_time:
            told = await self._told(command, handler)
        # The answer need not wait for the event's confirm; the acknowledgement, which comes last, does.
        operation, venue = command.operation.name, command.account.site.venue
        with spent(Stage.PUBLISH):
            await in_time.answer(told.reply)
        if told.stands:
            await self._flushed()
        with spent(Stage.PUBLISH):
            if told.position is None:
                COMMANDS_REPEATED.labels(operation, venue).inc()
                await self._relay.publish_again(told.event)
                return
            await self._relay.publish(told.position, told.event)
        command_told(operation, venue, STAGES.get())
        if told.owes_snapshot:
            self._owe_snapshot(command)

    async def _told(self, command: Command, handler: CommandHandler) -> CommandResponse:
        fingerprint = command.fingerprint
        if (first := self._running.get(command.id)) is not None:
            if first.fingerprint != fingerprint:
                raise RequestRejected(conflict(command.id))
            return replace(await asyncio.shield(first.told), position=None)
        running = self._running[command.id] = _Running(fingerprint)
        try:
            try:
                told = await self._in_turn(command, fingerprint, handler)
            except RecordGone:
                told = await self._finish_anew(command, forgotten(), VenueCalls(command.deadline, self._clock))
            if not told.stands:
                await self._flushed()
            running.told.set_result(told)
            return told
        finally:
            del self._running[command.id]
            running.told.cancel()  # whoever waits for what will never be told gives the message back

    async def _flushed(self) -> None:
        """Wait for the disk; not in the account's turn, for the next command need not."""
        with spent(Stage.LEDGER):
            await self._ledger.flushed()

    async def _in_turn(self, command: Command, fingerprint: str, handler: CommandHandler) -> CommandResponse:
        """Note it at once, so that it can be asked for; go on with it when it is its turn on the account."""
        self._require_work()
        entry = _entry(command, fingerprint)
        noting = asyncio.create_task(self._ledger.commands.note(entry))
        try:
            async with AsyncExitStack() as stack:
                if handler.room is not None and (refused := await self._await_room(command, handler, noting, stack)):
                    return await self._finish(command, refused, VenueCalls(command.deadline, self._clock))
                with tracing.span("wait for the lane"), spent(Stage.LANE):
                    await stack.enter_async_context(self._lanes.lane(command.account.id))
                return await self._until_over(command, entry, noting, handler)
        except AccountLocked:
            await noting
            return await self._give_up(command, entry)
        except TakenOver:
            await self._ledger.commands.over_elsewhere(entry.id)
            return await self._told_elsewhere(entry)
        except ShuttingDown:
            await noting  # the next worker then knows since when it waits
            raise

    async def _await_room(
        self, command: Command, handler: CommandHandler, noting: Awaitable[Registration], stack: AsyncExitStack
    ) -> CommandFailure | None:
        """Have the room at the venue that a command needs before its turn; None once it is there, or not needed.

        What is there at once is taken at once, before anything is awaited, so that the command keeps its place among
        those of its account. For what is not, only a command that is new and not frozen waits; others go before it.
        """
        at_once = VenueCalls(self._clock() + LEFT_FOR_AN_ANSWER, self._clock)  # the limiter then lets nobody wait
        if await stack.enter_async_context(self._dispatch.room(command, handler, at_once)) is None:
            return None
        noted = await noting
        if not noted.is_new or noted.freeze is not None:
            return None
        patient = VenueCalls(command.deadline, self._clock)
        return await stack.enter_async_context(self._dispatch.room(command, handler, patient))

    async def _until_over(
        self, command: Command, entry: Entry, noting: "asyncio.Task[Registration]", handler: CommandHandler
    ) -> CommandResponse:
        """Carry it out, or tell what a quicker worker has told of it, or go on where that one has left it.

        When the account proves to be lost, it begins again. What comes behind it in its lane waits all the while: it
        would overtake it, be it carried out here or there.
        """
        while True:
            try:
                return await self._alone(command, entry, noting, handler)
            except LockLost as error:
                log.warning("account_lost", error=str(error))
            except TakenOver:
                if not await self._ledger.commands.over_elsewhere(entry.id):
                    return await self._told_elsewhere(entry)
                log.warning("command_taken_back")
                noting = asyncio.create_task(self._ledger.commands.note(entry))

    async def _alone(
        self, command: Command, entry: Entry, noting: "asyncio.Task[Registration]", handler: CommandHandler
    ) -> CommandResponse:
        """Carry it out while the account is ours alone. Raises LockLost when that proves to be over."""
        async with AsyncExitStack() as stack:
            with tracing.span("wait for the account"), spent(Stage.LANE):
                await stack.enter_async_context(self._exclusive(command))
            with spent(Stage.LEDGER):
                noted = await noting
            return await self._begin(command, entry, noted, handler)

    @asynccontextmanager
    async def _exclusive(self, command: Command) -> AsyncIterator[None]:
        """The account is ours among all workers. Raises AccountLocked at the deadline, and ShuttingDown."""
        self._require_work()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(max(LOCK_MS, command.deadline - self._clock() + BEHIND_MS) / 1000):
                    await self._ledger.patience.until_done(
                        lambda: stack.enter_async_context(self._ledger.account_lock(command.account.id))
                    )
            except TimeoutError:
                raise AccountLocked from None
            self._require_work()
            yield

    def _require_work(self) -> None:
        if self._ceased:
            raise ShuttingDown

    async def _begin(
        self, command: Command, entry: Entry, noted: Registration, handler: CommandHandler
    ) -> CommandResponse:
        if noted.is_new:
            return await self._carry_through(command, entry, noted.freeze, handler, None)
        record = await self._known(entry)
        if record.finished is not None:
            log.info("duplicate_delivery", outcome=record.outcome)
            return told_before(record)
        await self._adopt(record, holding=command.account.id)
        log.info("command_taken_over", intended=record.intended is not None)
        begun = replace(command, received=record.entry.received, deadline=record.entry.deadline)
        return await self._carry_through(begun, record.entry, noted.freeze, handler, _interrupted(record))

    async def _known(self, entry: Entry) -> Record:
        record = await self._ledger.commands.found(entry.id)
        if record is None:
            raise RecordGone
        if record.entry.fingerprint != entry.fingerprint:
            raise RequestRejected(conflict(entry.id))
        return record

    async def _adopt(self, record: Record, *, holding: str | None = None) -> None:
        try:
            await self._ledger.commands.adopt(record, holding=holding)
        except StaleWrite:
            raise TakenOver from None

    async def _told_elsewhere(self, entry: Entry) -> CommandResponse:
        """What the worker that was quicker has told. Raises TakenOver when it has not: it will send nothing more."""
        record = await self._known(entry)
        if record.finished is None:
            raise TakenOver
        log.warning("command_finished_elsewhere", outcome=record.outcome)
        return told_before(record)

    async def _carry_through(
        self,
        command: Command,
        entry: Entry,
        freeze: Freeze | None,
        handler: CommandHandler,
        interrupted: Interrupted | None,
    ) -> CommandResponse:
        async def intend(attempt: int) -> None:
            await self._intend(entry, attempt, durable=handler.moves_money)

        calls = VenueCalls(command.deadline, self._clock, intend, interrupted)
        if freeze is not None and interrupted is None:
            return await self._finish(command, refusal(Frozen(freeze)), calls)
        ending = await self._dispatch.change(command, handler, calls)
        return await self._finish(command, ending, calls, handler)

    async def _intend(self, entry: Entry, attempt: int, *, durable: bool) -> None:
        try:
            with spent(Stage.LEDGER):
                await self._ledger.commands.intend(entry, attempt, self._clock(), durable=durable)
        except NotInTime as error:
            raise Expired(f"the deadline passed before it was sent: {error}") from None
        except StaleWrite:
            if attempt == 1 and await self._ledger.commands.found(entry.id) is None:
                # Nothing of it was sent, so that nothing is lost but a row.
                await self._note_anew(entry)
                return await self._intend(entry, attempt, durable=durable)
            freeze = await self._ledger.patience.until_done(
                lambda: self._ledger.freezes.of(entry.exchange, entry.account)
            )
            if freeze is not None:
                raise Frozen(freeze) from None
            raise TakenOver from None

    async def _finish(
        self,
        command: Command,
        ending: Applied | CommandFailure,
        calls: VenueCalls,
        handler: CommandHandler | None = None,
    ) -> CommandResponse:
        """Record how it ended. The `handler` is named where it has run."""
        finished, outcome = self._clock(), outcome_of(ending)
        if isinstance(ending, CommandFailure) and outcome is Outcome.UNKNOWN:
            ending = in_doubt(ending, command, finished)
        reply = reply_to(command.id, ending, command.account.exchange)
        event = outgoing_result(result_event(command, ending, calls, finished, self._ledger.epoch.number), reply)
        written = CommandEnding(
            outcome=outcome,
            finished=finished,
            attempts=calls.attempts,
            status=reply.status,
            reply=reply.body.decode(),
            headers=orjson.dumps(reply.headers).decode(),
            event=event,
        )
        owes: tuple[Statement, ...] = ()
        if handler is not None and handler.moves_terms and calls.sent is not None:
            owes = (self._ledger.owed.owing(Owed(command.id, command.account.id), finished),)
        try:
            with spent(Stage.LEDGER):
                position = await self._ledger.commands.finish(
                    command.id,
                    written,
                    _setting(command),
                    owes=owes,
                    # That it was so already may not be so any more, if the account is another worker's.
                    holding=command.account.id if outcome.succeeded and calls.sent is None else None,
                )
        except StaleWrite:
            if await self._ledger.commands.found(command.id) is None:
                return await self._finish_anew(
                    command, ending if calls.sent is None else forgotten(envelope_of(ending).message), calls
                )
            raise TakenOver from None
        COMMANDS.labels(command.operation.name, command.account.site.venue, outcome).inc()
        tracing.tell(outcome=outcome)
        _log_done(command, outcome, calls.attempts)
        stands = handler is not None and not handler.moves_money and outcome.succeeded
        return CommandResponse(reply, event, position, owes_snapshot=bool(owes), stands=stands)

    async def _finish_anew(
        self, command: Command, ending: Applied | CommandFailure, calls: VenueCalls
    ) -> CommandResponse:
        """Tell how a command ended whose record is gone. Raises TakenOver when somebody has received it again."""
        log.error("command_record_lost", outcome=outcome_of(ending))
        await self._note_anew(_entry(command, command.fingerprint))
        return await self._finish(command, ending, calls)

    async def _note_anew(self, entry: Entry) -> None:
        if not (await self._ledger.commands.note(entry)).is_new:
            raise TakenOver

    async def _give_up(self, command: Command, entry: Entry) -> CommandResponse:
        """The account was another worker's until the deadline. Whatever that one does from now on, it is fenced off."""
        record = await self._known(entry)
        if record.finished is not None:
            return told_before(record)
        if record.owner != self._ledger.owner:
            await self._adopt(record)
        calls = VenueCalls(command.deadline, self._clock, interrupted=_interrupted(record))
        return await self._finish(command, held_elsewhere(was_sent=record.intended is not None), calls)


def _log_done(command: Command, outcome: Outcome, attempts: int) -> None:
    told = {"operation": command.operation.name, "outcome": outcome, "attempts": attempts}
    if outcome is Outcome.UNKNOWN:
        log.warning("command_finished", account=command.account.id, **told, **doubt_about(command))
    else:
        log.info("command_finished", **told)


def _entry(command: Command, fingerprint: str) -> Entry:
    return Entry(
        id=command.id,
        operation=command.operation.name,
        exchange=command.account.exchange,
        account=command.account.id,
        actor=command.actor,
        fingerprint=fingerprint,
        request=command.request_json.decode(),
        received=command.received,
        deadline=command.deadline,
    )


def _setting(command: Command) -> Setting:
    asked = command.request
    subject = getattr(asked, "symbol", None) or getattr(asked, "asset", None) or ""
    return Setting(command.account.id, command.operation.name, subject)


def _interrupted(record: Record) -> Interrupted | None:
    """What the worker before us may have sent of it; None when that was nothing."""
    return None if record.intended is None else Interrupted(record.attempts, record.intended)
