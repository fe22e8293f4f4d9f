"""A small HTTP server beside the real work: `/metrics` for Prometheus, `/livez` and `/readyz` for an orchestrator."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson
import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from worker.config.settings import Settings
from worker.shim.http.connections import ConnectionLimits
from worker.shim.http.listener import listening_sockets
from worker.shim.http.serving import served

MOST_CONNECTIONS = ConnectionLimits(most=16, of_address=12)
"""A Prometheus and an orchestrator need a few."""

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


def _json(status: int, facts: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(facts), status, media_type="application/json")


def _application(source: Monitored) -> Starlette:
    async def metrics(_: Request) -> Response:
        # Writing thousands of rows takes milliseconds, during which commands go on.
        body = await asyncio.to_thread(exposition, source.counted, await source.states())
        return Response(body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def livez(_: Request) -> Response:
        return _json(200, {"alive": True})

    async def readyz(_: Request) -> Response:
        is_ready, facts = await source.readiness()
        return _json(200 if is_ready else 503, facts)

    routes = [Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)]
    return Starlette(routes=routes)


@asynccontextmanager
async def monitored(settings: Settings, source: Monitored) -> AsyncIterator[None]:
    """Answer on PERPS_DMA_METRICS_PORT while the context lasts; nothing where it is not set. Raises NotReady."""
    if settings.metrics_port is None:
        yield
        return
    host, port = settings.metrics_host, settings.metrics_port
    sockets = listening_sockets(host, port, "PERPS_DMA_METRICS_PORT")
    async with served(_application(source), sockets, MOST_CONNECTIONS, settings.http_receive_s):
        log.info("metrics_served", url=f"http://{host}:{port}/metrics")
        yield
