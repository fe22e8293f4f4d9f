"""Carrying out commands, each once, one way down:

execute ─▶ a copy of one that runs here?  waits for the first, and is told the same
        ─▶ registered in the ledger, in the lane of its account, the account ours among all workers
        ─▶ where it stands:  finished   what was told the first time is told again
                             abandoned  its worker is gone: read back, and finish
                             new        planned ─▶ let go ─▶ recorded ─▶ sent ─▶ confirmed
        ─▶ recorded, answered, published
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic, perf_counter

import structlog

from schemas.base import Milliseconds
from worker.execution.calls import VenueCalls
from worker.execution.dispatch import Dispatch
from worker.execution.errors import RecordGone, TakenOver
from worker.execution.failures import CommandFailure, conflict, forgotten, held_elsewhere
from worker.execution.lanes import Lanes
from worker.execution.recorder import Abandoned, CommandRecorder, Finished, interrupted_in
from worker.execution.requests import Command, RequestRejected, continued, entry_of
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.execution.telling.results import CommandResponse, no_answer_yet, told_before
from worker.handlers.plan import CommandHandler
from worker.ledger.commands import Entry, Registration
from worker.ledger.ledger import Ledger
from worker.ledger.patience import WAITS, Waits
from worker.ledger.sql.errors import LockLost, NotInTime
from worker.messages.wire import Reply, ShuttingDown
from worker.runtime.clock import Clock
from worker.telemetry import tracing
from worker.telemetry.metrics import COMMANDS_REPEATED, command_told
from worker.telemetry.stages import STAGES, Stage
from worker.venues.limits.limiter import LEFT_FOR_AN_ANSWER

LOCK_S = 0.25
"""What even a late command may wait for its account: whether it was sent is known to who holds the account."""

BEHIND_S = 0.1
"""How long behind its deadline a command may still get its account: what was under way there until then is over."""

LATE_MS: Milliseconds = 300
"""How long behind the deadline a command has for telling how it ended, if it is the ledger that it waits for.

