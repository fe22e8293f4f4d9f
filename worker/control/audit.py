"""The audit: reading it, and writing down what shims have denied, and what this worker has."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from schemas import ERRORS, ErrorCode
from schemas.audit.chain import ChainRecord
from schemas.audit.records import Audit, AuditEntry, Denial, DenialsReported, GetAudit, ReportDenials
from schemas.base import utc_text
from schemas.events import DenialEvent, event_id
from worker.execution.service import ControlHandler
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.handlers.plan import QueryResult
from worker.ledger.audit import Audited
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.messages.wire import outgoing
from worker.runtime.clock import Clock
from worker.runtime.periodic import periodically
from worker.telemetry.denials import PAUSE_S, SETTLE_S, DenialCounts, DenialKind

LAST_S = 1.0

log = structlog.get_logger(__name__)

IN_DETAILS = {"status", "reason", "address", "account", "count"}
"""Fields of a denial that no column of the audit has."""


@dataclass(frozen=True, slots=True)
class AuditOffice:
    """What the controls of the audit need."""

    ledger: Ledger
    relay: OutboxRelay

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {"get_audit": self.get_audit, "report_denials": self.report_denials}

    async def get_audit(self, request: GetAudit, actor: str | None) -> QueryResult:
        """The newest entries, or those that follow a position in the chain."""
        trail, after = self.ledger.audit, request.after
        head = await trail.head()  # first, for what is appended meanwhile lies behind it
        rows = await (trail.newest(request.limit) if after is None else trail.after(after, request.limit))
        entries = tuple(_entry(row, to_the_letter=after is not None) for row in rows)
        return QueryResult(Audit(entries=entries, count=len(entries), head=head))

    async def report_denials(self, request: ReportDenials, actor: str | None) -> QueryResult:
        """Write each denial down and tell everybody; one that was reported before stays as it is."""
        recorded = [await self.record("shim", request.shim, denial) for denial in request.denials]
        return QueryResult(DenialsReported(recorded=recorded.count(True)))

    async def record(self, kind: str, name: str, denial: Denial) -> bool:
        """Write a denial down and tell everybody; whether it was new. The name is that of the shim or worker."""
        details = {kind: name, **denial.model_dump(include=IN_DETAILS)}
        event = outgoing(_event(name, denial, self.ledger.epoch.number))
        try:
            row = Audited(denial.at, denial.actor, "denial", denial.operation, details)
            position = await self.ledger.audit.note(row, event)
        except StaleWrite:
            return False
        await self.relay.publish(position, event)
        return True


class OwnDenials:
    """What this worker denies: a command under the id of another one. Counted, and written down after a moment."""

    def __init__(self, office: AuditOffice, clock: Clock) -> None:
        self._office = office
        self._clock = clock
        self._counts = DenialCounts()
        self._taken: list[Denial] = []
        self._something = asyncio.Event()

    def note_conflict(self, operation: str, actor: str | None, account: str | None) -> None:
        """Count a command that came under the id of another one. `account` is the one that it names itself."""
        status = ERRORS[ErrorCode.CONFLICT].status
        self._counts.add(DenialKind(status, "command_id", operation, actor), self._clock(), account)
        self._something.set()

    async def run(self) -> None:
        """Write down what is counted, until cancelled."""
        await periodically(self._tell_settled, PAUSE_S)

    async def _tell_settled(self) -> None:
        await self._something.wait()
        await asyncio.sleep(SETTLE_S)
        await self.tell()

    async def close(self) -> None:
        """Write down what is left, if that can be done soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                await self.tell()

    async def tell(self) -> None:
        """Write down what was counted until now; what the ledger does not take is kept for the next time."""
        if not self._taken:
            self._taken = list(self._counts.take())
        try:
            while self._taken:
                await self._office.record("worker", self._office.ledger.owner, self._taken[0])
                del self._taken[0]
        except LedgerUnavailable as error:
            log.warning("denials_not_recorded", error=str(error))
            return
        if not self._counts:
            self._something.clear()


def _entry(row: ChainRecord, *, to_the_letter: bool) -> AuditEntry:
    told = row.model_dump(exclude={"stored"})
    stored = row.stored if to_the_letter else None
    return AuditEntry.model_construct(**told, details=_details(row.stored), stored=stored)


def _details(stored: str) -> dict[str, Any]:
    """What was tampered with is shown as far as it can be; `stored` has it to the letter."""
    try:
        read = json.loads(stored)
    except ValueError:
        return {"unreadable": stored}
    return read if isinstance(read, dict) else {"unreadable": stored}


def _event(name: str, denial: Denial, epoch: int) -> DenialEvent:
    what = (denial.reason, denial.operation, denial.actor or "", denial.address or "", denial.count)
    return DenialEvent(
        id=event_id("denial", name, denial.at, *what),
        subject=denial.actor or denial.address or "unknown",
        time=utc_text(denial.at),
        epoch=epoch,
        data=denial,
    )
