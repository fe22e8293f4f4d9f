"""The audit: reading it, and writing down what shims have denied."""

from dataclasses import dataclass

from schemas.audit import Audit, AuditEntry, Denial, DenialsReported, GetAudit, ReportDenials
from schemas.base import utc_text
from schemas.events import DenialEvent, event_id
from worker.execution.completion import Found
from worker.execution.ledger.audit import Audited
from worker.execution.ledger.errors import NothingMatched
from worker.execution.ledger.ledger import Ledger
from worker.execution.relay import Relay
from worker.execution.service import ControlHandler
from worker.wire import outgoing

IN_DETAILS = {"status", "reason", "address", "account", "count"}
"""Fields of a denial that no column of the audit has."""


@dataclass(frozen=True, slots=True)
class AuditOffice:
    """What the controls of the audit need."""

    ledger: Ledger
    relay: Relay

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {"get_audit": self.get_audit, "report_denials": self.report_denials}

    async def get_audit(self, request: GetAudit, actor: str | None) -> Found:
        """The newest entries."""
        entries = tuple(
            AuditEntry(at=row.at, actor=row.actor, action=row.action, subject=row.subject, details=row.details)
            for row in await self.ledger.audit.newest(request.limit)
        )
        return Found(Audit(entries=entries, count=len(entries)))

    async def report_denials(self, request: ReportDenials, actor: str | None) -> Found:
        """Write each denial down and tell everybody; one that was reported before stays as it is."""
        recorded = [await self._record(request.shim, denial) for denial in request.denials]
        return Found(DenialsReported(recorded=recorded.count(True)))

    async def _record(self, shim: str, denial: Denial) -> bool:
        details = {"shim": shim, **denial.model_dump(include=IN_DETAILS)}
        event = outgoing(_event(shim, denial, self.ledger.epoch.number))
        try:
            row = Audited(denial.at, denial.actor, "denial", denial.operation, details)
            position = await self.ledger.audit.note(row, event)
        except NothingMatched:
            return False
        await self.relay.publish(position, event)
        return True


def _event(shim: str, denial: Denial, epoch: int) -> DenialEvent:
    what = (denial.reason, denial.operation, denial.actor or "", denial.address or "", denial.count)
    return DenialEvent(
        id=event_id("denial", shim, denial.at, *what),
        subject=denial.actor or denial.address or "unknown",
        time=utc_text(denial.at),
        epoch=epoch,
        data=denial,
    )
