"""Answers of the shim itself: errors in the documented envelope, whoever found them."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas import ErrorCode, Failure, failure
from worker.messages.wire import encode
from worker.runtime.errors import ExecutionError
from worker.shim.kit.trace import trace_headers
from worker.telemetry.metrics import HTTP_REFUSED

JSON = "application/json"
_NO_HEADERS: Mapping[str, str] = {}


class HttpRefusal(ExecutionError):
    """The request ends here, with this envelope."""

    def __init__(self, envelope: Failure, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        super().__init__(envelope.message)
        self.envelope = envelope
        self.headers = headers

    def response(self, more_headers: Mapping[str, str] = _NO_HEADERS) -> Response:
        """The refusal as an HTTP answer."""
        HTTP_REFUSED.labels(self.envelope.error.code).inc()
        return envelope_response(self.envelope, {**self.headers, **more_headers})


def envelope_response(envelope: Failure, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    """An envelope as an HTTP answer."""
    return Response(encode(envelope), envelope.statusCode, headers, JSON)


def not_found(path: str) -> HttpRefusal:
    """There is no such route."""
    return HttpRefusal(failure(ErrorCode.NOT_FOUND, f"there is no {path}; /docs lists all routes"))


def method_not_allowed(method: str, path: str, allowed: str) -> HttpRefusal:
    """The route exists, with another method."""
    message = f"{path} does not answer {method}; it takes {allowed}"
    return HttpRefusal(failure(ErrorCode.METHOD_NOT_ALLOWED, message), {"Allow": allowed})


async def refuse(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself (no such route or file, wrong method), said in our own form."""
    path = request.url.path
    if isinstance(error, HTTPException) and error.status_code == 405:
        return method_not_allowed(request.method, path, (error.headers or {}).get("Allow", "GET, HEAD")).response()
    return not_found(path).response()


async def fault(request: Request, error: Exception) -> Response:
    """A fault of ours. What it was is for the log and not for the caller."""
    envelope = failure(ErrorCode.INTERNAL_ERROR, "a fault of this service; its log says more")
    return envelope_response(envelope, trace_headers(request.scope))
