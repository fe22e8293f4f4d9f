"""How the shim fares, for its metrics port."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from prometheus_client.core import Metric

from worker.bus.rpc import RpcClient
from worker.monitoring.rows import (
    broker_connected,
    build_info,
    consumers,
    http_connections,
    http_connections_dropped,
)
from worker.shim.http.connections import Connections
from worker.shim.routes.readiness import Readiness
from worker.telemetry.metrics import SHIM


class ShimStates:
    """What the shim sees of the workers; it was looked at a second ago and costs nothing."""

    counted = SHIM

    def __init__(self, caller: RpcClient, look: Callable[[], Awaitable[Readiness]], connections: Connections) -> None:
        self._caller = caller
        self._look = look
        self._connections = connections

    async def states(self) -> Iterable[Metric]:
        """What is a state."""
        return (
            build_info(),
            broker_connected(self._caller.connected),
            consumers(self._caller.counts),
            http_connections(self._connections.count),
            http_connections_dropped(self._connections.dropped),
        )

    async def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """As on its public `/readyz`."""
        found = await self._look()
        return found.is_ready, found.facts()
