"""One account and its feeds: whether it is live, and what is done about each push.

all feeds up ─▶ read ─▶ nudged meanwhile? once more ─▶ live          one feed down ─▶ blind, since its last frame
nudge ─▶ read, told if it is news                                     no feeds, or no seat for them ─▶ none: polled
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from schemas.base import Milliseconds
from schemas.control import StreamHealth, StreamState
from schemas.events import StreamChange, StreamGap, Trigger
from worker.accounts.account import Account
from worker.execution.aftermath.stream_states import stream_event
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.ledger.observed.stream_leases import Lease
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.messages.wire import outgoing
from worker.runtime.backoff import Backoff
from worker.runtime.clock import now, steady
from worker.runtime.periodic import periodically
from worker.snapshots.confirmations import Confirmations
from worker.snapshots.explained_changes import asked_by
from worker.snapshots.pacing import Pacing
from worker.snapshots.pushed_terms import Origin, PushedTerms
from worker.snapshots.snapshots import Snapshots
from worker.snapshots.stream_board import StreamBoard
from worker.streams.connection import FeedConnection
from worker.streams.dials import DialGates
from worker.streams.evidence import EvidenceQueue
from worker.streams.line import OpenSocket, Pushed
from worker.streams.own_changes import OwnChanges
from worker.streams.reads import CoalescedReads, Read, ReadPace
from worker.streams.risk import RiskPushes
from worker.telemetry.metrics import (
    STREAM_CONNECTIONS,
    STREAM_FRAMES,
    STREAM_NOT_UNDERSTOOD,
    STREAM_NUDGES,
    STREAM_READS,
)
from worker.venues.limits.request_context import Urgency, billed
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import LimitReached, VenueError
from worker.venues.port.streams import Feed, FeedRules, NotUnderstood, Nudge, RiskPush, Terms, Why

log = structlog.get_logger(__name__)

MARKETS_FIRST_S, MARKETS_LONGEST_S = 0.5, 5.0
"""Until it is looked again whether the venue's markets are loaded."""

TRIES = 10
"""How often an account is read for one nudge while other workers take theirs of it."""

CHANGED = "followed anew"
MOST_NOTED = 20
"""Kinds of frames that are logged because they are not understood; all are counted."""

WATCHED_MS: Milliseconds = 3_600_000
WATCHED_AGAIN_S = 15.0
"""For how long after a command its market is watched anew, and how often it is looked for such commands. A connection
goes on watching what it has watched.
"""

OFF = "streams are turned off"


@dataclass(frozen=True, slots=True)
class FollowerParts:
    """What all followers of a worker share. `socket` is None where streams are turned off."""

    adapter_of: Callable[[Account], Adapter]
    ledger: Ledger
    relay: OutboxRelay
    snapshots: Snapshots
    terms: PushedTerms
    pacing: Pacing
    board: StreamBoard
    gates: DialGates
    socket: OpenSocket | None
    floor_ms: Milliseconds
    timeout_ms: Milliseconds


