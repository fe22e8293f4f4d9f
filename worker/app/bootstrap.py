"""Putting the parts together: which accounts, which venues, which bus."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
from aio_pika.abc import AbstractRobustConnection

from worker.accounts.account import Account, Accounts
from worker.app.parts import Bus, Worker, build_worker, pacing_of
from worker.app.registry_watch import registry_watch
from worker.bus.amqp.connection import connected
from worker.bus.amqp.deliveries import Delegates
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.renewal import once_up
from worker.bus.consumer import Consumer, Handle
from worker.bus.consumer_counts import ConsumerCounts
from worker.bus.events_log import EventStream
from worker.bus.settled_letters import SettledLetters
from worker.bus.sharding.shards import Split
from worker.config.addresses import amqp_url
from worker.config.locations import load_accounts
from worker.config.settings import Settings
from worker.ledger.ledger import forget_ledger, open_ledger
from worker.monitoring.server import monitored
from worker.monitoring.traces import recorded
from worker.monitoring.worker_states import Attachment, WorkerStates
from worker.runtime.background import in_background
from worker.runtime.collector import collect_seldom
from worker.runtime.stopping import on_hangup, stop_signal
from worker.snapshots.stream_board import StreamBoard
from worker.streams.line import OpenSocket
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.health import UNWATCHED, VenueWatch
from worker.venues.lifecycle.registry import Venues, limits_kept
from worker.venues.lifecycle.supervisor import Reloads
from worker.venues.limits import Headroom, Limits
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import VenueError

log = structlog.get_logger(__name__)


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


LAST_STEP_S = 10.0
"""How long a worker that stops waits for the one change that is under way of the terms it applies."""


@asynccontextmanager
async def running_worker(
    settings: Settings,
    accounts: Accounts,
    adapter_of: Callable[[Account], Adapter],
    watch: VenueWatch = UNWATCHED,
    headroom: Callable[[], list[Headroom]] = list,
    *,
    socket: OpenSocket | None = None,
    widened: float = 1.0,
) -> AsyncIterator[None]:
    """A worker that consumes for as long as the context lasts, and then finishes what it began."""

    pacing = pacing_of(settings, accounts, widened)
    board = StreamBoard(pacing.mark)

    def build(bus: Bus) -> Worker:
        return build_worker(
            settings,
            accounts,
            adapter_of,
            ledger,
            bus,
            watch=watch,
            pacing=pacing,
            board=board,
            socket=socket,
            widened=widened,
            headroom=headroom,
        )

    async with open_ledger(settings.ledger, settings.state) as ledger:
        states = WorkerStates(
            ledger,
            accounts,
            pacing.statuses(watch.states),
            headroom,
            streams=lambda: board.statuses(accounts, pacing.interval),
        )
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
        publisher = await once_up(partial(MessagePublisher.open, leaving, answering))
        worker = build(publisher)
        # First, for it declares what all the others publish to.
        consumer = await _consumer(settings, incoming, publisher, worker.handle)
        stream = EventStream(incoming, url)
        await worker.epochs.start(stream)
        worker.book.log_end = stream.end
        await consumer.start()
        attachment = Attachment(
            connected=incoming.connected.is_set,
            consuming=lambda: consumer.is_consuming,
            running=lambda: consumer.running,
            consumers=ConsumerCounts(incoming, settings.shards).consumers,
        )
        settled = SettledLetters(incoming, worker.letters.adopt)
        async with in_background(settled.run(), *(part.run() for part in worker.beside)):
            try:
                yield attachment
            finally:
                worker.cease()
                try:
                    await consumer.close(settings.grace_ms / 1000)
                finally:
                    await worker.terms.close(LAST_STEP_S)
                    await worker.streams.close()
        await worker.after_commands.close(LAST_SNAPSHOTS_S)
        await worker.denials.close()
        await worker.relay.close()


async def _consumer(
    settings: Settings, incoming: AbstractRobustConnection, publisher: MessagePublisher, handle: Handle
) -> Consumer:
    return await Consumer.open(
        incoming,
        publisher,
        handle,
        settings.prefetch,
        Split(settings.shards, settings.workers),
        speakers=Delegates.beside(settings.shim_user, amqp_url(settings)),
        replicated=settings.query_queues == "quorum",
    )


async def run_worker(settings: Settings, *, new_ledger: bool = False, widened: float = 1.0) -> None:
    """Load markets, consume until told to stop, then finish what is running.

    With `new_ledger` it goes on without the ledger that is gone. Who measures it at stand-in venues may let it dial
    faster than a real venue allows: `widened` is by how much, and no setting of anybody's.
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
        running_worker(
            settings,
            accounts,
            venues.adapter,
            venues.watch,
            limits.headroom,
            socket=venues.socket,
            widened=widened,
        ),
        in_background(watch.run(venues.prepare)),
    ):

        def look_anew() -> None:
            watch.look_now()
            venues.load_now()

        on_hangup(look_anew)
        log.info("worker_ready", accounts=len(accounts))
        await stop.wait()
        log.info("worker_stopping")
