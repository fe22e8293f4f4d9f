"""Position snapshots: reading an account, comparing it with the snapshot before, counting, telling.

    newest of the ledger ─▶ ask the venue ─▶ news? ─▶ number it, with the drift it shows, in one transaction ─▶ publish
                                        └▶ not readable: the last known positions, marked stale

An account is asked after its newest snapshot was looked up, and the next number is taken only while that is still the
newest, in the ledger's epoch that we know of. So a higher `seq` of an epoch is never an older state, whoever took it,
and no number is given twice or left out.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from functools import partial

import structlog

from schemas import PositionsEvent, PositionSnapshot
from schemas.base import Milliseconds, utc_text
from schemas.events import Drift, DriftedTerms, DriftEvent, SnapshotStream, Trigger, UnreadPart, event_id
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.execution.calls import VenueCalls
from worker.execution.errors import Expired
from worker.execution.lanes import Lanes
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.ledger.observed.newest import Kept
from worker.ledger.observed.pushed_drifts import PushedDrift
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import Outgoing, outgoing
from worker.runtime.clock import Clock
from worker.snapshots.drift import changed_terms, from_outside
from worker.snapshots.explained_changes import asked_by
from worker.snapshots.latest import Newest, Recent
from worker.snapshots.margin import MarginWatch
from worker.snapshots.news import is_news
from worker.venues.limits.request_context import Urgency
from worker.venues.port.adapter import Adapter, MarginRead, OpenPositions
from worker.venues.port.capabilities import capabilities_of
from worker.venues.port.errors import LimitReached, VenueError

log = structlog.get_logger(__name__)

SETTLE_MS: Milliseconds = 5_000
"""How long a venue may go on showing the terms from before a change that it has confirmed."""

URGENCIES = {
    Trigger.COMMAND: Urgency.AFTER_COMMAND,
    Trigger.SCHEDULE: Urgency.SCHEDULED,
    Trigger.STREAM: Urgency.PUSHED,
}
"""How urgent it is to read an account, by why it is read."""

ANY_SIDE = "flat"
"""The side of a change that was told while no position of its market was known."""

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
        *,
        stream_of: Callable[[Account], SnapshotStream | None] = lambda _: None,
        margin: MarginWatch | None = None,
    ) -> None:
        self._margin = margin
        self._adapter_of = adapter_of
        self._stream_of = stream_of
        self._ledger = ledger
        self._relay = relay
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._lanes = Lanes()
        self._telling = Lanes()
        self._recent = Recent()

    def alone(self, account: Account) -> AbstractAsyncContextManager[None]:
        """One snapshot of an account at a time in this worker, so that they are published in their order."""
        return self._lanes.lane(account.id)

    def telling(self, account: Account) -> AbstractAsyncContextManager[None]:
        """Drift of an account is told by one at a time in this worker, so that none is told twice."""
        return self._telling.lane(account.id)

    async def newest(self, account: Account) -> Newest | None:
        """The newest snapshot of an account."""
        kept = await self._ledger.snapshots.newest(account.id)
        return self._recent.of(account, kept) if kept else None

    async def owes_margin(self, account: Account, within: Milliseconds) -> bool:
        """Whether the margin of an account was not told in this epoch, or not so lately: its positions may have been
        read for another reason, as when its stream began, and margin is not read with those.
        """
        if self._margin is None or Capability.MARGIN_HEALTH not in capabilities_of(account):
            return False
        return await self._margin.is_silent(account, self._clock() - within)

    async def take(
        self,
        account: Account,
        before: Newest | None,
        trigger: Trigger,
        command_ids: tuple[str, ...] = (),
        *,
        only_news: bool = False,
        urgency: Urgency | None = None,
    ) -> Recorded:
        """Read an account and record the snapshot that follows the one before, or nothing if it is no news.

        Raises NothingMatched when another worker has taken one since `before` was looked up, and LimitReached when our
        own limits have no room for it now: that says nothing of the venue.
        """
        asked, urgency = self._clock(), URGENCIES[trigger] if urgency is None else urgency
        read = await self._read(account, before, urgency, with_margin=_is_for_margin(trigger, urgency))
        found = read.found if isinstance(read, MarginRead) else read
        snapshot = PositionSnapshot(
            exchange=account.exchange,
            exchange_account_id=account.id,
            seq=before.kept.seq + 1 if before else 1,
            trigger=trigger,
            command_ids=command_ids,
            stream=self._stream_of(account),
            **_content(found, before, asked),
        )
        if before and only_news and not is_news(before.snapshot, snapshot):
            await self._ledger.snapshots.unchanged(before.kept, asked, stale=snapshot.stale)
            recorded: Recorded = []
        else:
            recorded = await self._record(before, snapshot, asked)
        return recorded + await self._margin_recorded(account, asked, read, trigger)

    async def _margin_recorded(
        self, account: Account, asked: Milliseconds, read: OpenPositions | MarginRead | None, trigger: Trigger
    ) -> Recorded:
        """What there is to tell of the margin. The snapshot is recorded by now, and is told whatever becomes of it."""
        if self._margin is None or not isinstance(read, MarginRead):
            return []
        try:
            return await self._margin.record(account, asked, read, trigger)
        except LedgerUnavailable as error:
            log.warning("margin_not_recorded", account=account.id, error=str(error))
            return []

    async def repeat(self, before: Newest) -> Recorded:
        """Tell the newest snapshot once more, without asking the venue: for an account whose changes are pushed.

        Raises StaleWrite when another worker has taken one meanwhile.
        """
        known = before.snapshot
        seen = known.as_of if known.stale else before.seen
        following = {"seq": known.seq + 1, "as_of": seen, "trigger": Trigger.SCHEDULE, "command_ids": ()}
        return await self._record(before, known.model_copy(update=following), before.asked, self._clock())

    async def publish(self, recorded: Recorded) -> None:
        """Publish what was recorded; returns when the broker has it."""
        for position, event in recorded:
            await self._relay.publish(position, event)

    async def _record(
        self, before: Newest | None, snapshot: PositionSnapshot, asked: Milliseconds, at: Milliseconds | None = None
    ) -> Recorded:
        """Record a snapshot that is told `at` a time: when the venue was asked, unless it is another one."""
        async with self._telling.lane(snapshot.exchange_account_id):
            return await self._record_alone(before, snapshot, asked, asked if at is None else at)

    async def _record_alone(
        self, before: Newest | None, snapshot: PositionSnapshot, asked: Milliseconds, at: Milliseconds
    ) -> Recorded:
        account, epoch = snapshot.exchange_account_id, self._ledger.epoch.number
        told = [outgoing(_event(snapshot, epoch, at))]
        drifted, shown = await self._drifted(before, snapshot)
        if drifted:
            log.warning("drift_detected", account=account, seq=snapshot.seq, count=len(drifted))
            told.append(outgoing(_drift_event(snapshot, epoch, drifted)))
        kept = Kept(account, snapshot.seq, asked, told[0].body)
        positions = await self._ledger.snapshots.keep(
            kept, told, epoch=epoch, stale=snapshot.stale, commands=snapshot.command_ids, shown=shown
        )
        self._recent.remember(Newest(kept, snapshot, max(at, snapshot.as_of), epoch))
        return list(zip(positions, told, strict=True))

    async def _read(
        self, account: Account, before: Newest | None, urgency: Urgency, *, with_margin: bool
    ) -> OpenPositions | MarginRead | None:
        """The positions of an account, with the margin that they stand on where it is asked for and can be read."""
        calls = VenueCalls(self._clock() + self._timeout_ms, self._clock, urgency=urgency)
        try:
            adapter = self._adapter_of(account)
            if with_margin and self._margin is not None and Capability.MARGIN_HEALTH in adapter.capabilities:
                return await calls.query(partial(adapter.margin_health, held_only=True))
            return await calls.query(adapter.positions)
        except LimitReached:
            raise
        except (VenueError, Expired) as error:
            if before is None or not before.snapshot.stale:
                log.warning("positions_not_read", account=account.id, error=str(error))
            return None

    async def _drifted(
        self, before: Newest | None, after: PositionSnapshot
    ) -> tuple[tuple[DriftedTerms, ...], list[PushedDrift]]:
        """What changed from outside between two readings of the venue, but for what it has pushed and we have told.

        A stale snapshot is no reading, and passes it on. What was told and is shown now is the second part.
        """
        if before is None or after.stale or not (changed := changed_terms(before.snapshot, after)):
            return (), []
        account = after.exchange_account_id
        sent = await self._ledger.sent_changes.since(account, before.seen - SETTLE_MS)
        drifted = from_outside(changed, asked_by(sent))
        if not drifted:
            return (), []
        told = await self._ledger.pushed_drifts.waiting(account, self._clock())
        shown = [row for row in told if any(_shows(terms, row) for terms in changed)]
        return tuple(terms for terms in drifted if not any(_shows(terms, row) for row in shown)), shown


def _is_for_margin(trigger: Trigger, urgency: Urgency) -> bool:
    """Whether a reading is one that margin is told of: on schedule, or when a venue warned of the account."""
    return trigger is Trigger.SCHEDULE or urgency is Urgency.RISK


def _shows(terms: DriftedTerms, told: PushedDrift) -> bool:
    """Whether a change that was read is the one that was told, with all that has changed."""
    if terms.symbol != told.symbol or told.side not in (terms.side, ANY_SIDE):
        return False
    read = None if told.leverage is None else Decimal(told.leverage)
    leverage = terms.leverage in (terms.leverage_before, read)
    return leverage and (terms.margin_mode in (terms.margin_mode_before, told.margin_mode))


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
