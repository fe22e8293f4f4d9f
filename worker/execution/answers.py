"""Answering in time: at the deadline, whatever keeps the ledger from knowing how a command ended."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from schemas import ErrorCode, failure
from schemas.base import Milliseconds
from worker.execution.requests import Command
from worker.ledger.patience import Waits, waits_counted
from worker.messages.wire import EXCHANGE_HEADER, Reply, reply_of
from worker.runtime.clock import Clock

LATE_MS: Milliseconds = 300
"""How long behind the deadline a command has for telling how it ended, if it is the ledger that it waits for.

Whoever asks through the bus waits some 500 ms beyond its deadline."""

AGAIN_MS: Milliseconds = 200

Answer = Callable[[Reply], Awaitable[None]]


class InTime:
    """The one answer to a command."""

    def __init__(self, command: Command, answer: Answer, clock: Clock, waits: Waits) -> None:
        self._command = command
        self._answer = answer
        self._waits = waits
        self._early: asyncio.Task[None] | None = None
        self._look_in((command.deadline - clock() + LATE_MS) / 1000)

    async def answer(self, reply: Reply) -> None:
        """Answer, unless that was done in time."""
        await (self._answer(reply) if self._early is None else self._early)

    def over(self) -> None:
        """There is nothing more to wait for."""
        self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(0, seconds), self._look)

    def _look(self) -> None:
        if self._waits.are_long:
            self._early = asyncio.create_task(self._tell())
        else:
            self._look_in(AGAIN_MS / 1000)

    async def _tell(self) -> None:
        await self._answer(_no_answer_yet(self._command))


@contextmanager
def answered_in_time(command: Command, answer: Answer, clock: Clock) -> Iterator[InTime]:
    """While the context lasts, and the ledger holds a command up behind its deadline, the sender is told just that."""
    in_time = InTime(command, answer, clock, waits_counted())
    try:
        yield in_time
    finally:
        in_time.over()


def _no_answer_yet(command: Command) -> Reply:
    """Nothing that only a record could tell: no outcome, for none is recorded."""
    message = (
        "the ledger can't be used, so that it is not known yet how the command ended; nothing more of it is sent, "
        "its result event will tell"
    )
    headers = {"Command-Id": command.id, EXCHANGE_HEADER: command.account.exchange}
    return reply_of(failure(ErrorCode.TIMEOUT, message, details={"command_id": command.id}), headers)
