"""Position snapshots: reading an account, comparing it with the snapshot before, counting, telling.

    newest of the ledger ─▶ ask the venue ─▶ news? ─▶ number it, with the drift it shows, in one transaction ─▶ publish
                                        └▶ not readable: the last known positions, marked stale

An account is asked after its newest snapshot was looked up, and the next number is taken only while that is still the
newest, in the ledger's epoch that we know of. So a higher `seq` of an epoch is never an older state, whoever took it,
and no number is given twice or left out.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from schemas import PositionsEvent, PositionSnapshot
from schemas.base import Milliseconds, utc_text
from schemas.events import Drift, DriftedTerms, DriftEvent, Trigger, UnreadPart, event_id
from worker.accounts.account import Account
from worker.execution.calls import VenueCalls
from worker.execution.errors import Expired
from worker.execution.lanes import Lanes
from worker.execution.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.ledger.snapshots import Kept
from worker.messages.wire import Outgoing, outgoing
from worker.runtime.clock import Clock
from worker.snapshots.drift import changed_terms, from_outside
from worker.snapshots.explained_changes import asked_by
from worker.snapshots.latest import Newest, Recent
from worker.snapshots.news import is_news
from worker.venues.limits.request_context import Urgency
from worker.venues.port.adapter import Adapter, OpenPositions
from worker.venues.port.errors import LimitReached, VenueError

log = structlog.get_logger(__name__)

SETTLE_MS: Milliseconds = 5_000
"""How long a venue may go on showing the terms from before a change that it has confirmed."""

URGENCIES = {Trigger.COMMAND: Urgency.AFTER_COMMAND, Trigger.SCHEDULE: Urgency.SCHEDULED}
"""How urgent it is to read an account, by why it is read."""

Recorded = list[tuple[int | None, Outgoing]]
"""Events in the outbox, by their positions there, and still to be published."""


class Snapshots:
    """Takes snapshots. Every call raises LedgerUnavailable."""

    def __init__(
        self,
        adapter_of: Callable[[Account], Adapter],
        ledger: Ledger,
        relay: OutboxRelay,
        timeout_ms: Milliseconds,
        clock: Clock,
    ) -> None:
        self._adapter_of = adapter_of
        self._ledger = ledger
        self._relay = relay
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._lanes = Lanes()
        self._recent = Recent()

    def alone(self, account: Account) -> AbstractAsyncContextManager[None]:
        """One snapshot of an account at a time in this worker, so that they are published in their order."""
        return self._lanes.lane(account.id)

    async def newest(self, account: Account) -> Newest | None:
        """The newest snapshot of an account."""
        kept = await self._ledger.snapshots.newest(account.id)
        return self._recent.of(account, kept) if kept else None

    async def take(
        self,
        account: Account,
        before: Newest | None,
        trigger: Trigger,
        command_ids: tuple[str, ...] = (),
        *,
        only_news: bool = False,
    ) -> Recorded:
        """Read an account and record the snapshot that follows the one before, or nothing if it is no news.

        Raises NothingMatched when another worker has taken one since `before` was looked up, and LimitReached when our
        own limits have no room for it now: that says nothing of the venue.
        """
        asked = self._clock()
        found = await self._read(account, before, URGENCIES[trigger])
        snapshot = PositionSnapshot(
            exchange=account.exchange,
            exchange_account_id=account.id,
            seq=before.kept.seq + 1 if before else 1,
            trigger=trigger,
            command_ids=command_ids,
            **_content(found, before, asked),
        )
        if before and only_news and not is_news(before.snapshot, snapshot):
            await self._ledger.snapshots.unchanged(before.kept, asked, stale=snapshot.stale)
            return []
        return await self._record(before, snapshot, asked)

    async def publish(self, recorded: Recorded) -> None:
        """Publish what was recorded; returns when the broker has it."""
        for position, event in recorded:
            await self._relay.publish(position, event)

    async def _record(self, before: Newest | None, snapshot: PositionSnapshot, asked: Milliseconds) -> Recorded:
        account, epoch = snapshot.exchange_account_id, self._ledger.epoch.number
        told = [outgoing(_event(snapshot, epoch, asked))]
        if drifted := await self._drifted(before, snapshot):
            log.warning("drift_detected", account=account, seq=snapshot.seq, count=len(drifted))
            told.append(outgoing(_drift_event(snapshot, epoch, drifted)))
        kept = Kept(account, snapshot.seq, asked, told[0].body)
        positions = await self._ledger.snapshots.keep(
            kept, told, epoch=epoch, stale=snapshot.stale, commands=snapshot.command_ids
        )
        self._recent.remember(Newest(kept, snapshot, max(asked, snapshot.as_of), epoch))
        return list(zip(positions, told, strict=True))

    async def _read(self, account: Account, before: Newest | None, urgency: Urgency) -> OpenPositions | None:
        calls = VenueCalls(self._clock() + self._timeout_ms, self._clock, urgency=urgency)
        try:
            adapter = self._adapter_of(account)
            return await calls.query(adapter.positions)
        except LimitReached:
            raise
        except (VenueError, Expired) as error:
            if before is None or not before.snapshot.stale:
                log.warning("positions_not_read", account=account.id, error=str(error))
            return None

    async def _drifted(self, before: Newest | None, after: PositionSnapshot) -> tuple[DriftedTerms, ...]:
        """What changed from outside between two readings of the venue. A stale snapshot is none, and passes them on."""
        if before is None or after.stale or not (changed := changed_terms(before.snapshot, after)):
            return ()
        commands = await self._ledger.commands.since(after.exchange_account_id, before.seen - SETTLE_MS)
        return from_outside(changed, asked_by(commands))


def _content(found: OpenPositions | None, before: Newest | None, asked: Milliseconds) -> dict[str, object]:
    """Positions as they are, or as they were last seen."""
    if found is not None:
        unread = tuple(UnreadPart(part=part.name, reason=part.unread) for part in found.parts if part.unread)
        return {
            "as_of": asked,
            "stale": False,
            "coverage": found.coverage,
            "unread": unread,
            "positions": found.positions,
        }
    if before is None:
        return {"as_of": asked, "stale": True, "coverage": (), "positions": ()}
    known = before.snapshot
    return {
        "as_of": before.seen,
        "stale": True,
        "coverage": known.coverage,
        "unread": known.unread,
        "positions": known.positions,
    }


def _event(snapshot: PositionSnapshot, epoch: int, told: Milliseconds) -> PositionsEvent:
    return PositionsEvent(
        id=event_id("positions", epoch, snapshot.exchange_account_id, snapshot.seq),
        subject=snapshot.exchange_account_id,
        time=utc_text(told),
        epoch=epoch,
        data=snapshot,
    )


def _drift_event(snapshot: PositionSnapshot, epoch: int, drifted: tuple[DriftedTerms, ...]) -> DriftEvent:
    account = snapshot.exchange_account_id
    return DriftEvent(
        id=event_id("drift", epoch, account, snapshot.seq),
        subject=account,
        time=utc_text(snapshot.as_of),
        epoch=epoch,
        data=Drift(
            exchange=snapshot.exchange,
            exchange_account_id=account,
            seq=snapshot.seq,
            as_of=snapshot.as_of,
            positions=drifted,
        ),
    )
