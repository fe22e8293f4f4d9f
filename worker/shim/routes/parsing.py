"""From an HTTP request to the JSON body that goes on the bus."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from schemas import ErrorCode, Operation, failure
from schemas.base import WireModel
from schemas.problems import Problem, invalid_request, problems_of
from worker.messages.wire import LARGEST_BODY
from worker.shim.kit.envelope import JSON, HttpRefusal


def _too_large() -> HttpRefusal:
    message = f"the body is larger than {LARGEST_BODY} bytes"
    return HttpRefusal(failure(ErrorCode.PAYLOAD_TOO_LARGE, message, details={"limit_bytes": LARGEST_BODY}))


@dataclass(frozen=True, slots=True)
class Understood:
    """A request as JSON, and what it says."""

    body: bytes
    request: WireModel


def _too_slow(seconds: float) -> HttpRefusal:
    message = f"the body did not arrive within {seconds:g} s"
    return HttpRefusal(failure(ErrorCode.REQUEST_TIMEOUT, message), {"Connection": "close"})


def _refuse(problems: Iterable[Problem]) -> None:
    if listed := list(problems):
        raise HttpRefusal(invalid_request(listed))


def _check_content_type(request: Request) -> None:
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        _refuse([{"field": "Content-Type", "problem": f"must be {JSON}, not {media_type}"}])


async def _body_in_time(request: Request, receive_s: float) -> bytes:
    try:
        async with asyncio.timeout(receive_s):
            return await _bounded_body(request)
    except TimeoutError:
        raise _too_slow(receive_s) from None


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise _too_large()
    except ClientDisconnect:
        raise HttpRefusal(invalid_request([{"field": "body", "problem": "ends too early"}])) from None
    return bytes(body)


async def _json_body(operation: Operation, request: Request, receive_s: float) -> Understood:
    _check_content_type(request)
    body = await _body_in_time(request, receive_s)
    return Understood(body, operation.request.model_validate_json(body, strict=True))


def query_of(request: Request) -> dict[str, str]:
    """The parameters of a query string. Raises HttpRefusal where one is given more than once."""
    pairs = parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
    counts = Counter(name for name, _ in pairs)
    _refuse({"field": name, "problem": "is given more than once"} for name, count in counts.items() if count > 1)
    return dict(pairs)


def _query_body(operation: Operation, request: Request) -> Understood:
    named = {**query_of(request), **{name: request.path_params[name] for name in operation.path_names}}
    understood = operation.request.model_validate_strings(named)
    return Understood(understood.model_dump_json(exclude_unset=True).encode(), understood)


async def request_body(operation: Operation, request: Request, receive_s: float) -> Understood:
    """The request as JSON: a body as it came, or the parameters of query and path. Raises HttpRefusal.

    A body that has not arrived within `receive_s` seconds is waited for no longer.
    """
    try:
        if operation.has_body:
            return await _json_body(operation, request, receive_s)
        return _query_body(operation, request)
    except ValidationError as error:
        raise HttpRefusal(invalid_request(problems_of(error))) from None
