"""Putting the parts together: which accounts, which venues, which bus."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from worker.accounts import Account, Accounts
from worker.bus.connection import connect
from worker.bus.consumer import Consumer
from worker.bus.publisher import Publisher
from worker.execution.clock import now
from worker.execution.receipt import Receiver
from worker.execution.service import Outbox, Service
from worker.handlers import COMMAND_HANDLERS, QUERY_HANDLERS
from worker.locations import amqp_url, load_accounts
from worker.settings import Settings
from worker.snapshots.snapshots import Snapshots
from worker.stopping import stop_signal
from worker.venues.connections import VenueConnections
from worker.venues.errors import VenueError
from worker.venues.registry import Venues
from worker.venues.seam import Adapter

log = structlog.get_logger(__name__)

LONGEST_LOAD_WAIT_S = 15


@asynccontextmanager
async def open_venues(accounts: Accounts, timeout_ms: int) -> AsyncIterator[Callable[[Account], Adapter]]:
    """The adapter of any account, over shared connections, with the markets of every venue in use loaded."""
    async with VenueConnections() as connections:
        venues = Venues(connections, accounts.values(), timeout_ms)
        await _load(venues)
        adapters = {account.id: venues.adapter(account) for account in accounts.values()}
        yield lambda account: adapters[account.id]


async def _load(venues: Venues) -> None:
    wait_s = 0.5
    while True:
        try:
            await venues.load()
        except VenueError as error:
            log.warning("markets can't be loaded, trying again", error=error.message, wait_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_LOAD_WAIT_S, wait_s * 2)
        else:
            return


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
    async with (
        open_venues(accounts, settings.venue_timeout_ms) as adapter_of,
        running_worker(settings, accounts, adapter_of),
    ):
        log.info("worker ready", accounts=len(accounts))
        await stop.wait()
        log.info("worker stopping")
