"""`perps-dma send`: publish, wait, print."""

import json

from schemas.client.dma import PerpsDma
from schemas.operations import OPERATIONS
from worker.config.addresses import amqp_url
from worker.config.settings import Settings
from worker.console.kit.display import show_envelope, show_json
from worker.runtime.errors import ConfigurationError


async def send(
    settings: Settings, operation: str, body: bytes, command_id: str | None, timeout_s: float, *, as_json: bool
) -> bool:
    """Publish a request and print its answer. True when it succeeded."""
    if operation not in OPERATIONS:
        raise ConfigurationError(f"there is no operation {operation!r}; there are {', '.join(OPERATIONS)}")
    url, about = amqp_url(settings), "perps-dma send"
    async with PerpsDma(url, name=about, actor="cli", timeout_s=timeout_s, waits_for_worker=False) as dma:
        answer = await dma.ask(OPERATIONS[operation], body, command_id=command_id)
    if as_json:
        show_json(answer.body.decode())
    else:
        show_envelope(json.loads(answer.body), answer.headers)
    return int(answer.headers["status"]) < 400
