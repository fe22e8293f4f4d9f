"""Being forbidden to change anything."""

from schemas.base import utc_text
from schemas.events import FreezeChange, FreezeEvent, event_id
from worker.ledger.freezes import Freeze
from worker.runtime.errors import ExecutionError


class Frozen(ExecutionError):
    """An admin has frozen the account, its venue or everything; nothing was sent."""

    def __init__(self, freeze: Freeze) -> None:
        super().__init__(f"{freeze.scope} is frozen: {freeze.reason}; nothing was sent")
        self.freeze = freeze

    @property
    def details(self) -> dict[str, object]:
        """What a caller may use."""
        return {"scope": self.freeze.scope, "reason": self.freeze.reason, "since": self.freeze.since}


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
