"""The shim as a process: uvicorn on the settings' address, over a connection to the bus."""

import socket
from collections.abc import Awaitable, Callable

import uvicorn

from worker.bus.rpc import connect_rpc
from worker.locations import amqp_url, jwt_secret
from worker.monitoring.server import monitored
from worker.monitoring.traces import recorded
from worker.settings import Settings
from worker.shim.app import create_app
from worker.shim.states import ShimStates


async def run_shim(settings: Settings) -> None:
    """Serve the documented HTTP API until told to stop."""
    secret = jwt_secret(settings)
    async with (
        recorded(settings, "shim") as traces,
        connect_rpc(amqp_url(settings), "perps-dma shim", settings.shards) as caller,
        monitored(settings, ShimStates(caller)),
    ):
        server = _Server(
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
            ),
            traces.close,
        )
        await server.serve()


class _Server(uvicorn.Server):
    """uvicorn sends itself the signal again that it was stopped with, so that nothing can be done after it."""

    def __init__(self, config: uvicorn.Config, at_end: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._at_end = at_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, then do the last thing."""
        await super().shutdown(sockets)
        await self._at_end()
