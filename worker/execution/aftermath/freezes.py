"""Telling everybody what is frozen, and what no longer is."""

from schemas.base import utc_text
from schemas.events import FreezeChange, FreezeEvent, event_id
from worker.ledger.freezes import Freeze


def freeze_event(freeze: Freeze, epoch: int, *, frozen: bool) -> FreezeEvent:
    """A freeze, or its end, for everybody. One that is told again in another epoch is another event."""
    change = FreezeChange(
        scope=freeze.scope, reason=freeze.reason, actor=freeze.actor, since=freeze.since, frozen=frozen
    )
    return FreezeEvent(
        id=event_id("freeze", epoch, freeze.scope, freeze.since, int(frozen)),
        subject=freeze.scope,
        time=utc_text(freeze.since),
        epoch=epoch,
        data=change,
    )
