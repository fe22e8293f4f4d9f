"""`perps-dma send`: publish, wait, print."""

import json
from uuid import uuid4

from schemas import OPERATIONS
from worker.bus.rpc import BusError, connect_rpc
from worker.config.locations import amqp_url
from worker.config.settings import Settings
from worker.console.display import show_envelope, show_json
from worker.runtime.clock import now
from worker.runtime.errors import ConfigurationError


async def send(
    settings: Settings, operation: str, body: bytes, command_id: str | None, timeout_s: float, *, as_json: bool
) -> bool:
    """Publish a request and print its answer. True when it succeeded."""
    if operation not in OPERATIONS:
        raise ConfigurationError(f"there is no operation {operation!r}; there are {', '.join(OPERATIONS)}")
    async with connect_rpc(amqp_url(settings), "perps-dma send", settings.shards) as client:
        try:
            answer = await client.call(
                OPERATIONS[operation],
                body,
                command_id=command_id or str(uuid4()),
                deadline=now() + int(timeout_s * 1000),
                actor="cli",
            )
        except BusError as error:
            raise ConfigurationError(str(error)) from error
    if as_json:
        show_json(answer.body.decode())
    else:
        show_envelope(json.loads(answer.body), answer.headers)
    return answer.status < 400
