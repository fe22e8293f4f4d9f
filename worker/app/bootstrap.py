"""Putting the parts together: which accounts, which venues, which bus."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from worker.accounts.account import Account, Accounts
from worker.app.registry_watch import registry_watch
from worker.bus.amqp.actors import Delegates
from worker.bus.amqp.connection import connected
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.consumer import Consumer, Handle
from worker.bus.consumer_counts import ConsumerCounts
from worker.bus.events_log import EventStream
from worker.bus.sharding.shards import Split
from worker.config.locations import amqp_url, load_accounts
from worker.config.settings import Settings
from worker.control.audit import AuditOffice, OwnDenials
from worker.control.service import ControlService
from worker.execution.aftermath.epochs import Epochs
from worker.execution.aftermath.recovery import DAY_MS, Recovery, Retention
from worker.execution.aftermath.resolver import DoubtResolver
from worker.execution.aftermath.venue_news import VenueNews
from worker.execution.dispatch import Dispatch
from worker.execution.executor import CommandExecutor
from worker.execution.outbox_relay import OutboxRelay
from worker.execution.outbox_relay import Publisher as EventPublisher
from worker.execution.requests import RequestParser
from worker.execution.service import Handlers, Replies, Service
from worker.handlers import COMMAND_HANDLERS, QUERY_HANDLERS
from worker.ledger.ledger import Ledger, forget_ledger, open_ledger
from worker.monitoring.server import monitored
from worker.monitoring.traces import recorded
from worker.monitoring.worker_states import Attachment, WorkerStates
from worker.runtime.background import in_background
from worker.runtime.clock import now
from worker.runtime.collector import collect_seldom
from worker.runtime.stopping import on_hangup, stop_signal
from worker.snapshots.after_commands import AfterCommands
from worker.snapshots.intervals import Interval
from worker.snapshots.pacing import Pacing
from worker.snapshots.schedule import Schedule
from worker.snapshots.snapshots import Snapshots
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.health import UNWATCHED, VenueWatch
from worker.venues.lifecycle.registry import Venues, limits_kept
from worker.venues.lifecycle.supervisor import Reloads
from worker.venues.limits import Headroom, Limits
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import VenueError

log = structlog.get_logger(__name__)


class Bus(EventPublisher, Replies, Protocol):
    """Where a worker publishes events and answers."""


FIRST_LOAD_S = 5
"""How long the start waits for the markets of a venue that does not answer; then it goes on, and so does the loading.

