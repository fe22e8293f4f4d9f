"""Asking a worker over the bus, for commands that print what it says."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from schemas.base import Milliseconds
from schemas.operations import OPERATIONS
from worker.bus.rpc import BusError, RpcClient, RpcReply, connect_for_few
from worker.config.addresses import amqp_url
from worker.config.settings import Settings
from worker.runtime.clock import now
from worker.runtime.errors import ConfigurationError, OperatorError

ANSWER_MS: Milliseconds = 10_000


class WorkerRefused(OperatorError):
    """A worker answered that it did not do what it was asked; the message says why."""


class Questions:
    """What is asked over one connection, by whom."""

    def __init__(self, client: RpcClient, actor: str) -> None:
        self._client = client
        self._actor = actor

    async def reply(
        self,
        operation: str,
        body: bytes,
        *,
        command_id: str | None = None,
        answer_ms: Milliseconds = ANSWER_MS,
        reason: str | None = None,
    ) -> RpcReply:
        """The answer as it came. Raises ConfigurationError when no worker answers."""
        try:
            return await self._client.call(
                OPERATIONS[operation],
                body,
                command_id=command_id or str(uuid4()),
                deadline=now() + answer_ms,
                actor=self._actor,
                reason=reason,
            )
        except BusError as error:
            raise ConfigurationError(str(error)) from error

    async def send(self, operation: str, request: Mapping[str, Any]) -> RpcReply:
        """The answer to a request as it came. Raises ConfigurationError when no worker answers."""
        return await self.reply(operation, json.dumps(request).encode())

    async def ask(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The envelope of a success. Raises WorkerRefused, or ConfigurationError when no worker answers."""
        return succeeded(await self.send(operation, request))


def succeeded(reply: RpcReply) -> dict[str, Any]:
    """The envelope of an answer. Raises WorkerRefused for one that tells of a failure."""
    envelope: dict[str, Any] = json.loads(reply.body)
    if envelope["isError"]:
        raise WorkerRefused(message_of(envelope))
    return envelope


def message_of(envelope: Mapping[str, Any]) -> str:
    """What an envelope says, without the word that it begins with where it tells of a failure."""
    return str(envelope["message"]).removeprefix("Error - ")


@asynccontextmanager
async def asking(settings: Settings, what: str, actor: str = "cli") -> AsyncIterator[Questions]:
    """Somebody to ask, on a connection whose name says for what. Raises ConfigurationError."""
    async with connect_for_few(amqp_url(settings), f"perps-dma {what}", settings.shards) as client:
        yield Questions(client, actor)


async def ask(settings: Settings, operation: str, request: Mapping[str, Any], actor: str = "cli") -> dict[str, Any]:
    """One question. Raises what `Questions.ask` and `asking` raise."""
    async with asking(settings, operation, actor) as questions:
        return await questions.ask(operation, request)
