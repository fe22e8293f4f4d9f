"""Carrying out commands, each once, one way down:

execute ─▶ a copy of one that runs here?  waits for the first, and is told the same
        ─▶ registered in the ledger, in the lane of its account, the account ours among all workers
        ─▶ where it stands:  finished   what was told the first time is told again
                             abandoned  its worker is gone: read back, and finish
                             new        planned ─▶ let go ─▶ recorded ─▶ sent ─▶ confirmed
        ─▶ recorded, answered, published
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from worker.execution.answers import answered_in_time
from worker.execution.calls import Interrupted, VenueCalls
from worker.execution.dispatch import Dispatch
from worker.execution.errors import AccountLocked, Frozen, RecordGone, TakenOver
from worker.execution.failures import CommandFailure, conflict, forgotten, held_elsewhere, refusal
from worker.execution.lanes import Lanes
from worker.execution.outbox_relay import OutboxRelay
from worker.execution.recorder import Abandoned, CommandRecorder, Finished, New, entry_of, interrupted_in
from worker.execution.requests import Command, RequestRejected
from worker.execution.results import CommandResponse, told_before
from worker.handlers.plan import CommandHandler
from worker.ledger.commands import Entry, Registration
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LockLost
from worker.messages.wire import Reply, ShuttingDown
from worker.runtime.clock import Clock
from worker.telemetry import tracing
from worker.telemetry.metrics import COMMANDS_REPEATED, command_told
from worker.telemetry.stages import STAGES, Stage, spent
from worker.venues.limits.limiter import LEFT_FOR_AN_ANSWER

LOCK_MS = 250
"""What even a late command may wait for its account: whether it was sent is known to who holds the account."""

BEHIND_MS = 100
"""How long behind its deadline a command may still get its account: what was under way there until then is over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """A command that runs here, and what will be told of it."""

    fingerprint: str
    response: "asyncio.Future[CommandResponse]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


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
        self._recorder = CommandRecorder(ledger, clock)
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

    async def execute(
        self, command: Command, handler: CommandHandler, answer: Callable[[Reply], Awaitable[None]]
    ) -> None:
        """Carry a command out, or find out how it ended; answer its sender; publish the event.

        Returns when the broker has the event. Raises RequestRejected for a command id that belongs to another command,
        TakenOver, and ShuttingDown.
        """
        with answered_in_time(command, answer, self._clock) as in_time:
            response = await self._deduplicate(command, handler)
        # The answer need not wait for the event's confirm; the acknowledgement, which comes last, does.
        operation, venue = command.operation.name, command.account.site.venue
        with spent(Stage.PUBLISH):
            await in_time.answer(response.reply)
        if response.survives_crash:
            await self._flushed(gathered=True)
        with spent(Stage.PUBLISH):
            if response.outbox_id is None:
                COMMANDS_REPEATED.labels(operation, venue).inc()
                await self._relay.publish_again(response.event)
                return
            await self._relay.publish(response.outbox_id, response.event)
        command_told(operation, venue, STAGES.get())
        if response.owes_snapshot:
            self._owe_snapshot(command)

    async def _deduplicate(self, command: Command, handler: CommandHandler) -> CommandResponse:
        """What is told of the command. Copies wait for the first of them, and are told the same."""
        fingerprint = command.fingerprint
        if (first := self._running.get(command.id)) is not None:
            if first.fingerprint != fingerprint:
                raise RequestRejected(conflict(command.id))
            return replace(await asyncio.shield(first.response), outbox_id=None)
        running = self._running[command.id] = _Running(fingerprint)
        try:
            try:
                response = await self._in_lane(command, entry_of(command, fingerprint), handler)
            except RecordGone:
                response = await self._recorder.finish_anew(command, forgotten(), self._no_calls(command))
            if not response.survives_crash:
                await self._flushed()
            running.response.set_result(response)
            return response
        finally:
            del self._running[command.id]
            running.response.cancel()  # whoever waits for what will never be told gives the message back

    async def _in_lane(self, command: Command, entry: Entry, handler: CommandHandler) -> CommandResponse:
        """Register it at once, so that it can be asked for; go on with it when it is its turn on the account."""
        self._require_work()
        registering = asyncio.create_task(self._ledger.commands.register(entry))
        try:
            async with AsyncExitStack() as held:
                if handler.room is not None and (full := await self._await_room(command, handler, registering, held)):
                    return await self._recorder.finish(command, full, self._no_calls(command))
                with tracing.span("wait for the lane"), spent(Stage.LANE):
                    await held.enter_async_context(self._lanes.lane(command.account.id))
                return await self._with_account(command, entry, registering, handler)
        except AccountLocked:
            await registering
            return await self._give_up(command, entry)
        except TakenOver:
            await self._ledger.commands.over_elsewhere(entry.id)
            return await self._recorder.told_elsewhere(entry)
        except ShuttingDown:
            await registering  # the next worker then knows since when it waits
            raise

    async def _with_account(
        self,
        command: Command,
        entry: Entry,
        registering: "asyncio.Task[Registration]",
        handler: CommandHandler,
    ) -> CommandResponse:
        """Carry it out while the account is ours alone, or tell what a quicker worker has told of it.

        When the account proves to be lost, it begins again, and so it does where a quicker worker has left it. What
        comes behind it in its lane waits all the while: it would overtake it, be it carried out here or there.
        """
        while True:
            try:
                async with self._exclusive(command):
                    with spent(Stage.LEDGER):
                        registration = await registering
                    match await self._recorder.standing(entry, registration):
                        case Finished(response):
                            return response
                        case New(freeze):
                            return await self._run(command, entry, handler, freeze, None)
                        case Abandoned(begun, freeze, interrupted):
                            resumed = replace(command, received=begun.received, deadline=begun.deadline)
                            return await self._run(resumed, begun, handler, freeze, interrupted)
            except LockLost as error:
                log.warning("account_lost", error=str(error))
            except TakenOver:
                if not await self._ledger.commands.over_elsewhere(entry.id):
                    return await self._recorder.told_elsewhere(entry)
                log.warning("command_taken_back")
                registering = asyncio.create_task(self._ledger.commands.register(entry))

    async def _run(
        self,
        command: Command,
        entry: Entry,
        handler: CommandHandler,
        freeze: Freeze | None,
        interrupted: Interrupted | None,
    ) -> CommandResponse:
        """Change what is to be changed, and record how that ended."""

        async def intend(attempt: int) -> None:
            await self._recorder.record_intent(entry, attempt, durable=handler.moves_money)

        calls = VenueCalls(command.deadline, self._clock, intend, interrupted)
        if freeze is not None and interrupted is None:
            return await self._recorder.finish(command, refusal(Frozen(freeze)), calls)
        ending = await self._dispatch.change(command, handler, calls)
        return await self._recorder.finish(command, ending, calls, handler)

    async def _await_room(
        self,
        command: Command,
        handler: CommandHandler,
        registering: Awaitable[Registration],
        held: AsyncExitStack,
    ) -> CommandFailure | None:
        """Have the room at the venue that a command needs before its turn; None once it is there, or not needed.

        What is there at once is taken at once, before anything is awaited, so that the command keeps its place among
        those of its account. For what is not, only a command that is new and not frozen waits; others go before it.
        """
        at_once = VenueCalls(self._clock() + LEFT_FOR_AN_ANSWER, self._clock)  # the limiter then lets nobody wait
        if await held.enter_async_context(self._dispatch.room(command, handler, at_once)) is None:
            return None
        registration = await registering
        if not registration.is_new or registration.freeze is not None:
            return None
        return await held.enter_async_context(self._dispatch.room(command, handler, self._no_calls(command)))

    @asynccontextmanager
    async def _exclusive(self, command: Command) -> AsyncIterator[None]:
        """The account is ours among all workers. Raises AccountLocked at the deadline, and ShuttingDown."""
        self._require_work()
        async with AsyncExitStack() as held:
            with tracing.span("wait for the account"), spent(Stage.LANE):
                try:
                    async with asyncio.timeout(max(LOCK_MS, command.deadline - self._clock() + BEHIND_MS) / 1000):
                        await self._ledger.patience.retry_while_unavailable(
                            lambda: held.enter_async_context(self._ledger.account_lock(command.account.id))
                        )
                except TimeoutError:
                    raise AccountLocked from None
            self._require_work()
            yield

    async def _give_up(self, command: Command, entry: Entry) -> CommandResponse:
        """The account was another worker's until the deadline. Whatever that one does from now on, it is fenced off."""
        record = await self._recorder.known(entry)
        if record.finished is not None:
            return told_before(record)
        if record.owner != self._ledger.owner:
            await self._recorder.take_over(record)
        calls = VenueCalls(command.deadline, self._clock, interrupted=interrupted_in(record))
        return await self._recorder.finish(command, held_elsewhere(was_sent=record.intended is not None), calls)

    async def _flushed(self, *, gathered: bool = False) -> None:
        """Wait for the disk; not in the account's turn, for the next command need not."""
        with spent(Stage.LEDGER):
            await self._ledger.flushed(gathered=gathered)

    def _no_calls(self, command: Command) -> VenueCalls:
        """The calls of a command that has made none."""
        return VenueCalls(command.deadline, self._clock)

    def _require_work(self) -> None:
        if self._ceased:
            raise ShuttingDown
