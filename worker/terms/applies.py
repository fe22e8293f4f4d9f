"""Taking on commands that apply terms, and going on with them until they have ended, whoever took them on.

delivered ─▶ known and over      what was told the first time is told again
          ─▶ under way           its end is waited for, or that it is pending is told
          ─▶ new                 planned ─▶ not to be done: told, and over
                                         ─▶ recorded with its plan, told to everybody, acknowledged ─▶ carried out
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from schemas import ErrorCode, failure
from schemas.base import Milliseconds, utc_text
from schemas.control import unknown_command
from schemas.events import TermsEvent, event_id
from schemas.operations import OPERATIONS
from schemas.terms import (
    ApplyStage,
    ApplyTerms,
    CancelCommand,
    CommandCancelled,
    PlannedRow,
    TermsPlan,
    TermsProgress,
)
from worker.accounts.account import Account, Accounts
from worker.accounts.venues import Capability
from worker.execution.calls import VenueCalls
from worker.execution.dispatch import Dispatch
from worker.execution.errors import Frozen, TakenOver
from worker.execution.executor import Answer, CommandExecutor
from worker.execution.failures import CommandFailure, refusal
from worker.execution.recorder import CommandRecorder
from worker.execution.requests import Command, RequestRejected, continued, entry_of, guardrails_in
from worker.execution.service import ControlHandler, LongCommand
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.execution.telling.results import CommandResponse, told_before
from worker.handlers import QUERY_HANDLERS
from worker.handlers.plan import QueryResult
from worker.ledger.commands import Record
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.ledger.terms.terms_applies import TermsApply, ended
from worker.messages.wire import Outgoing, ShuttingDown, encode, outgoing
from worker.runtime.clock import Clock
from worker.runtime.periodic import periodically
from worker.terms.answers import occupied, outdated, pending
from worker.terms.outcomes import whole
from worker.terms.run import ApplyRun
from worker.terms.steps import TermsStep
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import VenueError

log = structlog.get_logger(__name__)

APPLY = "apply_terms"

METERED = {"set_leverage": Capability.LEVERAGE, "set_margin_mode": Capability.MARGIN_MODE}
"""The changes of which it is known what they cost."""

ROWS: TypeAdapter[tuple[PlannedRow, ...]] = TypeAdapter(tuple[PlannedRow, ...])
"""The rows of a plan, as they are kept: position modes first."""

LOOK_S = 1.0
"""How often it is looked for what a worker went on with that is gone, or what we have forgotten."""

EARLY_MS: Milliseconds = 100
"""How long before the deadline its sender is told that it is pending."""


@dataclass(frozen=True, slots=True)
class _Carried:
    """A command that is carried out here, and what will be answered."""

    task: "asyncio.Task[None]"
    response: "asyncio.Future[CommandResponse]"


class TermsOffice:
    """Takes on and carries out. Bootstrap gives it all its parts."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        relay: OutboxRelay,
        dispatch: Dispatch,
        executor: CommandExecutor,
        accounts: Accounts,
        adapter_of: Callable[[Account], Adapter],
        timeout_ms: Milliseconds,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._relay = relay
        self._dispatch = dispatch
        self._executor = executor
        self._recorder = CommandRecorder(ledger, clock)
        self._accounts = accounts
        self._adapter_of = adapter_of
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._carried: dict[str, _Carried] = {}
        self._beginning: set[str] = set()  # recorded, and not carried out yet: a look leaves them alone
        self._missed: set[str] = set()
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def has_ceased(self) -> bool:
        """Whether nothing more is begun here."""
        return self._executor.has_ceased

    def long_commands(self) -> dict[str, LongCommand]:
        """The commands that are taken on here, by name."""
        return {APPLY: self.apply}

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {"cancel_command": self.cancel}

    async def apply(self, command: Command, answer: Answer) -> None:
        """Take a command on; returns when it may be acknowledged: it is over, or is gone on with from the ledger.

        Raises RequestRejected, TakenOver and ShuttingDown.
        """
        response = await self._taken_on(command)
        if response is None:
            task = asyncio.create_task(self._answer_in_time(command, answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        await self._ledger.flushed()
        await answer(response.reply)
        await self._relay.publish(response.outbox_id, response.event)

    async def run(self) -> None:
        """Go on with what is ours, and with what workers left that are gone, until cancelled."""
        await periodically(self.look, LOOK_S, tolerated=(LedgerUnavailable,), told=_not_read)

    async def look(self) -> None:
        """Begin with what nobody goes on with. Raises LedgerUnavailable."""
        if self._executor.has_ceased:
            return
        for owner in await self._ledger.applies.owners():
            if owner != self._ledger.owner:
                async with self._ledger.gone(owner) as gone:
                    if gone:
                        log.warning("terms_taken_over", owner=owner)
                        await self._ledger.applies.take_over(owner)
        for apply in await self._ledger.applies.ours():
            if apply.command not in self._carried and apply.command not in self._beginning:
                await self._go_on(apply)

    async def close(self, within_s: float) -> None:
        """Let the command that is under way end; the next worker goes on with the rest."""
        tasks = [carried.task for carried in self._carried.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in (*tasks, *self._answering):
            task.cancel()
        await asyncio.gather(*tasks, *self._answering, return_exceptions=True)

    async def settled(self) -> None:
        """Return when nothing is carried out here, and everybody is answered."""
        while waiting := {*(carried.task for carried in self._carried.values()), *self._answering}:
            await asyncio.wait(waiting)

    async def over(self, command_id: str) -> Record | None:
        """Wait until a command has ended, or is left to another worker; what is known of it then."""
        if (carried := self._carried.get(command_id)) is not None:
            await asyncio.wait({carried.task})
        return await self._ledger.commands.found(command_id)

    async def cancel(self, request: CancelCommand, actor: str | None) -> QueryResult:
        """Let a command stop before its next symbol. Raises RequestRejected for one that can't be cancelled."""
        record = await self._ledger.commands.find(request.command_id)
        if record is None or request.exchange_account_id not in (None, record.entry.account):
            raise RequestRejected(unknown_command(request.command_id))
        if record.entry.operation != APPLY:
            message = f"{record.entry.operation} can't be cancelled: it is one change, and has been sent or will expire"
            raise RequestRejected(failure(ErrorCode.UNSUPPORTED, message))
        cancelled = record.finished is None and await self._ledger.applies.cancel(
            request.command_id, self._clock(), actor
        )
        told = CommandCancelled(
            command_id=request.command_id, exchange_account_id=record.entry.account, cancelled=cancelled
        )
        words = "stops before its next symbol" if cancelled else "had ended already"
        return QueryResult(told, message=f"{request.command_id} {words}")

    async def _taken_on(self, command: Command) -> CommandResponse | None:
        """What is told of it, if it is over; None while it is under way, here or elsewhere."""
        registration = await self._ledger.commands.register(entry_of(command))
        async with self._ledger.database.lock(f"terms:{command.id}"):
            if not registration.is_new:
                record = await self._recorder.known(entry_of(command))
                if record.finished is not None:
                    return told_before(record)
                if await self._ledger.applies.find(command.id) is not None:
                    return None
                if record.owner != self._ledger.owner:
                    await self._recorder.take_over(record)
                command = continued(command, record.entry)
            self._beginning.add(command.id)
            try:
                begun = await self._begun(command, registration.freeze)
                if not isinstance(begun, CommandFailure):
                    self._carry_out(command, begun.rows)
                    return None
            finally:
                self._beginning.discard(command.id)
        return await self._recorder.finish_parent(command, begun, ended(command.id))

    async def _begun(self, command: Command, freeze: Freeze | None) -> TermsPlan | CommandFailure:
        """The plan, recorded; or why nothing is begun."""
        if freeze is not None:
            return refusal(Frozen(freeze))
        if forbidden := self._dispatch.forbidden(command):
            return forbidden
        handler = QUERY_HANDLERS["plan_terms"]
        calls = VenueCalls(command.deadline, self._clock, urgency=handler.urgency)
        found = await self._dispatch.query(command, handler, calls)
        if isinstance(found, CommandFailure):
            return found
        plan, request = found.data, command.request
        assert isinstance(plan, TermsPlan) and isinstance(request, ApplyTerms)  # noqa: S101,PT018 - of these operations
        if request.fingerprint not in (None, plan.fingerprint):
            return outdated(plan)
        progress = self._run_of(command, plan.rows).progress(ApplyStage.ACCEPTED)
        event, kept = self._event(progress), (_json(plan.rows), self._clock(), _json(progress))
        apply = TermsApply(command.id, command.account.id, self._ledger.owner, *kept)
        try:
            position = await self._ledger.patience.retry_while_unavailable(
                partial(self._ledger.applies.begin, apply, event)
            )
        except StaleWrite:
            other = await self._ledger.applies.of_account(command.account.id)
            if other is None or other.command == command.id:
                raise TakenOver from None
            return occupied(other)
        await self._relay.publish(position, event)
        return plan

    def _carry_out(self, command: Command, symbols: tuple[PlannedRow, ...]) -> None:
        response: asyncio.Future[CommandResponse] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._carried_out(command, symbols, response))
        self._carried[command.id] = _Carried(task, response)
        task.add_done_callback(partial(self._over, command.id))

    def _over(self, command_id: str, task: "asyncio.Task[None]") -> None:
        carried = self._carried.pop(command_id)
        carried.response.cancel()  # whoever still waits is told that it is pending
        if not task.cancelled() and (error := task.exception()):
            log.error("terms_apply_failed", command_id=command_id, exc_info=error)

    async def _carried_out(
        self, command: Command, symbols: tuple[PlannedRow, ...], response: "asyncio.Future[CommandResponse]"
    ) -> None:
        """Carry a plan out, and tell how it ended. One that is left to somebody else is left as it is recorded."""
        names = {"command_id": command.id, "account": command.account.id, "venue": command.account.venue}
        structlog.contextvars.bind_contextvars(operation=APPLY, **names)
        run = self._run_of(command, symbols)
        try:
            await run.carry_out()
            ending = whole(command, run.endings, cancelled=run.cancelled)
            told = await self._recorder.finish_parent(command, ending, ended(command.id))
        except (ShuttingDown, TakenOver, RequestRejected) as left:
            log.info("terms_left", done=len(run.endings), reason=str(left) or type(left).__name__)
            return
        await self._ledger.flushed()
        response.set_result(told)
        await self._relay.publish(told.outbox_id, told.event)

    def _run_of(self, command: Command, symbols: tuple[PlannedRow, ...]) -> ApplyRun:
        room_in = partial(self._room_in, command.account)
        return ApplyRun(
            command, symbols, self._ledger, self._executor, self._timeout_ms, self._clock, self._tell, room_in
        )

    def _room_in(self, account: Account, step: TermsStep) -> Milliseconds:
        """How long it takes until the venue's limits have room for a change; where that is not known, none."""
        if (change := METERED.get(step.operation)) is None:
            return 0
        try:
            adapter = self._adapter_of(account)
            return adapter.cost_of(change, adapter.market(step.about, step.request.market_type)).room_in
        except VenueError:
            return 0  # the command itself will tell

    async def _go_on(self, apply: TermsApply) -> None:
        """Go on with a command out of the ledger."""
        record = await self._ledger.commands.find(apply.command)
        if record is None or record.finished is not None:
            await self._ledger.applies.drop(apply.command)
            return
        try:
            command, rows = self._command_of(record), ROWS.validate_json(apply.plan)
        except (LookupError, ValidationError) as error:
            if apply.command not in self._missed:
                self._missed.add(apply.command)
                log.warning("terms_not_gone_on", command_id=apply.command, reason=str(error))
            return
        log.info("terms_gone_on", command_id=apply.command, account=apply.account)
        self._carry_out(command, rows)

    def _command_of(self, record: Record) -> Command:
        """A command as it was taken on. Raises LookupError without its account, and ValidationError."""
        entry = record.entry
        account = self._accounts.get(entry.account)
        if account is None or account.exchange != entry.exchange:
            raise LookupError("its account is not registered")
        operation = OPERATIONS[entry.operation]
        request = operation.request.model_validate_json(entry.request)
        assert isinstance(request, ApplyTerms)  # noqa: S101 - of this operation
        return Command(
            id=entry.id,
            operation=operation,
            request=request,
            account=account,
            actor=entry.actor,
            received=entry.received,
            deadline=entry.deadline,
            guardrails=guardrails_in(entry.guardrails),
        )

    async def _tell(self, progress: TermsProgress) -> None:
        """Tell everybody how far a command has come."""
        event = self._event(progress)
        position = await self._ledger.patience.retry_while_unavailable(
            lambda: self._ledger.applies.tell(progress.command_id, _json(progress), event, progress.at)
        )
        await self._relay.publish(position, event)

    def _event(self, progress: TermsProgress) -> Outgoing:
        epoch = self._ledger.epoch.number
        return outgoing(
            TermsEvent(
                id=event_id("terms", epoch, progress.command_id, progress.stage, progress.done),
                subject=progress.exchange_account_id,
                time=utc_text(progress.at),
                epoch=epoch,
                data=progress,
            )
        )

    async def _answer_in_time(self, command: Command, answer: Answer) -> None:
        """Answer when it is over, or shortly before its deadline that it is pending."""
        carried = self._carried.get(command.id)
        left_s = max(0, command.deadline - EARLY_MS - self._clock()) / 1000
        if carried is not None:
            await asyncio.wait({carried.response}, timeout=left_s)
            if carried.response.done() and not carried.response.cancelled():
                await answer(carried.response.result().reply)
                return
        await answer(pending(command))


def _json(told: Any) -> str:
    return encode(told).decode()


def _not_read(error: Exception) -> None:
    log.warning("terms_not_read", error=str(error))