class Follower:
    """Follows one account. `rank` is its place among the accounts of its venue, where only so many can be followed."""

    def __init__(self, account: Account, rank: int, lease: Lease, parts: FollowerParts) -> None:
        self.account = account
        self.seats: int | None = None
        self.rank = rank
        self._parts = parts
        self._ups: dict[str, Milliseconds | None] = {}
        self._ready: Milliseconds | None = None
        self._is_read_again = False
        blind_since = lease.since if lease.state is StreamHealth.BLIND else now()
        reason = lease.reason if lease.state is StreamHealth.BLIND else CHANGED
        self._blind = StreamChange(**_of(account), state=StreamHealth.BLIND, since=blind_since, reason=reason)
        self._state = self._blind
        self._watched: tuple[str, ...] = ()
        self._venue = account.venue
        self._not_understood: set[str] = set()
        self._untold: asyncio.Queue[StreamChange] = asyncio.Queue()
        self._evidence = EvidenceQueue()
        self._confirmations = Confirmations(
            account, parts.terms, parts.adapter_of, parts.ledger.patience, parts.timeout_ms
        )
        self._risks = RiskPushes(account, parts.ledger, parts.relay, self._reads_at_once)
        self._reads = CoalescedReads(
            self._read, self._done, ReadPace(parts.floor_ms, partial(parts.pacing.floor, account))
        )
        self._own_changes = OwnChanges(account, parts.snapshots, parts.ledger.patience, self._reads.nudge)

    async def run(self) -> None:
        """Follow it until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_states())
            self._be(self._blind)
            feeds = await self._feeds()
            if (reason := self._not_followed(feeds)) is not None:
                self._be(StreamChange(**_of(self.account), state=StreamHealth.NONE, since=now(), reason=reason))
                return
            self._ups = dict.fromkeys(feeds)
            group.create_task(self._reads.run())
            group.create_task(self._risks.run())
            group.create_task(self._hear_evidence())
            group.create_task(self._own_changes.run())
            group.create_task(self._confirmations.run())
            if any(feed.rules.by_market for feed in feeds.values()):
                group.create_task(periodically(self._watch, WATCHED_AGAIN_S))
            for name, feed in feeds.items():
                group.create_task(self._connection(name, feed).run())

    def up(self, feed: str) -> None:
        """All that was subscribed is acknowledged, over the first line or over one that takes the place of another."""
        if self._ups[feed] is not None:
            STREAM_CONNECTIONS.labels(self._venue, "down").inc()
        STREAM_CONNECTIONS.labels(self._venue, "up").inc()
        self._ups[feed] = steady()
        if all(up is not None for up in self._ups.values()):
            self._ready, self._is_read_again = steady(), False
            self._reads.nudge()

    def down(self, feed: str, reason: str, heard: Milliseconds) -> None:
        """It tells nothing any more: what was pushed since its last frame is missing."""
        STREAM_CONNECTIONS.labels(self._venue, "down").inc()
        self._ups[feed] = self._ready = None
        if self._state.state is StreamHealth.LIVE:
            log.warning("stream_blind", account=self.account.id, feed=feed, reason=reason)
            self._blind = StreamChange(**_of(self.account), state=StreamHealth.BLIND, since=heard, reason=reason)
            self._be(self._blind)
        elif self._state.reason != reason:
            self._blind = self._blind.model_copy(update={"reason": reason})
            self._be(self._blind)

    def heard(self, feed: str, pushed: Pushed) -> None:
        """Something has changed, or may have."""
        match pushed:
            case Nudge(why):
                STREAM_NUDGES.labels(self._venue, why).inc()
                if not (self._state_terms(pushed) and self._tells_all(pushed)):
                    self._reads.nudge()
            case Terms(evidence):
                self._state_terms(Nudge(Why.POSITIONS, evidence=evidence))
            case RiskPush():
                STREAM_NUDGES.labels(self._venue, Why.RISK).inc()
                self._risks.hear(pushed)
            case NotUnderstood(what):
                STREAM_NOT_UNDERSTOOD.labels(self._venue).inc()
                self._note_not_understood(feed, what)
                self._reads.nudge()

    def frame(self) -> None:
        """A frame came, whatever it means."""
        STREAM_FRAMES.labels(self._venue).inc()

    def _state_terms(self, nudge: Nudge) -> bool:
        """What a push states itself is looked at, unless it is nothing new; whether it is."""
        if not nudge.evidence or self._parts.terms.repeats(self.account, nudge):
            return False
        self._evidence.put(nudge, now())
        return True

    def _tells_all(self, nudge: Nudge) -> bool:
        """Whether what is read after a push hangs on where the terms come from that it states: nothing else changed."""
        return nudge.why is Why.SETTINGS and self._state.state is StreamHealth.LIVE

    def _reads_at_once(self) -> None:
        self._reads.nudge(Urgency.RISK)

    def _note_not_understood(self, feed: str, what: str) -> None:
        if what not in self._not_understood and len(self._not_understood) < MOST_NOTED:
            self._not_understood.add(what)
            log.warning("stream_frame_not_understood", account=self.account.id, feed=feed, what=what)

    async def _hear_evidence(self) -> None:
        """Tell what pushes state themselves, one after the other, and have it confirmed."""
        self._confirmations.begin()
        while True:
            nudge, heard = await self._evidence.get()
            hear = partial(self._parts.terms.hear, self.account, nudge, heard)
            origin = await self._parts.ledger.patience.retry_while_unavailable(hear)
            if origin is Origin.OUTSIDE:
                self._confirmations.begin()
            if nudge.why is Why.SETTINGS:
                if origin is Origin.OURS:
                    self._own_changes.expect(heard)
                else:
                    self._reads.nudge()

    async def _watch(self) -> None:
        """Know the markets whose terms commands have changed of late, whichever worker carried them out."""
        ledger = self._parts.ledger
        sent = partial(ledger.sent_changes.since, self.account.id, now() - WATCHED_MS)
        asked = asked_by(await ledger.patience.retry_while_unavailable(sent))
        self._watched = tuple(sorted({one.symbol for one in asked if one.symbol is not None}))

    async def _feeds(self) -> Mapping[str, Feed]:
        backoff = Backoff(MARKETS_FIRST_S, MARKETS_LONGEST_S)
        while self._parts.socket is not None:
            try:
                return self._feeds_now()
            except VenueError:
                await backoff.wait()
        return {}

    def _feeds_now(self) -> Mapping[str, Feed]:
        return {feed.name: feed for feed in self._parts.adapter_of(self.account).feeds(lambda: self._watched)}

    def _not_followed(self, feeds: Mapping[str, Feed]) -> str | None:
        """Why the account is only polled, if it is."""
        if self._parts.socket is None:
            return OFF
        if not feeds:
            return f"no private streams of {self.account.exchange} are followed"
        self.seats = _seats([feed.rules for feed in feeds.values()])
        if self.seats is not None and self.rank >= self.seats:
            return f"{self.account.exchange} pushes for {self.seats} accounts an address, which others have"
        return None

    def _connection(self, name: str, feed: Feed) -> FeedConnection:
        assert self._parts.socket is not None  # noqa: S101 - it was looked at before
        gate = self._parts.gates.at(self.account.site, feed.rules)
        return FeedConnection(name, lambda: self._feeds_now()[name], gate, self._parts.socket, self)

    async def _read(self, urgency: Urgency) -> Read:
        begun = steady()
        for _ in range(TRIES):
            try:
                return await self._read_once(begun, urgency)
            except StaleWrite:
                continue  # another worker has taken one meanwhile, so that ours may be an older state
            except (LimitReached, LedgerUnavailable) as error:
                log.debug("stream_read_put_off", account=self.account.id, error=str(error))
                break
        return Read(begun, is_read=False, is_news=False)

    async def _read_once(self, begun: Milliseconds, urgency: Urgency) -> Read:
        snapshots, account = self._parts.snapshots, self.account
        async with snapshots.alone(account):
            before = await snapshots.newest(account)
            with billed() as weights:
                recorded = await snapshots.take(account, before, Trigger.STREAM, only_news=True, urgency=urgency)
            STREAM_READS.labels(self._venue).inc()
            self._parts.pacing.learn(account, weights, is_scheduled=False)
            await snapshots.publish(recorded)
        newest = await snapshots.newest(account)
        is_read = newest is not None and not newest.snapshot.stale
        return Read(begun, is_read=is_read, is_news=bool(recorded))

    def _done(self, read: Read) -> None:
        if self._state.state is StreamHealth.LIVE or self._ready is None or not read.is_read:
            return
        if read.begun < self._ready:
            self._reads.nudge()
        elif self._reads.is_waiting and not self._is_read_again:
            self._is_read_again = True
        else:
            self._be_live(now() - (steady() - read.begun))

    def _be_live(self, read: Milliseconds) -> None:
        log.info("stream_live", account=self.account.id, blind_ms=read - self._blind.since)
        gap = StreamGap(begin=self._blind.since, end=max(read, self._blind.since))
        self._be(StreamChange(**_of(self.account), state=StreamHealth.LIVE, since=gap.end, gap=gap))

    def _be(self, state: StreamChange) -> None:
        self._state = state
        self._parts.board.put(StreamState(**state.model_dump(exclude={"gap"})))
        self._untold.put_nowait(state)

    async def _tell_states(self) -> None:
        """Tell each state, in their order, until the account is another worker's."""
        with suppress(StaleWrite):
            while True:
                await self._tell(await self._untold.get())

    async def _tell(self, state: StreamChange) -> None:
        ledger = self._parts.ledger
        event = outgoing(stream_event(state, ledger.epoch.number))
        lease = Lease(self.account.id, ledger.owner, state.state, state.since, state.reason)
        position = await ledger.patience.retry_while_unavailable(partial(ledger.streams.tell, lease, event))
        await self._parts.relay.publish(position, event)


def _seats(rules: Sequence[FeedRules]) -> int | None:
    """How many accounts can be followed from one address; None where the venue does not limit that."""
    limits = [rule.seats for rule in rules] + [rule.connections and rule.connections // len(rules) for rule in rules]
    return min((limit for limit in limits if limit is not None), default=None)


def _of(account: Account) -> dict[str, str]:
    return {"exchange": account.exchange, "exchange_account_id": account.id}
