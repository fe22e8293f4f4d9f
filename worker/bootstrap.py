"""Putting the parts together: which accounts, which venues, which bus."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from worker.accounts import Account, Accounts
from worker.bus.connection import connected
from worker.bus.consumer import Consumer, Handle
from worker.bus.publisher import Publisher
from worker.clock import now
from worker.execution.changes import Changes
from worker.execution.dispatch import Dispatch
from worker.execution.ledger.ledger import Ledger, open_ledger
from worker.execution.receipt import Receiver
from worker.execution.recovery import Recovery, Retention
from worker.execution.relay import Publisher as EventPublisher
from worker.execution.relay import Relay
from worker.execution.service import Handlers, Replies, Service
from worker.handlers import COMMAND_HANDLERS, QUERY_HANDLERS
from worker.handlers.control import Office
from worker.locations import amqp_url, load_accounts
from worker.settings import Settings
from worker.snapshots.snapshots import Snapshots
from worker.stopping import stop_signal
from worker.venues.connections import VenueConnections
from worker.venues.errors import VenueError
from worker.venues.registry import Venues
from worker.venues.seam import Adapter

log = structlog.get_logger(__name__)


class Bus(EventPublisher, Replies, Protocol):
    """Where a worker publishes events and answers."""


FIRST_LOAD_S = 20
"""How long the start waits for the markets of a venue; after that it goes on without, and loads them when it can."""


@asynccontextmanager
async def open_venues(accounts: Accounts, timeout_ms: int) -> AsyncIterator[Callable[[Account], Adapter]]:
    """The adapter of any account, over shared connections, with the markets of every venue that answers loaded."""
    async with VenueConnections() as connections:
        venues = Venues(connections, accounts.values(), timeout_ms)
        loading = asyncio.create_task(venues.load(_warn))
        try:
            await asyncio.wait([loading], timeout=FIRST_LOAD_S)
            yield _kept(venues.adapter)
        finally:
            loading.cancel()


def _kept(make: Callable[[Account], Adapter]) -> Callable[[Account], Adapter]:
    """One adapter per account, made when it is first needed: it remembers what it has learnt of the account."""
    adapters: dict[str, Adapter] = {}

    def adapter_of(account: Account) -> Adapter:
        if account.id not in adapters:
            adapters[account.id] = make(account)
        return adapters[account.id]

    return adapter_of


def _warn(exchange: str, error: VenueError) -> None:
    log.warning("markets can't be loaded, trying again", exchange=exchange, error=error.message)


@dataclass(frozen=True, slots=True)
class Worker:
    """All parts of a worker but its connections."""

    handle: Handle
    cease: Callable[[], None]
    relay: Relay
    recovery: Recovery
    retention: Retention


def build_worker(
    settings: Settings,
    accounts: Accounts,
    adapter_of: Callable[[Account], Adapter],
    ledger: Ledger,
    publisher: Bus,
) -> Worker:
    """A worker with all its parts; a test gives it others in the same way."""
    relay, dispatch = Relay(ledger, publisher), Dispatch(adapter_of)
    snapshots = Snapshots(adapter_of, ledger, relay, settings.timeout_ms, now)
    changes = Changes(ledger=ledger, relay=relay, dispatch=dispatch, take_snapshot=snapshots.after_command, clock=now)
    office = Office(ledger, relay, accounts, lambda: (), now)
    service = Service(
        receiver=Receiver(accounts, settings.timeout_ms),
        handlers=Handlers(COMMAND_HANDLERS, QUERY_HANDLERS, office.handlers()),
        dispatch=dispatch,
        changes=changes,
        replies=publisher,
        clock=now,
    )
    recovery = Recovery(ledger, service.handle, changes.is_running, now)
    retention = Retention(ledger, settings.retention_days, settings.audit_days, now)
    return Worker(service.handle, changes.cease, relay, recovery, retention)


@asynccontextmanager
async def running_worker(
    settings: Settings, accounts: Accounts, adapter_of: Callable[[Account], Adapter]
) -> AsyncIterator[None]:
    """A worker that consumes for as long as the context lasts, and then finishes what it began."""
    async with (
        open_ledger(settings.ledger) as ledger,
        consuming(settings, lambda bus: build_worker(settings, accounts, adapter_of, ledger, bus)),
    ):
        yield


@asynccontextmanager
async def consuming(settings: Settings, build: Callable[[Bus], Worker]) -> AsyncIterator[None]:
    """Connect a worker to the broker, and let it work for as long as the context lasts."""
    url = amqp_url(settings)
    # Consuming and publishing keep apart: an alarm of the broker blocks publishers, and must not stop acks.
    async with (
        connected(url, "perps-dma worker (consume)") as incoming,
        connected(url, "perps-dma worker (publish)") as leaving,
    ):
        publisher = await Publisher.open(leaving)
        worker = build(publisher)
        async with in_background(worker.relay.run(), worker.recovery.run(), worker.retention.run()):
            consumer = Consumer(incoming, publisher, worker.handle, settings.prefetch)
            await consumer.start()
            try:
                yield
            finally:
                worker.cease()
                await consumer.close(settings.grace_ms / 1000)
        await worker.relay.close()


@asynccontextmanager
async def in_background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on while the context lasts. Its end by an error ends the context too."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def run_worker(settings: Settings) -> None:
    """Load markets, consume until told to stop, then finish what is running."""
    stop = stop_signal()
    accounts = load_accounts(settings)
    async with (
        open_venues(accounts, settings.venue_timeout_ms) as adapter_of,
        running_worker(settings, accounts, adapter_of),
    ):
        log.info("worker ready", accounts=len(accounts))
        await stop.wait()
        log.info("worker stopping")
