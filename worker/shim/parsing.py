"""From an HTTP request to the JSON body that goes on the bus."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from schemas import ErrorCode, Operation, failure
from schemas.problems import Problem, invalid_request, problems_of
from worker.shim.envelope import JSON, Refusal
from worker.wire import LARGEST_BODY


def _too_large() -> Refusal:
    message = f"the body is larger than {LARGEST_BODY} bytes"
    return Refusal(failure(ErrorCode.PAYLOAD_TOO_LARGE, message, details={"limit_bytes": LARGEST_BODY}))


def _refuse(problems: Iterable[Problem]) -> None:
    if listed := list(problems):
        raise Refusal(invalid_request(listed))


def _check_content_type(request: Request) -> None:
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        _refuse([{"field": "Content-Type", "problem": f"must be {JSON}, not {media_type}"}])


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise _too_large()
    except ClientDisconnect:
        raise Refusal(invalid_request([{"field": "body", "problem": "ends too early"}])) from None
    return bytes(body)


async def _json_body(operation: Operation, request: Request) -> bytes:
    _check_content_type(request)
    body = await _bounded_body(request)
    operation.request.model_validate_json(body, strict=True)
    return body


def _query_body(operation: Operation, request: Request) -> bytes:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    counts = Counter(name for name, _ in pairs)
    _refuse({"field": name, "problem": "is given more than once"} for name, count in counts.items() if count > 1)
    named = {**dict(pairs), **{name: request.path_params[name] for name in operation.path_names}}
    return operation.request.model_validate_strings(named).model_dump_json(exclude_unset=True).encode()


async def request_body(operation: Operation, request: Request) -> bytes:
    """The request as JSON: a body as it came, or the parameters of query and path. Raises Refusal."""
    try:
        if operation.has_body:
            return await _json_body(operation, request)
        return _query_body(operation, request)
    except ValidationError as error:
        raise Refusal(invalid_request(problems_of(error))) from None
