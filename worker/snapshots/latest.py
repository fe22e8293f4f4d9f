"""The newest snapshot of an account, as the ledger has it."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from pydantic import ValidationError

from schemas import PositionsEvent, PositionSnapshot
from schemas.base import Milliseconds
from schemas.events import Trigger
from worker.accounts.account import Account
from worker.ledger.observed.newest import Kept
from worker.snapshots.explained_changes import EXACT

log = structlog.get_logger(__name__)


MOST_POSITIONS = 5_000
"""In all snapshots that are remembered, each of which counts as one more: at most some 13 MB."""


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


class Recent:
    """The newest snapshots that were read or recorded here lately: what the ledger still has is not parsed anew."""

    def __init__(self, most_positions: int = MOST_POSITIONS) -> None:
        self._most = most_positions
        self._kept: OrderedDict[str, Newest] = OrderedDict()
        self._positions = 0

    def of(self, account: Account, kept: Kept) -> Newest:
        """What the ledger has of an account."""
        known = self._kept.get(account.id)
        if known is None or (known.kept.seq, known.kept.event) != (kept.seq, kept.event):
            known = newest_of(account, kept)
        elif known.kept.as_of != kept.as_of:
            known = replace(known, kept=kept)
        self.remember(known)
        return known

    def remember(self, newest: Newest) -> None:
        """It has been recorded."""
        self._forget(newest.kept.account)
        self._kept[newest.kept.account] = newest
        self._positions += _size(newest)
        while self._positions > self._most:
            self._forget(next(iter(self._kept)))

    def _forget(self, account: str) -> None:
        if (gone := self._kept.pop(account, None)) is not None:
            self._positions -= _size(gone)


def _size(newest: Newest) -> int:
    return 1 + len(newest.snapshot.positions)


def newest_of(account: Account, kept: Kept) -> Newest:
    """What the ledger has of an account, its numbers exactly as they were written.

    An event of another version of this program, which this one can't read, leaves nothing known but the count.
    """
    try:
        event = PositionsEvent.model_validate(EXACT.decode(kept.event))
    except (ValueError, ValidationError):
        log.warning("snapshot_unreadable", account=account.id, seq=kept.seq)
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
