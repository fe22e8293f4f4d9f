"""The newest snapshot of an account, as the ledger has it."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import ValidationError

from schemas import PositionsEvent, PositionSnapshot
from schemas.base import Milliseconds
from schemas.events import Trigger
from worker.accounts import Account
from worker.execution.ledger.snapshots import Kept
from worker.snapshots.asked import EXACT

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest snapshot, when it was published (`told`), and when the venue was last asked for anything newer.

    In vain, if the snapshot is stale; otherwise it gave the same once more. `epoch` is the ledger's at that
    time.
    """

    kept: Kept
    snapshot: PositionSnapshot
    told: Milliseconds
    epoch: int

    @property
    def asked(self) -> Milliseconds:
        """When the venue was last asked."""
        return self.kept.as_of

    @property
    def seen(self) -> Milliseconds:
        """When the venue last showed these positions."""
        return self.snapshot.as_of if self.snapshot.stale else self.asked


def newest_of(account: Account, kept: Kept) -> Newest:
    """What the ledger has of an account, its numbers exactly as they were written.

    An event of another version of this program, which this one can't read, leaves nothing known but the count.
    """
    try:
        event = PositionsEvent.model_validate(EXACT.decode(kept.event))
    except (ValueError, ValidationError):
        log.warning("the newest snapshot can't be read, it is of another version", account=account.id, seq=kept.seq)
        return Newest(kept, _nothing_known(account, kept), kept.as_of, 0)
    # The event's time is in whole seconds; only for a stale snapshot, whose positions are older, nothing tells better.
    told = int(datetime.fromisoformat(event.time).timestamp() * 1000)
    return Newest(kept, event.data, max(told, event.data.as_of), event.epoch or 0)


def _nothing_known(account: Account, kept: Kept) -> PositionSnapshot:
    return PositionSnapshot(
        exchange=account.exchange,
        exchange_account_id=account.id,
        seq=kept.seq,
        as_of=kept.as_of,
        trigger=Trigger.SCHEDULE,
        command_ids=(),
        coverage=(),
        stale=True,
        positions=(),
    )