Whoever asks through the bus waits some 500 ms beyond its deadline."""

AGAIN_MS: Milliseconds = 200

Answer = Callable[[Reply], Awaitable[None]]

log = structlog.get_logger(__name__)


class InTime:
    """Tells the sender of a command, where the ledger holds it up behind its deadline, just that: its one answer."""

    def __init__(self, command: Command, answer: Answer) -> None:
        self._command = command
        self._answer = answer
        self._waits = Waits()
        WAITS.set(self._waits)  # what the task, and those it makes, wait for from now on
        self.told: asyncio.Task[None] | None = None
        """Being told that; None while it is not late."""
        left_s = (command.deadline - command.received + LATE_MS) / 1000
        self.timer = asyncio.get_running_loop().call_later(max(0, left_s), self._look)
        """To be cancelled when there is nothing more to wait for."""

    def _look(self) -> None:
        if self._waits.are_long:
            self.told = asyncio.create_task(self._tell())
        else:
            self.timer = asyncio.get_running_loop().call_later(AGAIN_MS / 1000, self._look)

    async def _tell(self) -> None:
        await self._answer(no_answer_yet(self._command))


@dataclass(frozen=True, slots=True)
class _Running:
    """A command that runs here, and what will be told of it."""

    fingerprint: str
    response: "asyncio.Future[CommandResponse]"


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

    @property
    def has_ceased(self) -> bool:
        """Whether nothing more is begun here."""
        return self._ceased

    def is_running(self, command_id: str) -> bool:
        """Whether the command runs in this process."""
        return command_id in self._running

    async def execute(self, command: Command, handler: CommandHandler, answer: Answer) -> None:
        """Carry a command out, or find out how it ended; answer its sender, in time; publish the event.

        Returns when the broker has the event. Raises RequestRejected for a command id that belongs to another command,
        TakenOver, and ShuttingDown.
        """
        times, in_time = STAGES.get(), InTime(command, answer)
        try:
            response = await self._deduplicate(command, handler)
        finally:
            in_time.timer.cancel()
        # The answer need not wait for the event's confirm; the acknowledgement, which comes last, does.
        began = perf_counter()
        await (in_time.told or answer(response.reply))
        times.intervals.append((Stage.PUBLISH, began, perf_counter()))
        if response.survives_crash:
            await self._ledger.flushed(gathered=True)
        began = perf_counter()
        await self._relay.publish(response.outbox_id, response.event)
        times.intervals.append((Stage.PUBLISH, began, perf_counter()))
        operation, venue = command.operation.name, command.account.venue
        if response.outbox_id is None:
            COMMANDS_REPEATED.labels(operation, venue).inc()
            return
        command_told(operation, venue, times)
        tracing.waited(times)
        if response.owes_snapshot:
            self._owe_snapshot(command)

    async def _deduplicate(self, command: Command, handler: CommandHandler) -> CommandResponse:
        """What is told of the command. Copies wait for the first of them, and are told the same."""
        entry = entry_of(command)
        if (first := self._running.get(command.id)) is not None:
            if first.fingerprint != entry.fingerprint:
                raise RequestRejected(conflict(command.id))
            return replace(await asyncio.shield(first.response), outbox_id=None)
        running = self._running[command.id] = _Running(entry.fingerprint, asyncio.get_running_loop().create_future())
        try:
            try:
                response = await self._in_lane(command, entry, handler)
            except RecordGone:
                response = await self._recorder.finish_anew(command, forgotten(), self._no_calls(command))
            if not response.survives_crash:
                await self._ledger.flushed()  # not in the account's turn, for the next command need not wait for it
            running.response.set_result(response)
            return response
        finally:
            del self._running[command.id]
            running.response.cancel()  # whoever waits for what will never be told gives the message back

    async def _in_lane(self, command: Command, entry: Entry, handler: CommandHandler) -> CommandResponse:
        """Register it at once, so that it can be asked for; go on with it when it is its turn on the account."""
        if self._ceased:
            raise ShuttingDown
        registering = asyncio.create_task(self._ledger.commands.register(entry))
        try:
            async with AsyncExitStack() as held:
                if handler.room is not None and (full := await self._await_room(command, handler, registering, held)):
                    return await self._recorder.finish(command, full, self._no_calls(command))
                began = perf_counter()
                await held.enter_async_context(self._lanes.lane(command.account.id))
                STAGES.get().intervals.append((Stage.LANE, began, perf_counter()))
                if self._ceased:
                    raise ShuttingDown
                return await self._with_account(command, entry, registering, handler)
        except NotInTime:
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
            intend = partial(self._recorder.record_intent, entry, durable=handler.moves_money)
            calls = VenueCalls(command.deadline, self._clock, intend)
            within_s = max(LOCK_S, calls.ends - monotonic() + BEHIND_S)
            try:
                async with self._ledger.commands.alone(command.account.id, within_s):
                    if self._ceased:
                        raise ShuttingDown
                    began = perf_counter()
                    registration = await registering
                    STAGES.get().intervals.append((Stage.LEDGER, began, perf_counter()))
                    match None if registration.is_new else await self._recorder.standing(entry):
                        case Finished(response):
                            return response
                        case Abandoned(begun, interrupted):
                            command = continued(command, begun)
                            intend = partial(self._recorder.record_intent, begun, durable=handler.moves_money)
                            calls = VenueCalls(command.deadline, self._clock, intend, interrupted)
                    ending = await self._dispatch.change(command, handler, calls, registration.freeze)
                    return await self._recorder.finish(command, ending, calls, handler)
            except LockLost as error:
                log.warning("account_lost", error=str(error))
            except TakenOver:
                if not await self._ledger.commands.over_elsewhere(entry.id):
                    return await self._recorder.told_elsewhere(entry)
                log.warning("command_taken_back")
                registering = asyncio.create_task(self._ledger.commands.register(entry))

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

    async def _give_up(self, command: Command, entry: Entry) -> CommandResponse:
        """The account was another worker's until the deadline. Whatever that one does from now on, it is fenced off."""
        record = await self._recorder.known(entry)
        if record.finished is not None:
            return told_before(record)
        if record.owner != self._ledger.owner:
            await self._recorder.take_over(record)
        calls = VenueCalls(command.deadline, self._clock, interrupted=interrupted_in(record))
        return await self._recorder.finish(command, held_elsewhere(was_sent=record.intended is not None), calls)

    def _no_calls(self, command: Command) -> VenueCalls:
        """The calls of a command that has made none."""
        return VenueCalls(command.deadline, self._clock)
