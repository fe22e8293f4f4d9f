"""Sweeps by schedule: one `pm_auto_collect` for each slot of an account, whatever the number of workers and restarts.

    a slot has come ─▶ ours among all workers, and not over yet
                         ├ within its grace   ─▶ the command is published, under the slot's id ─▶ the slot is over
                         └ later, or unknown  ─▶ told as missed: event, audit, log             ─▶ the slot is over

The id of the command is made of account and slot, so that one which is published twice is carried out once: a worker
may die at any moment between. Of several slots that have passed, the newest may still be done, the others are missed.
A slot from before the ledger's epoch is missed as well: that ledger may have lost that it was done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from schemas.base import Milliseconds, utc_text
from schemas.events import MissedSweeps, SweepsMissedEvent, event_id
from schemas.operations import OPERATIONS, Operation
from worker.accounts.account import Account, Accounts
from worker.accounts.slots import Slots
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.audit import Audited
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.messages.wire import NotPublished, Outgoing, encode, outgoing
from worker.runtime.clock import Clock
from worker.runtime.periodic import periodically
from worker.telemetry.metrics import SCHEDULED_SWEEPS

ACTOR = "schedule"

LOOK_S = 0.5
"""How often it is looked whether a slot has come. The clock is read each time: it may be set."""

DEADLINE_MS: Milliseconds = 900_000
"""What a sweep may take. A sweep weighs so much that a venue has room for a few a minute, and slots come for many."""

OPERATION = OPERATIONS["pm_auto_collect"]

log = structlog.get_logger(__name__)


class CommandBus(Protocol):
    """Publishes commands, as anybody does."""

    async def command(
        self, operation: Operation, body: bytes, *, command_id: str, deadline: Milliseconds, actor: str
    ) -> None:
        """Publish a command; returns when the broker has it. Raises NotPublished."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A slot of an account that has come, and how many before it nobody has dealt with."""

    account: Account
    slots: Slots
    slot: Milliseconds
    passed: int


def command_id_of(account: str, slot: Milliseconds) -> str:
    """The id of the command of a slot."""
    return event_id("auto_collect", account, slot)


