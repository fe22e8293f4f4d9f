"""Carrying out a plan: symbol by symbol, each change an ordinary command through the door that all commands go through.

One command of the plan at a time waits for its account: whatever else is asked of the account has its turn behind at
most one of them, and what is written and published of a command goes on while the next one is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import structlog

from schemas import ErrorCode, Outcome
from schemas.base import Milliseconds
from schemas.terms import ApplyStage, ApplyTerms, PlannedRow, TermsProgress, counted
from worker.execution.executor import CommandExecutor
from worker.execution.requests import Command
from worker.handlers import COMMAND_HANDLERS
from worker.ledger.ledger import Ledger
from worker.messages.wire import Reply
from worker.runtime.clock import Clock, steady
from worker.telemetry import stages
from worker.terms.outcomes import (
    StepEnding,
    SymbolEnding,
    ending_in,
    ending_of,
    row_ending,
    symbol_ending,
    without_steps,
)
from worker.terms.steps import TermsStep, steps_of

log = structlog.get_logger(__name__)

MOST_TAILS = 32
"""Commands whose setting is in force, and whose events the broker has not confirmed yet."""

MOST_TRIES = 30
"""How often a command is tried that our own limits, or the venue's, did not let go."""

LONGEST_PAUSE_S = 60.0

UNREACHABLE = 3
"""After so many symbols in a row that nothing could be sent for, the rest is not begun."""

BETWEEN_NEWS_MS: Milliseconds = 1_000

LONGEST_WAIT_MS: Milliseconds = 1_000
"""How long room is waited for before it is looked whether it was cancelled meanwhile."""

BATCH = 500

RoomIn = Callable[[TermsStep], Milliseconds]
"""How long it takes until the venue's limits have room for a change, and beside it for what others ask."""

Tell = Callable[[TermsProgress], Awaitable[None]]


