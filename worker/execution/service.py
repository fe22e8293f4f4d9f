"""What happens to a delivery: received, carried out in its account's lane, told to everybody, answered."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Protocol

import structlog

from schemas import ErrorCode, failure
from worker.execution.calls import VenueCalls
from worker.execution.dispatch import Dispatch
from worker.execution.errors import TakenOver
from worker.execution.executor import Answer, CommandExecutor
from worker.execution.failures import refusal
from worker.execution.requests import Command, Control, RequestParser, RequestRejected, legible
from worker.execution.telling.results import reply_to
from worker.handlers.plan import CommandHandler, QueryHandler, QueryResult
from worker.ledger.sql.errors import CommitInDoubt, LedgerUnavailable
from worker.messages.wire import LARGEST_BODY, LONGEST_ACTOR, DeadLetter, Delivery, Reply, named_account
from worker.runtime.clock import Clock
from worker.telemetry import stages, tracing
from worker.telemetry.metrics import NOT_ACCEPTED, query_answered
from worker.telemetry.stages import STAGES, Stage

log = structlog.get_logger(__name__)


class Replies(Protocol):
    """Answers to who asked."""

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        """Answer the sender, if it asked for an answer."""

    async def refuse(self, delivery: Delivery, reply: Reply) -> bool:
        """Answer the sender of what is not carried out; tells whether there is anybody who may have got it."""


ControlHandler = Callable[[Any, str | None], Awaitable[QueryResult]]
"""The function behind a control: given the request and the actor, it says what it found or did.

Raises RequestRejected.
"""


LongCommand = Callable[[Command, Answer], Awaitable[None]]
"""Takes a command on that may last for long; returns when it is over, or recorded so that it is gone on with.

Raises RequestRejected, TakenOver, and ShuttingDown.
"""


@dataclass(frozen=True, slots=True)
class Handlers:
    """The functions behind the operations, by name."""

    commands: Mapping[str, CommandHandler]
    queries: Mapping[str, QueryHandler]
    controls: Mapping[str, ControlHandler]
    long_commands: Mapping[str, LongCommand] = field(default_factory=dict)


class Service:
    """Carries out deliveries. Bootstrap gives it all its parts."""

    def __init__(
        self,
        *,
        parser: RequestParser,
        handlers: Handlers,
        dispatch: Dispatch,
        executor: CommandExecutor,
        replies: Replies,
        note_conflict: Callable[[str, str | None, str | None], None],
        answered: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._parser = parser
        self._handlers = handlers
        self._dispatch = dispatch
        self._executor = executor
        self._replies = replies
        self._note_conflict = note_conflict
        self._answered = answered
        self._clock = clock

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        """Carry out a delivery to its end. Returns a dead letter when nobody could be told.

        Raises what publishing raises, and NotBegun: then nothing may be acknowledged. To be run in a task of the
        delivery's own: what it is about is bound to all that the task logs from then on.
        """
        now = self._clock()
        stages.begin(delivery.published, now)
        try:
            request = self._parser.parse(delivery, now)
            if isinstance(request, Control):
                return await self._control(delivery, request)
            account = request.account
            names = {"command_id": request.id, "account": account.id, "venue": account.venue}
            structlog.contextvars.bind_contextvars(operation=request.operation.name, **names)
            if tracing.recorded:
                tracing.tell(**names)
            if (take_on := self._handlers.long_commands.get(request.operation.name)) is not None:
                await take_on(request, partial(self._replies.reply, delivery))
                return None
            if (handler := self._handlers.commands.get(request.operation.name)) is None:
                return await self._answer(delivery, request)
            await self._executor.execute(request, handler, partial(self._replies.reply, delivery))
        except RequestRejected as error:
            return await self._turn_away(delivery, error)
        except TakenOver:
            log.warning("command_taken_over_elsewhere")
        return None

    async def _turn_away(self, delivery: Delivery, error: RequestRejected) -> DeadLetter | None:
        if len(delivery.body) <= LARGEST_BODY and (account := named_account(delivery.body)):
            structlog.contextvars.bind_contextvars(account=account)
        log.info("request_rejected", operation=delivery.operation, command_id=delivery.message_id, reason=str(error))
        NOT_ACCEPTED.labels(error.envelope.error.code).inc()
        if error.envelope.error.code is ErrorCode.CONFLICT:
            actor = legible(delivery.actor, LONGEST_ACTOR)
            self._note_conflict(delivery.operation, actor, named_account(delivery.body))
        if await self._replies.refuse(delivery, reply_to(delivery.message_id, refusal(error))):
            return None
        return DeadLetter(str(error))

    async def _answer(self, delivery: Delivery, command: Command) -> DeadLetter | None:
        if delivery.reply_to is None:
            return _nobody_to_tell(delivery)
        handler = self._handlers.queries[command.operation.name]
        calls = VenueCalls(command.deadline, self._clock, urgency=handler.urgency)
        ending = await self._dispatch.query(command, handler, calls)
        account = command.account
        reply = reply_to(command.id, ending, account.exchange)
        began, times = perf_counter(), STAGES.get()
        await self._replies.reply(delivery, reply)
        times.intervals.append((Stage.PUBLISH, began, perf_counter()))
        if isinstance(ending, QueryResult):
            self._answered(account.id)
        query_answered(command.operation.name, account.venue, reply.status, times)
        tracing.waited(times)
        return None

    async def _control(self, delivery: Delivery, control: Control) -> DeadLetter | None:
        if delivery.reply_to is None:
            return _nobody_to_tell(delivery)
        try:
            found = await self._handlers.controls[control.operation.name](control.request, control.actor)
        except CommitInDoubt as error:
            message = f"{error}: something may have been changed; look before you try again"
            raise RequestRejected(failure(ErrorCode.LEDGER_UNAVAILABLE, message)) from error
        except LedgerUnavailable as error:
            raise RequestRejected(failure(ErrorCode.LEDGER_UNAVAILABLE, f"{error}; nothing was changed")) from error
        await self._replies.reply(delivery, reply_to(delivery.message_id, found))
        return None


def _nobody_to_tell(delivery: Delivery) -> DeadLetter:
    return DeadLetter(f"{delivery.operation} asks for an answer, and its sender named no reply_to to answer to")