One that fails is not waited for: it holds up nobody but its own accounts.
"""


@asynccontextmanager
async def open_venues(accounts: Accounts, timeout_ms: int, limits: Limits, reload_s: float) -> AsyncIterator[Venues]:
    """The venues of all accounts, over shared connections; the markets of each that answers are loaded, and kept so."""
    async with VenueConnections(limits) as connections:
        venues = Venues(connections, accounts, timeout_ms, Reloads(latest_s=reload_s))
        loading = asyncio.create_task(venues.keep_loaded(_warn))
        loading.add_done_callback(_ended)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOAD_S):
                    await venues.tried()
            yield venues
        finally:
            loading.cancel()


def _warn(venue: str, error: VenueError) -> None:
    log.warning("market_reload_failed", venue=venue, error=error.message)


def _ended(loading: asyncio.Task[None]) -> None:
    if not loading.cancelled() and (error := loading.exception()):
        log.error("market_reload_stopped", exc_info=error)


LAST_SNAPSHOTS_S = 1.0
"""How long a worker that stops goes on reading for the snapshots it owes; the next one takes the rest."""


@dataclass(frozen=True, slots=True)
class Worker:
    """All parts of a worker but its connections."""

    handle: Handle
    cease: Callable[[], None]
    relay: OutboxRelay
    denials: OwnDenials
    venue_news: VenueNews
    epochs: Epochs
    recovery: Recovery
    retention: Retention
    schedule: Schedule
    after_commands: AfterCommands
    doubts: DoubtResolver


def build_worker(
    settings: Settings,
    accounts: Accounts,
    adapter_of: Callable[[Account], Adapter],
    ledger: Ledger,
    publisher: Bus,
    *,
    watch: VenueWatch = UNWATCHED,
    pacing: Pacing | None = None,
) -> Worker:
    """A worker with all its parts; a test gives it others in the same way."""
    pacing = pacing or Pacing(settings.snapshot_interval_ms, accounts)
    relay, dispatch = OutboxRelay(ledger, publisher), Dispatch(adapter_of)
    snapshots = Snapshots(adapter_of, ledger, relay, settings.timeout_ms, now)
    after_commands = AfterCommands(snapshots, ledger, accounts, floor_ms=settings.snapshot_floor_ms)
    rhythm = Interval(settings.snapshot_interval_ms, settings.snapshot_heartbeat_ms)
    executor = CommandExecutor(
        ledger=ledger, relay=relay, dispatch=dispatch, owe_snapshot=after_commands.owe, clock=now
    )
    doubts = DoubtResolver(
        ledger=ledger,
        relay=relay,
        accounts=accounts,
        adapter_of=adapter_of,
        venues=watch.states,
        timeout_ms=settings.timeout_ms,
        clock=now,
    )
    office, audit = (
        ControlService(ledger, relay, accounts, pacing.statuses(watch.states), now),
        AuditOffice(ledger, relay),
    )
    denials = OwnDenials(audit, now)
    service = Service(
        parser=RequestParser(accounts, settings.timeout_ms),
        handlers=Handlers(COMMAND_HANDLERS, QUERY_HANDLERS, office.handlers() | audit.handlers()),
        dispatch=dispatch,
        executor=executor,
        replies=publisher,
        note_conflict=denials.note_conflict,
        answered=doubts.answered,
        clock=now,
    )
    return Worker(
        handle=service.handle,
        cease=executor.cease,
        relay=relay,
        denials=denials,
        venue_news=VenueNews(ledger, relay, watch.changes),
        epochs=Epochs(ledger, relay, settings.retention_days * DAY_MS, now),
        recovery=Recovery(ledger, service.handle, executor.is_running, now),
        retention=Retention(ledger, settings.retention_days, settings.audit_days, now),
        schedule=Schedule(snapshots, ledger, accounts, rhythm, clock=now, pacing=pacing),
        after_commands=after_commands,
        doubts=doubts,
    )


@asynccontextmanager
async def running_worker(
    settings: Settings,
    accounts: Accounts,
    adapter_of: Callable[[Account], Adapter],
    watch: VenueWatch = UNWATCHED,
    headroom: Callable[[], list[Headroom]] = list,
) -> AsyncIterator[None]:
    """A worker that consumes for as long as the context lasts, and then finishes what it began."""

    pacing = Pacing(settings.snapshot_interval_ms, accounts)

    def build(bus: Bus) -> Worker:
        return build_worker(settings, accounts, adapter_of, ledger, bus, watch=watch, pacing=pacing)

    async with open_ledger(settings.ledger, settings.state) as ledger:
        states = WorkerStates(ledger, accounts, pacing.statuses(watch.states), headroom)
        # It tells how the worker fares from before it consumes until its last command is finished.
        async with monitored(settings, states), consuming(settings, build) as attachment:
            states.attachment = attachment
            yield


@asynccontextmanager
async def consuming(settings: Settings, build: Callable[[Bus], Worker]) -> AsyncIterator[Attachment]:
    """Connect a worker to the broker, and let it work for as long as the context lasts."""
    url = amqp_url(settings)
    # Consuming and publishing keep apart: an alarm of the broker blocks publishers, and must not stop acks. So do
    # events and answers: who asks says where an answer goes, and the broker may end the connection over it.
    async with (
        connected(url, "perps-dma worker (consume)") as incoming,
        connected(url, "perps-dma worker (publish)") as leaving,
        connected(url, "perps-dma worker (answer)") as answering,
    ):
        publisher = await MessagePublisher.open(leaving, answering)
        worker = build(publisher)
        split = Split(settings.shards, settings.workers)
        speakers = Delegates.beside(settings.shim_user, url)
        # First, for it declares what all the others publish to.
        replicated = settings.query_queues == "quorum"
        consumer = await Consumer.open(
            incoming, publisher, worker.handle, settings.prefetch, split, speakers=speakers, replicated=replicated
        )
        await worker.epochs.start(EventStream(incoming, url))
        await consumer.start()
        presence = ConsumerCounts(incoming, settings.shards)
        attachment = Attachment(
            connected=incoming.connected.is_set,
            consuming=lambda: consumer.is_consuming,
            running=lambda: consumer.running,
            consumers=presence.consumers,
        )
        background = (
            worker.relay,
            worker.denials,
            worker.venue_news,
            worker.epochs,
            worker.recovery,
            worker.retention,
            worker.doubts,
            worker.after_commands,
        )
        async with in_background(*(part.run() for part in background), worker.schedule.run()):
            try:
                yield attachment
            finally:
                worker.cease()
                await consumer.close(settings.grace_ms / 1000)
        await worker.after_commands.close(LAST_SNAPSHOTS_S)
        await worker.denials.close()
        await worker.relay.close()


async def run_worker(settings: Settings, *, new_ledger: bool = False) -> None:
    """Load markets, consume until told to stop, then finish what is running.

    With `new_ledger` it goes on without the ledger that is gone.
    """
    collect_seldom()
    stop = stop_signal()
    if new_ledger:
        await asyncio.to_thread(forget_ledger, settings.ledger, settings.state)
    accounts = load_accounts(settings)
    watch = registry_watch(settings, accounts)
    on_hangup(watch.look_now)
    limits = limits_kept(settings.limit_share, settings.granted_limits, settings.background_share)
    async with (
        recorded(settings, "worker"),
        open_venues(accounts, settings.venue_timeout_ms, limits, settings.markets_reload_s) as venues,
        running_worker(settings, accounts, venues.adapter, venues.watch, limits.headroom),
        in_background(watch.run(venues.prepare)),
    ):

        def look_anew() -> None:
            watch.look_now()
            venues.load_now()

        on_hangup(look_anew)
        log.info("worker_ready", accounts=len(accounts))
        await stop.wait()
        log.info("worker_stopping")
