"""How a worker fares, collected when it is asked for, from where each thing lives."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client.core import Metric

from schemas.base import Milliseconds
from schemas.client.trouble import CONNECTION_TROUBLE
from schemas.control import StreamHealth, StreamStatus, VenueHealth, VenueStatus
from schemas.margin import MarginLevel
from worker.accounts.account import Account
from worker.accounts.networks import venue_label
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable
from worker.monitoring.rows import broker_connected, build_info, consumers, gauge, gauges
from worker.runtime.clock import Clock, now
from worker.snapshots.margin import told_of
from worker.snapshots.margin_levels import ORDER
from worker.telemetry.metrics import WORKER
from worker.venues.limits import Headroom

log = structlog.get_logger(__name__)

PATIENCE_S = 3.0
"""How long ledger and broker may take to answer; then what they know is left out this time."""

BY_HEALTH = (VenueHealth.UP, VenueHealth.FAILING, VenueHealth.DOWN)
"""The better one first."""

BY_STREAM = (StreamHealth.LIVE, StreamHealth.BLIND, StreamHealth.NONE)
"""The one that tells most first."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """How a worker hangs on the broker."""

    connected: Callable[[], bool]
    consuming: Callable[[], bool]
    running: Callable[[], int]
    consumers: Callable[[], Awaitable[Mapping[str, int]]]


@dataclass(slots=True)
class WorkerStates:
    """All that is asked. `attachment` is None before the worker consumes."""

    ledger: Ledger
    accounts: Mapping[str, Account]
    venues: Callable[[], tuple[VenueStatus, ...]]
    headroom: Callable[[], list[Headroom]]
    clock: Clock = now
    streams: Callable[[], tuple[StreamStatus, ...]] = tuple
    attachment: Attachment | None = None
    counted = WORKER

    async def states(self) -> Iterable[Metric]:
        """What is a state, collected now. What can't be told while ledger or broker is away is left out."""
        ledger, bus = await asyncio.gather(self._ledger(), self._bus())
        return (build_info(), *self._venues(), *self._streams(), *self._limits(), *bus, *ledger)

    async def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """Ready means: it consumes, its ledger was written to, and a venue's markets are loaded."""
        consumes = self.attachment is not None and self.attachment.consuming()
        problem, venues = await self._ledger_problem(), self.venues()
        listed = any(venue.markets_loaded for venue in venues)
        reason = (
            ("it does not consume: the broker is away, or it starts or stops" if not consumes else None)
            or (f"its ledger can't be written, so that commands wait; {problem}" if problem else None)
            or ("no venue's markets are loaded; see that it reaches its venues" if not listed else None)
        )
        states = [venue.model_dump(mode="json") for venue in venues]
        writes = problem is None
        facts = {"ready": reason is None, "reason": reason, "consuming": consumes, "ledger": writes, "venues": states}
        return reason is None, facts

    async def _ledger_problem(self) -> str | None:
        """Why the ledger can't be used, and what to do; None where it can."""
        try:
            await self.ledger.probe()
        except LedgerUnavailable as error:
            return str(error)
        return None

    def _venues(self) -> Iterable[Metric]:
        worst: dict[str, VenueHealth] = {}
        for state in self.venues():
            venue = venue_label(state.exchange, state.network)
            worst[venue] = max(worst.get(venue, VenueHealth.UP), state.health, key=BY_HEALTH.index)
        rows = (((venue, health), float(found is health)) for venue, found in worst.items() for health in BY_HEALTH)
        yield gauges(
            "perps_dma_venue_health",
            "1 at the state in which this worker finds a venue: up, failing, down",
            ("venue", "state"),
            rows,
        )

        intervals = {
            (venue_label(state.exchange, state.network),): state.snapshot_interval_ms / 1000 for state in self.venues()
        }
        yield gauges(
            "perps_dma_snapshot_interval_seconds",
            "How often each account of a venue is read on schedule, as far as its limits allow",
            ("venue",),
            intervals.items(),
        )

    def _streams(self) -> Iterable[Metric]:
        counts, blind = Counter[tuple[str, ...]](), dict[tuple[str, ...], float]()
        statuses = [status for status in self.streams() if status.exchange_account_id in self.accounts]
        for status in statuses:
            venue = self.accounts[status.exchange_account_id].venue
            counts.update({(venue, state): state is status.state for state in StreamHealth})
            is_blind = status.state is StreamHealth.BLIND
            blind[(venue,)] = max(blind.get((venue,), 0.0), self._age_s(status.since) if is_blind else 0.0)
        yield gauges(
            "perps_dma_stream_accounts",
            "Accounts that are live, blind or followed by no stream (none), whichever worker follows them",
            ("venue", "state"),
            counts.items(),
        )
        yield gauges(
            "perps_dma_stream_blind_seconds",
            "Since when the account is blind that is so for the longest time; 0 without any",
            ("venue",),
            blind.items(),
        )
        yield from self._streams_by_account(statuses)

    def _streams_by_account(self, statuses: Sequence[StreamStatus]) -> Iterable[Metric]:
        places = [
            (status.exchange_account_id, self.accounts[status.exchange_account_id].venue, status) for status in statuses
        ]
        labels = ("account", "venue")
        yield gauges(
            "perps_dma_stream_state",
            "0: live, 1: blind, 2: none, so that the account is only polled",
            labels,
            (((account, venue), BY_STREAM.index(status.state)) for account, venue, status in places),
        )
        yield gauges(
            "perps_dma_stream_state_seconds",
            "Since when that is so",
            labels,
            (((account, venue), self._age_s(status.since)) for account, venue, status in places),
        )
        yield gauges(
            "perps_dma_stream_poll_seconds",
            "How often the account is polled as long as that is so",
            labels,
            (((account, venue), status.poll_interval_ms / 1000) for account, venue, status in places),
        )

    def _limits(self) -> Iterable[Metric]:
        least, longest = dict[tuple[str, ...], float](), dict[tuple[str, ...], float]()
        for room in self.headroom():
            scope = (venue_label(room.exchange, room.network), room.scope)
            longest[scope] = max(longest.get(scope, 0.0), room.closed_for / 1000)
            if room.limit and room.left is not None:
                least[scope] = min(least.get(scope, 1.0), room.left / room.limit)
        labels = ("venue", "scope")
        yield gauges(
            "perps_dma_limiter_headroom_ratio",
            "What is left of a venue's limit, of 1; of limits by user, where it is least",
            labels,
            least.items(),
        )
        yield gauges(
            "perps_dma_limiter_closed_seconds", "How long the venue wants no more requests", labels, longest.items()
        )

    async def _bus(self) -> list[Metric]:
        at = self.attachment
        if at is None:
            return [broker_connected(False)]
        rows: list[Metric] = [
            broker_connected(at.connected()),
            gauge("perps_dma_deliveries_running", "Messages that are being carried out", at.running()),
        ]
        try:
            async with asyncio.timeout(PATIENCE_S):
                rows.append(consumers(await at.consumers()))
        except CONNECTION_TROUBLE:
            rows.append(consumers({}))
        return rows

    async def _ledger(self) -> list[Metric]:
        writes = await self._ledger_problem() is None
        rows: list[Metric] = [gauge("perps_dma_ledger_writable", "1 while the ledger can be written", writes)]
        try:
            async with asyncio.timeout(PATIENCE_S):
                rows += [*await self._outbox(), *await self._doubts(), *await self._snapshots(), await self._freezes()]
                rows += await self._margin()
        except (LedgerUnavailable, TimeoutError) as error:
            log.warning("ledger_metrics_not_read", error=str(error))
        return rows

    async def _outbox(self) -> Iterable[Metric]:
        outbox = self.ledger.outbox
        size, oldest = await outbox.size(), self._age_s(await outbox.oldest())
        return (
            gauge("perps_dma_outbox_events", "Events that the broker has not confirmed yet, of all workers", size),
            gauge("perps_dma_outbox_oldest_seconds", "Age of the one that waits longest; 0 without any", oldest),
        )

    async def _doubts(self) -> Iterable[Metric]:
        count, since = await self.ledger.doubts.oldest()
        return (
            gauge("perps_dma_unknown_settings", "Settings in doubt: unknown, and shown by no later command", count),
            gauge("perps_dma_unknown_oldest_seconds", "Age of the oldest doubt; 0 without any", self._age_s(since)),
        )

    async def _snapshots(self) -> Iterable[Metric]:
        seen = await self.ledger.snapshots.seen()
        known = [(self.accounts[account], at) for account, at in seen.items() if account in self.accounts]
        ages = {(account.id, account.venue): self._age_s(at) for account, at in known}
        intervals = {status.exchange_account_id: status.poll_interval_ms / 1000 for status in self.streams()}
        overdue = {labels: max(0.0, age - intervals.get(labels[0], 0.0)) for labels, age in ages.items()}
        labels = ("account", "venue")
        _, since = await self.ledger.owed.oldest()
        return (
            gauges(
                "perps_dma_snapshot_age_seconds",
                "Since when the venue has not shown an account's positions",
                labels,
                ages.items(),
            ),
            gauges(
                "perps_dma_snapshot_overdue_seconds",
                "For how long that is more than the interval at which the account is read now",
                labels,
                overdue.items(),
            ),
            gauge(
                "perps_dma_snapshot_owed_seconds",
                "Since when the oldest snapshot is owed that a command has left to be taken; 0 without any",
                self._age_s(since),
            ),
        )

    async def _margin(self) -> Iterable[Metric]:
        """Out of the ledger, so that every worker tells the same, and what was crossed before a restart."""
        told = await self.ledger.margin.all()
        known = [(self.accounts[name], kept) for name, kept in told.items() if name in self.accounts]
        ratios, levels, ages = dict[tuple[str, ...], float](), dict[tuple[str, ...], float](), {}
        for account, kept in known:
            labels = account.id, account.venue
            data = told_of(kept)
            ages[labels] = self._age_s(kept.as_of)
            levels[labels] = ORDER.index(MarginLevel(data["level"]))
            for pool in data["pools"]:
                if pool["margin_ratio"] is not None:
                    kind = (*labels, pool["margin_mode"])
                    ratios[kind] = max(ratios.get(kind, 0.0), float(pool["margin_ratio"]))
        return (
            gauges(
                "perps_dma_margin_ratio",
                "The highest margin ratio of an account, as it was told last: 1 is liquidation",
                ("account", "venue", "pool"),
                ratios.items(),
            ),
            gauges(
                "perps_dma_margin_level",
                "0: ok, 1: warn, 2: critical, by the thresholds of the account",
                ("account", "venue"),
                levels.items(),
            ),
            gauges("perps_dma_margin_age_seconds", "Since when that is so", ("account", "venue"), ages.items()),
        )

    async def _freezes(self) -> Metric:
        return gauge("perps_dma_freezes", "Freezes in force", len(await self.ledger.freezes.all()))

    def _age_s(self, since: Milliseconds | None) -> float:
        return 0.0 if since is None else max(0, self.clock() - since) / 1000
