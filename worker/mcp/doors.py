"""The two ways from a tool to the service: over its HTTP API with a token, or over the bus as the broker's user.

Over HTTP the shim alone decides what a token may do, counts what it denies and limits how often it asks: nothing of
that is done here a second time.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from schemas.operations import CAPABILITIES_PATH, HTTP_PREFIXES, Operation
from schemas.outcomes import ErrorCode
from worker.bus.rpc import NoAnswer, NoWorker
from worker.config.settings import Settings
from worker.config.tls import local_client_context
from worker.console.kit.ask import Questions, asking
from worker.console.service.freeze import login_name
from worker.runtime.errors import ConfigurationError, OperatorError

PREFIX = HTTP_PREFIXES[0]
BEYOND_S = 20.0
"""How much longer than the service waits itself an answer over HTTP is waited for."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What is asked for. A command has its id, so that it can be asked for again."""

    operation: Operation
    fields: Mapping[str, Any]
    command_id: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered: the envelope as it came, with the headers beside it."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class ServiceAway(OperatorError):
    """The service can't be reached, or the answer was lost; the message says whether anything was sent."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.BROKER_UNAVAILABLE) -> None:
        super().__init__(message)
        self.code = code


class ServiceDoor(Protocol):
    """One way to the service."""

    async def ask(self, call: ToolCall, authorization: str | None) -> Told:
        """The answer to a call. Raises ServiceAway."""


_CODES: Mapping[type[BaseException | None], ErrorCode] = {
    NoWorker: ErrorCode.NO_WORKER,
    NoAnswer: ErrorCode.TIMEOUT,
}
"""What a request met on the bus, as the HTTP API would say it."""


@dataclass(frozen=True, slots=True)
class BusDoor:
    """Over the bus; who asks is the broker's user."""

    questions: Questions

    async def ask(self, call: ToolCall, authorization: str | None) -> Told:
        """The answer to a call."""
        body = json.dumps(dict(call.fields)).encode()
        try:
            reply = await self.questions.reply(
                call.operation.name, body, command_id=call.command_id, reason=call.reason
            )
        except ConfigurationError as error:
            code = _CODES.get(type(error.__cause__), ErrorCode.BROKER_UNAVAILABLE)
            raise ServiceAway(str(error), code) from error
        return Told(reply.status, reply.body, reply.headers)


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """Over HTTP, with the token of whoever asks, or with the one that the server was given."""

    client: httpx.AsyncClient
    token: str | None = None

    async def ask(self, call: ToolCall, authorization: str | None) -> Told:
        """The answer to a call."""
        operation = call.operation
        path = {name: quote(str(call.fields.get(name, "")), safe="") for name in operation.path_names}
        rest = {name: value for name, value in call.fields.items() if name not in path}
        headers = {"Idempotency-Key": call.command_id, **self._authorization(authorization)}
        if call.reason is not None and operation.is_command:
            headers["Audit-Reason"] = quote(call.reason, safe="")
        try:
            response = await self.client.request(
                operation.method,
                PREFIX + operation.path.format(**path),
                headers=headers,
                json=rest if operation.has_body else None,
                params=None if operation.has_body else {name: _as_parameter(value) for name, value in rest.items()},
            )
        except httpx.HTTPError as error:
            raise _away(error) from error
        named = {name.title(): value for name, value in response.headers.items()}
        return Told(response.status_code, response.content, named)

    async def admits(self, authorization: str) -> httpx.Response:
        """What the shim says of a token. Raises ServiceAway."""
        try:
            return await self.client.get(PREFIX + CAPABILITIES_PATH, headers=self._authorization(authorization))
        except httpx.HTTPError as error:
            raise _away(error) from error

    def _authorization(self, given: str | None) -> dict[str, str]:
        told = given or (f"Bearer {self.token}" if self.token else None)
        return {} if told is None else {"Authorization": told}


def _away(error: httpx.HTTPError) -> ServiceAway:
    words = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ServiceAway(f"the HTTP API can't be reached, nothing was sent: {words}")
    return ServiceAway(f"the answer of the HTTP API was lost: {words}", ErrorCode.TIMEOUT)


def _as_parameter(value: Any) -> str:
    """A value as a query string has it."""
    return value if isinstance(value, str) else json.dumps(value)


@asynccontextmanager
async def http_door(settings: Settings, url: str, token: str | None = None) -> AsyncIterator[HttpDoor]:
    """The door over HTTP, open for as long as the context lasts."""
    timeout_s = settings.timeout_ms / 1000 + BEYOND_S
    async with httpx.AsyncClient(base_url=url, timeout=timeout_s, verify=local_client_context(settings)) as client:
        yield HttpDoor(client, token)


@asynccontextmanager
async def bus_door(settings: Settings) -> AsyncIterator[BusDoor]:
    """The door over the bus, open for as long as the context lasts. Raises ConfigurationError."""
    async with asking(settings, "mcp", login_name()) as questions:
        yield BusDoor(questions)
