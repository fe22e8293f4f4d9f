"""Putting the parts together: which accounts, which venues, which bus."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from worker.accounts import Account, Accounts
from worker.bus.connection import connect
from worker.bus.consumer import Consumer
from worker.bus.publisher import Publisher
from worker.clock import now
from worker.execution.receipt import Receiver
from worker.execution.service import Outbox, Service
from worker.handlers import COMMAND_HANDLERS, QUERY_HANDLERS
from worker.locations import amqp_url, load_accounts
from worker.settings import Settings
from worker.snapshots.snapshots import Snapshots
from worker.stopping import stop_signal
from worker.venues.connections import VenueConnections
from worker.venues.errors import VenueError
from worker.venues.limits import Limits
from worker.venues.registry import Venues, limits_kept
from worker.venues.seam import Adapter

log = structlog.get_logger(__name__)

FIRST_LOAD_S = 20
"""How long the start waits for the markets of a venue; after that it goes on without, and loads them when it can."""


@asynccontextmanager
async def open_venues(
    accounts: Accounts, timeout_ms: int, limits: Limits
) -> AsyncIterator[Callable[[Account], Adapter]]:
    """The adapter of any account, over shared connections, with the markets of every venue that answers loaded."""
    async with VenueConnections(limits) as connections:
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


def build_service(
    accounts: Accounts, adapter_of: Callable[[Account], Adapter], outbox: Outbox, timeout_ms: int
) -> Service:
    """The service with all its parts; a test gives it another outbox or other adapters in the same way."""
    snapshots = Snapshots(adapter_of, outbox, timeout_ms, now)
    return Service(
        receiver=Receiver(accounts, timeout_ms),
        commands=COMMAND_HANDLERS,
        queries=QUERY_HANDLERS,
        adapter_of=adapter_of,
        outbox=outbox,
        take_snapshot=snapshots.after_command,
        clock=now,
    )


@asynccontextmanager
async def running_worker(
    settings: Settings, accounts: Accounts, adapter_of: Callable[[Account], Adapter]
) -> AsyncIterator[None]:
    """A worker that consumes for as long as the context lasts, and then finishes what it began."""
    url = amqp_url(settings)
    async with AsyncExitStack() as stack:
        # Consuming and publishing keep apart: an alarm of the broker blocks publishers, and must not stop acks.
        consuming = await stack.enter_async_context(await connect(url, "perps-dma worker (consume)"))
        publishing = await stack.enter_async_context(await connect(url, "perps-dma worker (publish)"))
        publisher = await Publisher.open(publishing)
        service = build_service(accounts, adapter_of, publisher, settings.timeout_ms)
        consumer = Consumer(consuming, publisher, service.handle, settings.prefetch)
        await consumer.start()
        try:
            yield
        finally:
            await consumer.close(settings.grace_ms / 1000)


async def run_worker(settings: Settings) -> None:
    """Load markets, consume until told to stop, then finish what is running."""
    stop = stop_signal()
    accounts = load_accounts(settings)
    limits = limits_kept(settings.limit_share, settings.granted_limits)
    async with (
        open_venues(accounts, settings.venue_timeout_ms, limits) as adapter_of,
        running_worker(settings, accounts, adapter_of),
    ):
        log.info("worker ready", accounts=len(accounts))
        await stop.wait()
        log.info("worker stopping")
