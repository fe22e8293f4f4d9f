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
from worker.execution.telling.results import (
    CommandResponse,
    envelope_of,
    outcome_of,
    reply_to,
    result_event,
    told_before,
)
from worker.handlers.plan import Applied, CommandHandler
from worker.ledger.audit import Audited, audit_rows
from worker.ledger.commands import CommandEnding, Entry, Record, Registration
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.observed.owed_snapshots import Owed
from worker.ledger.sql.database import Statement
from worker.ledger.sql.errors import NotInTime, StaleWrite
from worker.ledger.unresolved import Setting
from worker.messages.wire import Outgoing, Reply, encode, outgoing_result
from worker.runtime.clock import Clock
from worker.telemetry import tracing
from worker.telemetry.metrics import COMMANDS
from worker.telemetry.stages import STAGES, Stage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class New:
    """Nobody has begun it. Where its account is frozen, nothing of it may be sent."""

    freeze: Freeze | None


@dataclass(frozen=True, slots=True)
class Finished:
    """It is over, and this was told of it."""

    response: CommandResponse


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A worker that is gone has begun it, and it is ours now. `interrupted` says what may have been sent."""

    entry: Entry
    freeze: Freeze | None
    interrupted: Interrupted | None


class CommandRecorder:
    """Writes down what becomes of commands, so that none is lost, and none done twice."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def standing(self, entry: Entry, registration: Registration) -> New | Finished | Abandoned:
        """Where a command stands, asked while its account is ours. What a gone worker has begun is taken over.

        Raises RecordGone, RequestRejected for the id of another command, and TakenOver when another was quicker.
        """
        if registration.is_new:
            return New(registration.freeze)
        record = await self.known(entry)
        if record.finished is not None:
            log.info("duplicate_delivery", outcome=record.outcome)
            return Finished(told_before(record))
        await self.take_over(record, holding=entry.account)
        log.info("command_taken_over", intended=record.intended is not None)
        return Abandoned(record.entry, registration.freeze, interrupted_in(record))

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
        finished, outcome = self._clock(), outcome_of(ending)
        if isinstance(ending, CommandFailure) and outcome is Outcome.UNKNOWN:
            ending = in_doubt(ending, command, finished)
        reply = reply_to(command.id, ending, command.account.exchange, calls.policy)
        event = outgoing_result(result_event(command, ending, calls, finished, self._ledger.epoch.number), reply)
        written = _as_written(outcome, finished, calls.attempts, reply, event)
        owes = handler is not None and handler.moves_terms and calls.sent is not None
        owing = [self._ledger.owed.owing(Owed(command.id, command.account.id), finished)] if owes else []
        # That it was so already may not be so any more, if the account is another worker's.
        holding = command.account.id if outcome.succeeded and calls.sent is None else None
        began = perf_counter()
        try:
            position = await self._ledger.commands.finish(
                command.id,
                written,
                _setting(command),
                more=(*owing, *_audited(command, ending, finished)),
                holding=holding,
            )
            STAGES.get().intervals.append((Stage.LEDGER, began, perf_counter()))
        except StaleWrite:
            return await self._finish_lost(command, ending, calls)
        COMMANDS.labels(command.operation.name, command.account.site.venue, outcome).inc()
        if tracing.recorded:
            tracing.tell(outcome=outcome)
        _log_finished(command, outcome, calls.attempts)
        stands = handler is not None and not handler.moves_money and outcome.succeeded
        return CommandResponse(reply, event, position, owes_snapshot=owes, survives_crash=stands)

    async def finish_parent(
        self, command: Command, ending: Applied | CommandFailure, ended: Statement
    ) -> CommandResponse:
        """Record how a command ended that has sent nothing itself: what is in doubt, its commands have left.

        `ended` is written with it. Raises TakenOver.
        """
        finished, outcome = self._clock(), outcome_of(ending)
        calls = VenueCalls(command.deadline, self._clock)
        reply = reply_to(command.id, ending, command.account.exchange, calls.policy)
        event = outgoing_result(result_event(command, ending, calls, finished, self._ledger.epoch.number), reply)
        written = _as_written(outcome, finished, 0, reply, event)
        try:
            position = await self._ledger.commands.finish(
                command.id, written, more=(ended, *_audited(command, ending, finished))
            )
        except StaleWrite:
            raise TakenOver from None
        COMMANDS.labels(command.operation.name, command.account.site.venue, outcome).inc()
        _log_finished(command, outcome, 0)
        return CommandResponse(reply, event, position)

    async def finish_anew(
        self, command: Command, ending: Applied | CommandFailure, calls: VenueCalls
    ) -> CommandResponse:
        """Tell how a command ended whose record is gone. Raises TakenOver when somebody has received it again."""
        log.error("command_record_lost", outcome=outcome_of(ending))
        await self._register_anew(entry_of(command))
        return await self.finish(command, ending, calls)

    async def _finish_lost(
        self, command: Command, ending: Applied | CommandFailure, calls: VenueCalls
    ) -> CommandResponse:
        """The record could not be finished: it is somebody else's now, or gone."""
        if await self._ledger.commands.found(command.id) is not None:
            raise TakenOver from None
        known = ending if calls.sent is None else forgotten(envelope_of(ending).message)
        return await self.finish_anew(command, known, calls)

    async def _register_anew(self, entry: Entry) -> None:
        if not (await self._ledger.commands.register(entry)).is_new:
            raise TakenOver


def _audited(command: Command, ending: Applied | CommandFailure, at: Milliseconds) -> tuple[Statement, ...]:
    """What the audit keeps of an ending: that a guardrail has forbidden it, and which."""
    if not isinstance(ending, CommandFailure) or ending.envelope.error.code is not ErrorCode.GUARDRAIL:
        return ()
    told = orjson.loads(encode(ending.envelope.error.details))
    details = {"operation": command.operation.name, "command_id": command.id, **told}
    return audit_rows(Audited(at, command.actor, "guardrail", f"account:{command.account.id}", details))


def _as_written(
    outcome: Outcome, finished: Milliseconds, attempts: int, reply: Reply, event: Outgoing
) -> CommandEnding:
    return CommandEnding(
        outcome=outcome,
        finished=finished,
        attempts=attempts,
        status=reply.status,
        reply=reply.body.decode(),
        headers=orjson.dumps(reply.headers).decode(),
        event=event,
    )


def interrupted_in(record: Record) -> Interrupted | None:
    """What the worker before us may have sent of it; None when that was nothing."""
    return None if record.intended is None else Interrupted(record.attempts, record.intended)


def _setting(command: Command) -> Setting:
    asked = command.request
    named = (getattr(asked, name, None) for name in ("symbol", "settle", "asset"))
    return Setting(command.account.id, command.operation.name, next(filter(None, named), ""))


def _log_finished(command: Command, outcome: Outcome, attempts: int) -> None:
    told = {"operation": command.operation.name, "outcome": outcome, "attempts": attempts}
    if outcome is Outcome.UNKNOWN:
        log.warning("command_finished", account=command.account.id, **told, **doubt_about(command))
    else:
        log.info("command_finished", **told)
