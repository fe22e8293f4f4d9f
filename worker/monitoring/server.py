"""A small HTTP server beside the real work: `/metrics` for Prometheus, `/livez` and `/readyz` for an orchestrator."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from worker.locations import NotReady
from worker.settings import Settings

log = structlog.get_logger(__name__)


class Monitored(Protocol):
    """What can be asked how it fares."""

    counted: CollectorRegistry
    """What is counted where it happens."""

    async def states(self) -> Iterable[Metric]:
        """What is a state, collected now."""

    async def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether it would do its work now, and what that is concluded from."""


class _Collected(Collector):
    """Metrics that are collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def exposition(counted: CollectorRegistry, states: Iterable[Metric]) -> bytes:
    """All metrics as Prometheus reads them."""
    now = CollectorRegistry(auto_describe=False)
    now.register(_Collected(states))
    return generate_latest(counted) + generate_latest(now)


def _json(status: int, facts: Mapping[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(facts), status=status, content_type="application/json")


def _application(source: Monitored) -> web.Application:
    async def metrics(_: web.Request) -> web.Response:
        # Writing thousands of rows takes milliseconds, during which commands go on.
        body = await asyncio.to_thread(exposition, source.counted, await source.states())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def livez(_: web.Request) -> web.Response:
        return _json(200, {"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        is_ready, facts = await source.readiness()
        return _json(200 if is_ready else 503, facts)

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    return application


@asynccontextmanager
async def monitored(settings: Settings, source: Monitored) -> AsyncIterator[None]:
    """Answer on PERPS_DMA_METRICS_PORT while the context lasts; nothing where it is not set. Raises NotReady."""
    if settings.metrics_port is None:
        yield
        return
    runner = web.AppRunner(_application(source), access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        await _listen(runner, settings.metrics_host, settings.metrics_port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise NotReady(
            f"can't serve metrics on {host}:{port} ({error.strerror}); choose another PERPS_DMA_METRICS_PORT"
        ) from error
    log.info("metrics served", url=f"http://{host}:{port}/metrics")
