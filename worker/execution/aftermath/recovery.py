"""Finishing what nobody would finish: commands whose message is gone, and records that are older than the retention.

A worker that dies leaves its commands to the broker, which delivers them again, and that finishes them. A message can
get lost all the same: its queue deleted, or purged by a person. Its command is then carried on from the ledger, as if
it had been delivered again: behind its deadline it is never sent, only read back and told.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from schemas.base import Milliseconds
from worker.ledger.command_list import FIRST
from worker.ledger.commands import Entry
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import DeadLetter, Delivery, ShuttingDown
from worker.runtime.clock import Clock
from worker.runtime.periodic import periodically
from worker.telemetry import tracing

LATE_MS: Milliseconds = 5_000
"""How long behind its deadline an unfinished command is left to the worker that may still have it."""

AGAIN_MS: Milliseconds = 60_000
"""When it is tried again to finish a command that could not be finished, such as one of an account that is gone."""

LOOK_S = 5.0
GO_ON_S = 0.5
"""When it is looked again, and where a look had to leave off."""

BATCH = 100
BATCHES = 10
"""How many commands one look goes through. Those that can't be finished stay, and others have their turn."""

DAY_MS: Milliseconds = 86_400_000
CLEAN_EVERY_S = 3_600.0
BETWEEN_BATCHES_S = 0.02

log = structlog.get_logger(__name__)

Handle = Callable[[Delivery], Awaitable[DeadLetter | None]]


class Recovery:
    """Looks for unfinished commands behind their deadlines."""

    def __init__(self, ledger: Ledger, handle: Handle, is_running: Callable[[str], bool], clock: Clock) -> None:
        self._ledger = ledger
        self._handle = handle
        self._is_running = is_running
        self._clock = clock
        self._hopeless: dict[str, Milliseconds] = {}
        self._seen = FIRST

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        await periodically(self._look, LOOK_S, tolerated=(LedgerUnavailable,), told=_overdue_not_read)

    async def _look(self) -> float:
        return LOOK_S if await self.look() else GO_ON_S

    async def look(self) -> bool:
        """Finish what is overdue now; whether that was all, or the next look goes on. Raises LedgerUnavailable."""
        self._forget_hopeless()
        for _ in range(BATCHES):
            batch = await self._ledger.command_list.overdue(self._clock() - LATE_MS, BATCH, self._seen)
            try:
                for record in batch:
                    await self._finish(record.entry)
            except ShuttingDown:
                return True
            if len(batch) < BATCH:
                self._seen = FIRST
                return True
            self._seen = (batch[-1].entry.deadline, batch[-1].entry.id)
        return False

    async def _finish(self, entry: Entry) -> None:
        if entry.id in self._hopeless or self._is_running(entry.id):
            return
        log.warning("command_overdue", command_id=entry.id, operation=entry.operation)
        if letter := await asyncio.create_task(self._handled(_as_delivered(entry))):
            self._hopeless[entry.id] = self._clock()
            log.error("overdue_command_not_finished", command_id=entry.id, reason=letter.reason)

    def _forget_hopeless(self) -> None:
        """What could not be finished is tried again later: its account may be registered again by then."""
        recent = self._clock() - AGAIN_MS
        self._hopeless = {command_id: tried for command_id, tried in self._hopeless.items() if tried > recent}

    async def _handled(self, delivery: Delivery) -> DeadLetter | None:
        """Handle it as if it had come from its queue, in a trace of its own: the one that it came in is not kept."""
        about = {"messaging.message.id": delivery.message_id or ""}
        with tracing.arriving(None, f"recover {delivery.operation}", tracing.Kind.INTERNAL, about):
            structlog.contextvars.bind_contextvars(trace_id=tracing.trace_id())
            return await self._handle(delivery)


def _overdue_not_read(error: Exception) -> None:
    log.warning("overdue_commands_not_read", error=str(error))


def _not_deleted(error: Exception) -> None:
    log.warning("old_records_not_deleted", error=str(error))


def _as_delivered(entry: Entry) -> Delivery:
    return Delivery(
        operation=entry.operation,
        body=entry.request.encode(),
        message_id=entry.id,
        deadline=entry.deadline,
        actor=entry.actor,
        guardrails=entry.guardrails,
    )


class Retention:
    """Deletes what is older than it must be kept."""

    def __init__(self, ledger: Ledger, commands_days: int, audit_days: int, clock: Clock) -> None:
        self._ledger = ledger
        self._commands_ms = commands_days * DAY_MS
        self._audit_ms = audit_days * DAY_MS
        self._clock = clock

    async def run(self) -> None:
        """Clean now and then, until cancelled."""
        await periodically(self._clean, CLEAN_EVERY_S, tolerated=(LedgerUnavailable,), told=_not_deleted)

    async def _clean(self) -> None:
        await self.clean()

    async def clean(self) -> int:
        """Delete what is too old now; how many commands. Raises LedgerUnavailable."""
        before = self._clock() - self._commands_ms
        deleted = await _in_batches(lambda: self._ledger.commands.forget(before, BATCH))
        await self._ledger.doubts.forget(before)
        await self._ledger.owed.forget(before)
        await self._ledger.kept.forget(before)
        await _in_batches(lambda: self._ledger.audit.forget(self._clock() - self._audit_ms, BATCH, self._clock()))
        return deleted


async def _in_batches(delete: Callable[[], Awaitable[int]]) -> int:
    """Delete until a batch is not full, and let others have the loop and the ledger after each; how many."""
    deleted = 0
    while (batch := await delete()) == BATCH:
        deleted += batch
        await asyncio.sleep(BETWEEN_BATCHES_S)
    return deleted + batch
