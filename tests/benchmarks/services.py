"""The programs of the service as processes of their own, as they run in production."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path

import aiohttp

from tests.support.processes import free_port
from worker.config.settings import Settings
from worker.runtime.child import Child

READY_S = 60
GRACE_S = 20

Variables = dict[str, str]
NONE: Variables = {}
NO_SCHEDULE: Variables = {"PERPS_DMA_SNAPSHOT_INTERVAL_MS": "0"}


@asynccontextmanager
async def module(
    name: str, *arguments: str, folder: Path, ready: Callable[[], Awaitable[bool]], variables: Variables = NONE
) -> AsyncIterator[Child]:
    """A Python module as a process, from when it is ready to the end of the context; its log is in the folder."""
    child = Child(name, (sys.executable, "-m", *arguments), environ | variables, folder / "log" / f"{name}.log")
    await child.start()
    try:
        await child.until(ready, READY_S)
        yield child
    finally:
        await child.stop(GRACE_S)


@asynccontextmanager
async def service(
    name: str, settings: Settings, ready: Callable[[], Awaitable[bool]], variables: Variables = NONE
) -> AsyncIterator[Child]:
    """A command of `perps-dma`."""
    given = _as_variables(settings) | variables
    async with module(name, "worker.app.cli", name, folder=settings.state, ready=ready, variables=given) as child:
        yield child


@asynccontextmanager
async def sandbox(settings: Settings) -> AsyncIterator[Child]:
    """The stand-in venues, once they are listed."""

    async def listed() -> bool:
        return settings.sandbox_file.exists()

    async with service("sandbox", settings, listed) as child:
        yield child


@asynccontextmanager
async def shim(settings: Settings) -> AsyncIterator[str]:
    """The shim, once it listens; where that is."""
    base = f"http://{settings.host}:{settings.port}"
    async with service("shim", settings, lambda: answers(f"{base}/healthz")):
        yield base


@asynccontextmanager
async def worker(
    settings: Settings, variables: Variables = NO_SCHEDULE, program: tuple[str, ...] = ("worker.app.cli", "worker")
) -> AsyncIterator[Child]:
    """A worker, once it says itself that it is ready."""
    port = free_port()
    given = _as_variables(settings) | {"PERPS_DMA_METRICS_PORT": str(port)} | variables
    async with module(
        "worker",
        *program,
        folder=settings.state,
        ready=lambda: answers(f"http://127.0.0.1:{port}/readyz"),
        variables=given,
    ) as child:
        yield child


async def answers(url: str) -> bool:
    """Whether something is there and well."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


def _as_variables(settings: Settings) -> dict[str, str]:
    assert settings.jwt_secret is not None
    return {
        "PERPS_DMA_STATE": str(settings.state),
        "PERPS_DMA_PORT": str(settings.port),
        "PERPS_DMA_AMQP_URL": str(settings.amqp_url),
        "PERPS_DMA_JWT_SECRET": settings.jwt_secret.get_secret_value(),
    }
