"""Telling how near accounts are to liquidation: what was read is compared with what was told last.

newest of the ledger ─▶ levels, crossings ─▶ news? ─▶ count it, with the crossings, in one transaction ─▶ publish
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import structlog

from schemas.base import Milliseconds, utc_text
from schemas.events import MarginEvent, MarginReading, ThresholdCrossed, ThresholdEvent, Trigger, event_id
from schemas.margin import MarginLevel
from worker.accounts.account import Account
from worker.handlers.margin_health import health_of
from worker.ledger.ledger import Ledger
from worker.ledger.observed.newest import Kept
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing, outgoing
from worker.snapshots.margin_levels import PoolCrossing, crossings, levels_of, worst
from worker.venues.port.adapter import MarginRead

log = structlog.get_logger(__name__)

STEP = Decimal("0.02")
"""A ratio that has moved by so much is news."""

Told = Mapping[str, Any]
"""The data of a margin event, as JSON."""

Recorded = list[tuple[int | None, Outgoing]]


class MarginWatch:
    """Tells of margin. Every call raises LedgerUnavailable. A sign of life is told every `heartbeat`; 0: none."""

    def __init__(self, ledger: Ledger, heartbeat: Milliseconds) -> None:
        self._ledger = ledger
        self._heartbeat = heartbeat

    async def record(self, account: Account, asked: Milliseconds, found: MarginRead, trigger: Trigger) -> Recorded:
        """Record what was read, and what was crossed, if it is news. What another worker told meanwhile is not."""
        kept = await self._ledger.margin.newest(account.id)
        if kept is not None and kept.as_of > asked:
            return []  # another worker has read it since
        before, epoch = told_of(kept) if kept else None, self._ledger.epoch.number
        known = {pool: MarginLevel(level) for pool, level in before["levels"].items()} if before else {}
        unread = frozenset(part.name for part in found.parts if part.unread)
        levels = levels_of(found.pools, unread, known, account.margin_thresholds)
        reading = MarginReading(
            **health_of(account.exchange, account.id, asked, found),
            seq=kept.seq + 1 if kept else 1,
            trigger=trigger,
            level=worst(levels),
            levels=levels,
        )
        crossed = list(crossings(found.pools, known, levels))
        is_of_epoch = before is not None and before["epoch"] == epoch
        if is_of_epoch and not crossed and not self._is_news(before, reading):
            return []
        return await self._keep(account, reading, crossed, epoch)

    async def is_silent(self, account: Account, since: Milliseconds) -> bool:
        """Whether nothing was told of an account's margin since then, or nothing in this epoch."""
        kept = await self._ledger.margin.newest(account.id)
        return kept is None or kept.as_of < since or told_of(kept)["epoch"] != self._ledger.epoch.number

    def _is_news(self, before: Told | None, reading: MarginReading) -> bool:
        if before is None or self._is_silent(before["as_of"], reading.as_of):
            return True
        shown = {pool.pool: (pool.status, pool.is_liquidatable, pool.margin_ratio) for pool in reading.pools}
        told = {row["pool"]: (row["status"], row["is_liquidatable"], row["margin_ratio"]) for row in before["pools"]}
        parts = [row["part"] for row in before["unread"]], [row.part for row in reading.unread]
        return shown.keys() != told.keys() or parts[0] != parts[1] or any(map(_moved, told.values(), _in(told, shown)))

    def _is_silent(self, told: Milliseconds, now: Milliseconds) -> bool:
        return self._heartbeat > 0 and now - told >= self._heartbeat

    async def _keep(
        self, account: Account, reading: MarginReading, crossed: list[PoolCrossing], epoch: int
    ) -> Recorded:
        told = [
            outgoing(_event(reading, epoch)),
            *(outgoing(_crossing(account, reading, one, epoch)) for one in crossed),
        ]
        try:
            positions = await self._ledger.margin.keep(
                Kept(account.id, reading.seq, reading.as_of, told[0].body), told, epoch
            )
        except StaleWrite:
            return []  # another worker has told it
        for one in crossed:
            names = {"account": account.id, "pool": one.pool, "level": one.after, "level_before": one.before}
            log.warning("margin_threshold_crossed", direction=one.direction, **names)
        return list(zip(positions, told, strict=True))


def told_of(kept: Kept) -> Told:
    """What was told last, with the epoch that it was counted in."""
    event = json.loads(kept.event, parse_float=Decimal)
    return {**event["data"], "epoch": event["epoch"]}


def _in(told: Mapping[str, Any], shown: Mapping[str, Any]) -> list[Any]:
    return [shown[name] for name in told]


def _moved(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    (*was, ratio_before), (*now, ratio) = before, after
    if was != now or (ratio_before is None) is not (ratio is None):
        return True
    return ratio is not None and abs(ratio - Decimal(ratio_before)) >= STEP


def _event(reading: MarginReading, epoch: int) -> MarginEvent:
    account = reading.exchange_account_id
    return MarginEvent(
        id=event_id("margin", epoch, account, reading.seq),
        subject=account,
        time=utc_text(reading.as_of),
        epoch=epoch,
        data=reading,
    )


def _crossing(account: Account, reading: MarginReading, crossed: PoolCrossing, epoch: int) -> ThresholdEvent:
    shown = crossed.shown
    return ThresholdEvent(
        id=event_id("threshold", epoch, account.id, reading.seq, crossed.pool),
        subject=account.id,
        time=utc_text(reading.as_of),
        epoch=epoch,
        data=ThresholdCrossed(
            exchange=account.exchange,
            exchange_account_id=account.id,
            pool=crossed.pool,
            direction=crossed.direction,
            level=crossed.after,
            level_before=crossed.before,
            margin_ratio=shown and shown.margin_ratio,
            is_liquidatable=shown and shown.is_liquidatable,
            threshold=crossed.threshold(account.margin_thresholds),
            seq=reading.seq,
            as_of=reading.as_of,
        ),
    )
