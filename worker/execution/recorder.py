"""What the ledger is told of a command on its way, and what it tells: whose it is, what was sent, how it ended."""

from dataclasses import dataclass
from time import perf_counter

import orjson
import structlog

from schemas import ErrorCode, Outcome
from schemas.base import Milliseconds
from worker.execution.calls import Interrupted, VenueCalls
from worker.execution.errors import Expired, Frozen, RecordGone, TakenOver
from worker.execution.failures import CommandFailure, conflict, doubt_about, forgotten, in_doubt
from worker.execution.requests import Command, RequestRejected, entry_of
from worker.execution.telling.results import CommandResponse, ending_of, told_before
from worker.handlers.plan import Applied, CommandHandler
from worker.ledger.audit import Audited, audit_rows
from worker.ledger.commands import CommandEnding, Entry, Record
from worker.ledger.ledger import Ledger
from worker.ledger.observed.owed_snapshots import Owed
from worker.ledger.sql.database import Statement
from worker.ledger.sql.errors import NotInTime, StaleWrite
from worker.ledger.unresolved import Setting
from worker.messages.wire import encode
from worker.runtime.clock import Clock
from worker.telemetry import tracing
from worker.telemetry.metrics import COMMANDS
from worker.telemetry.stages import STAGES, Stage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """It is over, and this was told of it."""

    response: CommandResponse


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A worker that is gone has begun it, and it is ours now. `interrupted` says what may have been sent."""

    entry: Entry
    interrupted: Interrupted | None


class CommandRecorder:
    """Writes down what becomes of commands, so that none is lost, and none done twice."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def standing(self, entry: Entry) -> Finished | Abandoned:
        """Where a command stands that is not new, asked while its account is ours. What is left there is taken over.

        Raises RecordGone, RequestRejected for the id of another command, and TakenOver when another was quicker.
        """
        record = await self.known(entry)
        if record.finished is not None:
            log.info("duplicate_delivery", outcome=record.outcome)
            return Finished(told_before(record))
        await self.take_over(record, holding=entry.account)
        log.info("command_taken_over", intended=record.intended is not None)
        return Abandoned(record.entry, interrupted_in(record))

    async def known(self, entry: Entry) -> Record:
        """Its record. Raises RecordGone, and RequestRejected where the id belongs to another command."""
        record = await self._ledger.commands.found(entry.id)
        if record is None:
            raise RecordGone
        if record.entry.fingerprint != entry.fingerprint:
            raise RequestRejected(conflict(entry.id))
        return record

    async def take_over(self, record: Record, *, holding: str | None = None) -> None:
        """Become who finishes a command. Raises TakenOver when somebody else has."""
        try:
            await self._ledger.commands.take_over(record, holding=holding)
        except StaleWrite:
            raise TakenOver from None

    async def told_elsewhere(self, entry: Entry) -> CommandResponse:
        """What the worker that was quicker has told. Raises TakenOver when it has not: it will send nothing more."""
        record = await self.known(entry)
        if record.finished is None:
            raise TakenOver
        log.warning("command_finished_elsewhere", outcome=record.outcome)
        return told_before(record)

    async def record_intent(self, entry: Entry, attempt: int, at: Milliseconds, *, durable: bool) -> None:
        """Write down that an attempt is about to be sent. Raises what forbids that: Expired, Frozen, TakenOver."""
        began = perf_counter()
        try:
            await self._ledger.commands.record_intent(entry, attempt, at, durable=durable)
            STAGES.get().intervals.append((Stage.LEDGER, began, perf_counter()))
        except NotInTime as error:
            raise Expired(f"the deadline passed before it was sent: {error}") from None
        except StaleWrite:
            if attempt == 1 and await self._ledger.commands.found(entry.id) is None:
                # Nothing of it was sent, so that nothing is lost but a row.
                await self._register_anew(entry)
                return await self.record_intent(entry, attempt, self._clock(), durable=durable)
            freeze = await self._ledger.patience.retry_while_unavailable(
                lambda: self._ledger.freezes.of(entry.exchange, entry.account)
            )
            if freeze is not None:
                raise Frozen(freeze) from None
            raise TakenOver from None

    async def finish(
        self,
        command: Command,
        ending: Applied | CommandFailure,
        calls: VenueCalls,
        handler: CommandHandler | None = None,
    ) -> CommandResponse:
        """Record how it ended. The `handler` is named where it has run. Raises TakenOver."""
        finished = self._clock()
        more: tuple[Statement, ...] = ()
        if isinstance(ending, CommandFailure):
            more = _audited(command, ending, finished)
            ending = in_doubt(ending, command, finished) if ending.outcome is Outcome.UNKNOWN else ending
        written = ending_of(command, ending, calls, finished, self._ledger.epoch.number)
        if owes := handler is not None and handler.moves_terms and calls.sent is not None:
            more += (self._ledger.owed.owing(Owed(command.id, command.account.id), finished),)
        setting = _setting(command) if self._ledger.doubts.may_concern(command.account.id, written.outcome) else None
        # That it was so already may not be so any more, if the account is another worker's.
        holding = command.account.id if isinstance(ending, Applied) and calls.sent is None else None
        began = perf_counter()
        try:
            position = await self._ledger.commands.finish(command.id, written, setting, more=more, holding=holding)
            STAGES.get().intervals.append((Stage.LEDGER, began, perf_counter()))
        except StaleWrite:
            return await self._finish_lost(command, ending, calls)
        _tell_operators(command, written)
        stands = isinstance(ending, Applied) and handler is not None and not handler.moves_money
        return CommandResponse(written.reply, written.event, position, owes_snapshot=owes, survives_crash=stands)

    async def finish_parent(
        self, command: Command, ending: Applied | CommandFailure, ended: Statement
    ) -> CommandResponse:
        """Record how a command ended that has sent nothing itself: what is in doubt, its commands have left.

        `ended` is written with it. Raises TakenOver.
        """
        finished, calls = self._clock(), VenueCalls(command.deadline, self._clock)
        written = ending_of(command, ending, calls, finished, self._ledger.epoch.number)
        audited = _audited(command, ending, finished) if isinstance(ending, CommandFailure) else ()
        try:
            position = await self._ledger.commands.finish(command.id, written, more=(ended, *audited))
        except StaleWrite:
            raise TakenOver from None
        _tell_operators(command, written)
        return CommandResponse(written.reply, written.event, position)

    async def finish_anew(
        self, command: Command, ending: Applied | CommandFailure, calls: VenueCalls
    ) -> CommandResponse:
        """Tell how a command ended whose record is gone. Raises TakenOver when somebody has received it again."""
        outcome = ending.confirmed.outcome if isinstance(ending, Applied) else ending.outcome
        log.error("command_record_lost", outcome=outcome)
        await self._register_anew(entry_of(command))
        return await self.finish(command, ending, calls)

    async def _finish_lost(
        self, command: Command, ending: Applied | CommandFailure, calls: VenueCalls
    ) -> CommandResponse:
        """The record could not be finished: it is somebody else's now, or gone."""
        if await self._ledger.commands.found(command.id) is not None:
            raise TakenOver from None
        if calls.sent is not None:
            ending = forgotten(ending.message if isinstance(ending, Applied) else ending.envelope.message)
        return await self.finish_anew(command, ending, calls)

    async def _register_anew(self, entry: Entry) -> None:
        if not (await self._ledger.commands.register(entry)).is_new:
            raise TakenOver


