"""Putting the parts together: which accounts, which venues, which bus."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog
import uvicorn
from pydantic import SecretStr, ValidationError

from worker.accounts import Account, Accounts, RegistryError, read_registry
from worker.bus.connection import connect
from worker.bus.consumer import Consumer
from worker.bus.publisher import Publisher
from worker.bus.rpc import connect_rpc
from worker.execution.clock import now
from worker.execution.receipt import Receiver
from worker.execution.service import Outbox, Service
from worker.handlers import COMMAND_HANDLERS, QUERY_HANDLERS
from worker.settings import Settings
from worker.shim.app import create_app
from worker.snapshots.snapshots import Snapshots
from worker.state_files import write_private
from worker.venues.connections import VenueConnections
from worker.venues.errors import VenueError
from worker.venues.registry import Venues
from worker.venues.seam import Adapter

log = structlog.get_logger(__name__)

LONGEST_LOAD_WAIT_S = 15


class NotReady(Exception):
    """Something that has to be there is not; the message says what to do."""


def load_accounts(settings: Settings) -> Accounts:
    """The registry's accounts and the sandbox's, whichever there are. Raises RegistryError or NotReady."""
    found: list[Account] = []
    if settings.accounts:
        found.extend(read_registry(settings.accounts))
    if settings.sandbox_file.exists():
        found.extend(_sandbox_accounts(settings))
    if not found:
        raise NotReady(
            "no exchange account is known: set PERPS_DMA_ACCOUNTS to a registry file, "
            "or start the sandbox venues with `make up` or `perps-dma sandbox`"
        )
    return Accounts(tuple(found))


def _sandbox_accounts(settings: Settings) -> list[Account]:
    try:
        listed = json.loads(settings.sandbox_file.read_text())["accounts"]
        return [Account.model_validate(row) for row in listed]
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise RegistryError(
            f"{settings.sandbox_file} is not what the sandbox writes ({type(error).__name__}); start the sandbox again"
        ) from error


def jwt_secret(settings: Settings) -> SecretStr:
    """The secret of the HTTP tokens: PERPS_DMA_JWT_SECRET, else the one `up` made. Raises NotReady."""
    if settings.jwt_secret:
        return settings.jwt_secret
    with suppress(FileNotFoundError):
        return SecretStr(settings.jwt_secret_file.read_text().strip())
    raise NotReady(
        "there is no secret to check tokens with: set PERPS_DMA_JWT_SECRET (32 bytes or more), "
        "or let `make up` make one for its own use"
    )


def amqp_url(settings: Settings) -> str:
    """The broker: PERPS_DMA_AMQP_URL, else the one of a running `up`. Raises NotReady."""
    if settings.amqp_url:
        return str(settings.amqp_url)
    with suppress(FileNotFoundError):
        return str(json.loads(settings.up_file.read_text())["amqp"])
    raise NotReady(f"no broker: nothing runs in {settings.state}; start it with `make up`, or set PERPS_DMA_AMQP_URL")


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


def stop_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


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


async def run_shim(settings: Settings) -> None:
    """Serve the documented HTTP API until told to stop."""
    secret = jwt_secret(settings)
    async with connect_rpc(amqp_url(settings), "perps-dma shim") as caller:
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(caller, secret, settings.timeout_ms),
                host=settings.host,
                port=settings.port,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=settings.grace_ms // 1000,
            )
        )
        await server.serve()


async def run_sandbox(settings: Settings) -> None:
    """Run the stand-in venues until told to stop; STATE/sandbox.json lists them meanwhile."""
    from worker.sandbox.server import Sandbox  # Only here: whoever runs a worker on real accounts never loads it.

    stop = stop_signal()
    async with Sandbox() as sandbox:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(settings.sandbox_file, json.dumps(sandbox.describe(), indent=2))
        log.info("sandbox ready", venues=sandbox.base_urls)
        try:
            await stop.wait()
        finally:
            settings.sandbox_file.unlink(missing_ok=True)
