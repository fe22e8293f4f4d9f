"""Asking a worker over the bus, for commands that print what it says."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from schemas import OPERATIONS
from schemas.base import Milliseconds
from worker.bus.rpc import BusError, connect_rpc
from worker.config.locations import amqp_url
from worker.config.settings import Settings
from worker.runtime.clock import now
from worker.runtime.errors import ConfigurationError, OperatorError

ANSWER_MS: Milliseconds = 10_000


class WorkerRefused(OperatorError):
    """A worker answered that it did not do what it was asked; the message says why."""


async def ask(settings: Settings, operation: str, request: Mapping[str, Any], actor: str = "cli") -> dict[str, Any]:
    """The envelope of a success. Raises WorkerRefused, or ConfigurationError when no worker answers."""
    async with connect_rpc(amqp_url(settings), f"perps-dma {operation}") as client:
        try:
            answer = await client.call(
                OPERATIONS[operation],
                json.dumps(request).encode(),
                command_id=str(uuid4()),
                deadline=now() + ANSWER_MS,
                actor=actor,
            )
        except BusError as error:
            raise ConfigurationError(str(error)) from error
    envelope: dict[str, Any] = json.loads(answer.body)
    if envelope["isError"]:
        raise WorkerRefused(envelope["message"].removeprefix("Error - "))
    return envelope
