"""`perps-dma healthcheck`: whether a service fares well, in words that a container engine understands."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx

from worker.config.settings import Settings
from worker.console.kit.ask import WorkerRefused, ask
from worker.runtime.errors import ConfigurationError

PATIENCE_S = 4
LOOPBACK = "127.0.0.1"

FIRST_PROCESS = Path("/proc/1/cmdline")
"""In a container the service is the first process."""


async def _worker(settings: Settings) -> None:
    if settings.metrics_port is not None:
        await _lives(settings.metrics_port)
        return
    try:
        await ask(settings, "get_status", {})
    except WorkerRefused as error:
        raise ConfigurationError(str(error)) from error


async def _lives(port: int) -> None:
    await _answers(f"http://{LOOPBACK}:{port}/livez")


async def _shim(settings: Settings) -> None:
    if settings.metrics_port is not None:
        return await _lives(settings.metrics_port)
    return await _answers(f"http://{LOOPBACK}:{settings.port}/healthz")


async def _sandbox(settings: Settings) -> None:
    try:
        venues = json.loads(settings.sandbox_file.read_text())["venues"]
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"the stand-in venues do not listen yet: there is no {settings.sandbox_file}"
        ) from error
    for venue in venues.values():
        await _answers(f"{venue['control_url']}/requests")


async def _answers(url: str) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        try:
            (await client.get(url)).raise_for_status()
        except httpx.HTTPError as error:
            raise ConfigurationError(f"{url}: {error or type(error).__name__}") from error


PROBES: Mapping[str, Callable[[Settings], Awaitable[None]]] = MappingProxyType(
    {"worker": _worker, "shim": _shim, "sandbox": _sandbox}
)
"""How each service is looked at. Each raises ConfigurationError with what is wrong."""


def service_of(command_line: bytes) -> str:
    """The service that a process is, by the command line in /proc. Raises ConfigurationError for any other process."""
    words = command_line.decode(errors="replace").split("\0")
    if found := [word for word in words if word in PROBES]:
        return found[0]
    raise ConfigurationError(f"the first process here is no service of ours: name one of {', '.join(PROBES)}")


async def check_health(settings: Settings, service: str | None) -> None:
    """Look at a service, or at the one that is this container's first process. Raises ConfigurationError."""
    name = service or service_of(await asyncio.to_thread(FIRST_PROCESS.read_bytes))
    if name not in PROBES:
        raise ConfigurationError(f"there is no service {name!r}; there are {', '.join(PROBES)}")
    await PROBES[name](settings)