def _audited(command: Command, ending: CommandFailure, at: Milliseconds) -> tuple[Statement, ...]:
    """What the audit keeps of an ending: that a guardrail has forbidden it, and which."""
    if ending.envelope.error.code is not ErrorCode.GUARDRAIL:
        return ()
    told = orjson.loads(encode(ending.envelope.error.details))
    details = {"operation": command.operation.name, "command_id": command.id, **told}
    return audit_rows(Audited(at, command.actor, "guardrail", f"account:{command.account.id}", details))


def interrupted_in(record: Record) -> Interrupted | None:
    """What the worker before us may have sent of it; None when that was nothing."""
    return None if record.intended is None else Interrupted(record.attempts, record.intended)


def _setting(command: Command) -> Setting:
    asked = command.request
    named = (getattr(asked, name, None) for name in ("symbol", "settle", "asset"))
    return Setting(command.account.id, command.operation.name, next(filter(None, named), ""))


def _tell_operators(command: Command, written: CommandEnding) -> None:
    """How it ended, in metrics, trace and log."""
    COMMANDS.labels(command.operation.name, command.account.venue, written.outcome).inc()
    if tracing.recorded:
        tracing.tell(outcome=written.outcome)
    told = {"operation": command.operation.name, "outcome": written.outcome, "attempts": written.attempts}
    if written.outcome == Outcome.UNKNOWN:
        log.warning("command_finished", account=command.account.id, **told, **doubt_about(command))
    else:
        log.info("command_finished", **told)
