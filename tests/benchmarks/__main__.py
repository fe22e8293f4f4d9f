"""`make bench`: what the architecture promises about speed, measured in one run on this machine."""

import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path
from typing import NamedTuple

import aiohttp
import uvloop

from schemas import HTTP_PREFIXES
from tests.benchmarks.bus import bus_against_echo
from tests.benchmarks.ledger import ledger_costs
from tests.benchmarks.limits import bursts, changes_after_collections
from tests.benchmarks.memory import account_costs
from tests.benchmarks.report import (
    Runs,
    ledger_ratios,
    limit_ratios,
    memory_ratios,
    ratios,
    show_machine,
    show_ratios,
    show_samples,
)
from tests.benchmarks.routes import Venue, leverage_routes, positions_routes
from tests.processes import free_port
from tests.rabbitmq4 import rabbitmq4
from worker.bus.private_broker import find_broker
from worker.child import Child
from worker.console.display import console
from worker.settings import Settings

READY_S = 60


class Measured(NamedTuple):
    """What was measured on the sandbox venue."""

    leverage: Runs
    positions: Runs
    reads: Runs
    after_collections: Runs
    memory: Mapping[str, float]


@asynccontextmanager
async def _service(name: str, settings: Settings, ready: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """A command of `perps-dma` as a process of its own, as it runs in production."""
    assert settings.jwt_secret is not None
    variables = {
        "PERPS_DMA_STATE": str(settings.state),
        "PERPS_DMA_PORT": str(settings.port),
        "PERPS_DMA_AMQP_URL": str(settings.amqp_url),
        "PERPS_DMA_JWT_SECRET": settings.jwt_secret.get_secret_value(),
        "PERPS_DMA_SNAPSHOT_INTERVAL_MS": "0",
    }
    argv = (sys.executable, "-m", "worker.cli", name)
    child = Child(name, argv, environ | variables, settings.state / "log" / f"{name}.log")
    await child.start()
    try:
        await child.until(ready, READY_S)
        yield
    finally:
        await child.stop(grace_s=20)


async def _measure_routes(settings: Settings) -> Measured:
    base = f"http://{settings.host}:{settings.port}"

    async def listed() -> bool:
        return settings.sandbox_file.exists()

    async def answers(path: str) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(base + path) as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async with _service("sandbox", settings, listed):
        venue = await Venue.opened(settings.state)
        console.print("measuring what limits cost against ccxt and its throttler …")
        reads, after_collections = await bursts(venue), await changes_after_collections(venue)
        async with (
            _service("shim", settings, lambda: answers("/healthz")),
            _service("worker", settings, lambda: answers("/readyz")),
        ):
            routes = base + HTTP_PREFIXES[0]
            console.print("measuring set_leverage over bus and HTTP against ccxt …")
            leverage = await leverage_routes(settings, venue, routes)
            console.print("measuring GET /positions against ccxt …")
            positions = await positions_routes(settings, venue, routes)
        console.print("measuring what an account costs in memory against ccxt …")
        return Measured(leverage, positions, reads, after_collections, await account_costs(settings.state))


async def main() -> None:
    """Run all benchmarks and print their tables."""
    with tempfile.TemporaryDirectory() as folder:
        async with find_broker(Settings(state=Path(folder))) as broker:
            show_machine()
            console.print(f"rabbitmq: {broker.description}")
            settings = Settings(
                state=Path(folder),
                port=free_port(),
                amqp_url=broker.url,
                jwt_secret=secrets.token_hex(32),
                log_level="warning",
            )
            console.print("measuring the way through the bus against a bare echo …")
            async with rabbitmq4() as other:
                if other is None:
                    console.print("and on no RabbitMQ 4.3 beside it: PERPS_DMA_RABBITMQ4 names no tool that runs one")
                bus = await bus_against_echo(broker.url, other)
            console.print("measuring what the ledger adds to a command …")
            ledger = await ledger_costs(broker.url)
            there = await _measure_routes(settings)
    console.print()
    show_samples("(a) bare aio-pika RPC echo, (b) a command's way through the bus, no venue", "at once", bus)
    show_samples("(b) (c) (d) set_leverage, the sandbox venue's time included", "at once", there.leverage)
    show_samples("(e) positions, one call at a time", "positions", there.positions)
    show_samples("(f) reads on one account, all at once", "at once", there.reads)
    show_samples("(g) an auto-collection, and a change of leverage behind it", "at once", there.after_collections)
    show_samples("(h) a command's way through the bus, with the ledger and without", "at once", ledger)
    show_ratios(
        ratios(bus, there.leverage, there.positions)
        + limit_ratios(there.reads, there.after_collections)
        + ledger_ratios(ledger)
        + memory_ratios(there.memory)
    )


if __name__ == "__main__":
    uvloop.run(main())