class ScheduledSweeps:
    """Publishes the sweeps that are due."""

    def __init__(self, ledger: Ledger, relay: OutboxRelay, accounts: Accounts, bus: CommandBus, clock: Clock) -> None:
        self._ledger = ledger
        self._relay = relay
        self._accounts = accounts
        self._bus = bus
        self._clock = clock
        self._over: dict[tuple[str, str], Milliseconds] = {}
        self._ceased = False

    def cease(self) -> None:
        """Publish nothing more."""
        self._ceased = True

    async def run(self) -> None:
        """Look for slots that have come, until cancelled."""
        await periodically(self.look, LOOK_S, tolerated=(LedgerUnavailable,), told=_not_looked)

    async def look(self) -> None:
        """Deal with all slots that have come; what could not be done is tried again. Raises LedgerUnavailable."""
        scheduled = {
            (account.id, str(account.auto_collect)): account
            for account in self._accounts.values()
            if account.auto_collect is not None
        }
        await self._learn(scheduled)
        for key, account in scheduled.items():
            slots = account.auto_collect
            if slots is not None and not self._ceased and slots.latest(self._clock()) > self._over[key]:
                try:
                    await self._in_turn(account, slots)
                except NotPublished as error:
                    log.warning("sweep_not_published", account=account.id, error=str(error))

    async def _learn(self, scheduled: Mapping[tuple[str, str], Account]) -> None:
        """Begin with schedules that are new, and forget those that are gone while we ran."""
        for key in self._over.keys() - scheduled.keys():
            await self._ledger.sweep_slots.forget(*key)
            del self._over[key]
        for key in scheduled.keys() - self._over.keys():
            slots = scheduled[key].auto_collect
            if slots is not None:
                self._over[key] = await self._ledger.sweep_slots.begin(*key, slots.latest(self._clock()))
                for result in ("published", "missed"):  # from nothing on: an increase is seen between two scrapes
                    SCHEDULED_SWEEPS.labels(scheduled[key].venue, result)

    async def _in_turn(self, account: Account, slots: Slots) -> None:
        key = (account.id, str(slots))
        async with self._ledger.turn(f"auto_collect:{account.id}") as ours:
            if not ours:
                return
            self._over[key] = over = await self._ledger.sweep_slots.begin(*key, self._over[key])
            slot = slots.latest(now := self._clock())
            if slot > over:
                due = _Due(account, slots, slot, slots.count(over, slot) - 1)
                if reason := await self._too_late(due, now):
                    await self._miss(due, now, reason, due.passed + 1)
                else:
                    await self._sweep(due, now)
                self._over[key] = slot

    async def _too_late(self, due: _Due, now: Milliseconds) -> str | None:
        """Why a slot is not dealt with any more."""
        if now - due.slot > due.slots.grace:
            return f"it is {(now - due.slot) // 60_000} minutes ago, and the grace is {due.slots.grace // 60_000}"
        if due.slot < await self._ledger.epoch.look() * 1_000:
            return "the ledger began anew after it, and may have lost that it was done"
        return None

    async def _sweep(self, due: _Due, now: Milliseconds) -> None:
        account, command = due.account, command_id_of(due.account.id, due.slot)
        body = encode({"exchange_account_id": account.id})
        await self._bus.command(OPERATION, body, command_id=command, deadline=now + DEADLINE_MS, actor=ACTOR)
        details = {"slot": utc_text(due.slot), "schedule": str(due.slots), "command_id": command}
        if due.passed:
            await self._miss(due, now, "nobody was there to do it, and only the newest is done", due.passed, details)
        else:
            await self._write_over(due, Audited(now, ACTOR, "sweep", f"account:{account.id}", details))
        SCHEDULED_SWEEPS.labels(account.venue, "published").inc()
        log.info("sweep_published", account=account.id, slot=due.slot, command_id=command)

    async def _miss(
        self, due: _Due, now: Milliseconds, reason: str, count: int, swept: Mapping[str, str] | None = None
    ) -> None:
        """Tell that slots were missed; with `swept`, the newest of all was not."""
        last = due.slot if swept is None else due.slot - due.slots.period
        missed = MissedSweeps(
            exchange=due.account.exchange,
            exchange_account_id=due.account.id,
            schedule=str(due.slots),
            first=last - (count - 1) * due.slots.period,
            last=last,
            count=count,
            reason=reason,
        )
        event = outgoing(_event(missed, now, await self._ledger.epoch.look()))
        details = {**missed.model_dump(include={"schedule", "first", "last", "count", "reason"}), **(swept or {})}
        action = "sweep_missed" if swept is None else "sweep"
        audited = Audited(now, ACTOR, action, f"account:{due.account.id}", details)
        if (position := await self._write_over(due, audited, event)) is not None:
            await self._relay.publish(position, event)
            SCHEDULED_SWEEPS.labels(due.account.venue, "missed").inc(count)
            log.warning("sweep_missed", account=due.account.id, count=count, last=last, reason=reason)

    async def _write_over(self, due: _Due, audited: Audited, event: Outgoing | None = None) -> int | None:
        """The slot is over; the position of the event, None where another worker was quicker."""
        try:
            return await self._ledger.sweep_slots.over(due.account.id, str(due.slots), due.slot, audited, event)
        except StaleWrite:
            return None


def _event(missed: MissedSweeps, at: Milliseconds, epoch: int) -> SweepsMissedEvent:
    return SweepsMissedEvent(
        id=event_id("sweeps_missed", missed.exchange_account_id, missed.schedule, missed.last),
        subject=missed.exchange_account_id,
        time=utc_text(at),
        epoch=epoch,
        data=missed,
    )


def _not_looked(error: Exception) -> None:
    log.warning("sweeps_not_looked_after", error=str(error))
