"""The shim as a process: uvicorn on the settings' address, over a connection to the bus."""

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
        recorded(settings, "shim"),
        connect_rpc(amqp_url(settings), "perps-dma shim", settings.shards) as caller,
        monitored(settings, ShimStates(caller)),
    ):
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