@dataclass(slots=True)
class ApplyRun:
    """One plan on its way. `symbols` is what it says; what of it was done before is looked up in the ledger."""

    command: Command
    symbols: Sequence[PlannedRow]
    ledger: Ledger
    executor: CommandExecutor
    timeout_ms: Milliseconds
    clock: Clock
    tell: Tell
    room_in: RoomIn
    endings: list[SymbolEnding] = field(default_factory=list)
    cancelled: bool = False
    _known: dict[str, StepEnding] = field(default_factory=dict)
    _tails: "set[asyncio.Task[None]]" = field(default_factory=set)
    _told_at: Milliseconds = 0
    _stopped: "_Stopped | None" = None
    _unsent: int = 0

    async def carry_out(self) -> None:
        """Go through the symbols until the outcome of each is known.

        Raises ShuttingDown where this worker stops, and what else keeps a command from being ended here: it is then
        gone on with later, or elsewhere.
        """
        try:
            await self._look_up_done()
            for row in self.symbols:
                ending = without_steps(row) or await self._symbol(row)
                self.endings.append(ending)
                await self._news(row.name)
        finally:
            await self._tails_done()

    def steps(self, row: PlannedRow) -> list[TermsStep]:
        """The commands of a symbol."""
        request = self.command.request
        assert isinstance(request, ApplyTerms)  # noqa: S101 - of this operation
        return list(steps_of(row, self.command.account.id, request.market_type))

    async def _look_up_done(self) -> None:
        """What an earlier worker has done of it, so that it need not even be asked for."""
        ids = [step.command_id(self.command.id, 1) for row in self.symbols for step in self.steps(row)]
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            found = await self.ledger.patience.retry_while_unavailable(lambda: self.ledger.command_list.of_ids(batch))  # noqa: B023
            endings = {name: ending for name, record in found.items() if (ending := ending_in(record))}
            self._known |= endings

    async def _symbol(self, row: PlannedRow) -> SymbolEnding:
        steps = self.steps(row)
        done = all(step.command_id(self.command.id, 1) in self._known for step in steps)
        if not done and (stopped := await self._stopped_or_room(steps[0])) is not None:
            return row_ending(row, stopped.outcome, stopped.message, stopped.code)
        ending = symbol_ending(row, [await self._step(step) for step in steps])
        self._learn(ending)
        return ending

    async def _stopped_or_room(self, step: TermsStep) -> "_Stopped | None":
        """Why nothing more is begun; None once there is room for it.

        That is waited for here, and not in the account's turn: other commands, of this account and of others, go first.
        """
        while (stopped := await self._why_stopped()) is None and (wait := self.room_in(step)):  # noqa: ASYNC110 - it is the venue's
            await asyncio.sleep(min(wait, LONGEST_WAIT_MS) / 1000)
        return stopped

    async def _why_stopped(self) -> "_Stopped | None":
        """Why nothing more is begun: it was cancelled, frozen, or the venue can't be reached."""
        if self._stopped is None:
            apply = await self.ledger.patience.retry_while_unavailable(
                lambda: self.ledger.applies.find(self.command.id)
            )
            if apply is not None and apply.cancelled is not None:
                self.cancelled = True
                by = apply.cancelled_by or "somebody"
                self._stopped = _Stopped(Outcome.REJECTED, f"cancelled by {by} before it was begun", None)
        return self._stopped

    def _learn(self, ending: SymbolEnding) -> None:
        if ending.code is ErrorCode.FROZEN:
            self._stopped = _Stopped(ending.outcome, ending.message, ending.code)
        self._unsent = self._unsent + 1 if ending.outcome is Outcome.EXPIRED else 0
        if self._unsent >= UNREACHABLE:
            message = f"not begun, for nothing could be sent for the {UNREACHABLE} symbols before: {ending.message}"
            self._stopped = _Stopped(ending.outcome, message, ending.code)

    async def _step(self, step: TermsStep) -> StepEnding:
        """How a change ended. One of which nothing was sent is tried again, under another id."""
        for attempt in count(1):
            command = step.command(self.command, attempt, self.clock(), self.timeout_ms)
            ending = self._known.get(command.id) or await self._executed(command)
            if not ending.was_never_sent or attempt >= self._tries(ending):
                return ending
            log.info("step_tried_again", symbol=step.about, attempt=attempt, reason=ending.message)
            await asyncio.sleep(min(LONGEST_PAUSE_S, ending.retry_after_s or 0))
        raise AssertionError

    @staticmethod
    def _tries(ending: StepEnding) -> int:
        """A limit has room again, sooner or later; a venue that can't be reached may stay away."""
        return MOST_TRIES if ending.code is ErrorCode.THROTTLED else 2

    async def _executed(self, command: Command) -> StepEnding:
        """Carry a command out; returns when it is known how it ended, while its event is still on its way."""
        while len(self._tails) >= MOST_TAILS:
            await asyncio.wait(self._tails, return_when=asyncio.FIRST_COMPLETED)
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        async def answer(reply: Reply) -> None:
            answered.set_result(reply)

        tail = asyncio.create_task(self._execute(command, answer))
        self._tails.add(tail)
        tail.add_done_callback(self._tails.discard)
        waiting: set[asyncio.Future[Any]] = {tail, answered}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if answered.done() and (ending := ending_of(command.id, answered.result())):
            return ending
        await tail  # raises what kept it from being ended, or returns when the ledger could be used again
        record = await self.ledger.commands.found(command.id)
        ending = None if record is None else ending_in(record)
        if ending is None:
            message = "its record is gone"
            return StepEnding(command.id, Outcome.UNKNOWN, ErrorCode.UNKNOWN, message)
        return ending

    async def _execute(self, command: Command, answer: Callable[[Reply], Awaitable[None]]) -> None:
        stages.begin(None, command.received)
        structlog.contextvars.bind_contextvars(operation=command.operation.name, command_id=command.id)
        await self.executor.execute(command, COMMAND_HANDLERS[command.operation.name], answer)

    async def _tails_done(self) -> None:
        """Wait until all that was begun is told."""
        for ended in await asyncio.gather(*self._tails, return_exceptions=True):
            if isinstance(ended, BaseException):
                log.info("step_not_ended", reason=str(ended) or type(ended).__name__)

    async def _news(self, symbol: str) -> None:
        """Tell how far it has come, now and then."""
        if steady() - self._told_at < BETWEEN_NEWS_MS:
            return
        self._told_at = steady()
        await self.tell(self.progress(ApplyStage.PROGRESS, symbol))

    def progress(self, stage: ApplyStage, symbol: str | None = None) -> TermsProgress:
        """How far it has come."""
        return TermsProgress(
            command_id=self.command.id,
            exchange=self.command.account.exchange,
            exchange_account_id=self.command.account.id,
            actor=self.command.actor,
            stage=stage,
            total=len(self.symbols),
            done=len(self.endings),
            counts=counted(ending.outcome for ending in self.endings),
            symbol=symbol,
            at=self.clock(),
        )


@dataclass(frozen=True, slots=True)
class _Stopped:
    """Why the rest is not begun, and how it ends."""

    outcome: Outcome
    message: str
    code: ErrorCode | None
