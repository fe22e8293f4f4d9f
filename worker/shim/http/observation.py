"""What every request leaves behind: a span in its caller's trace, counts, and the trace's id on its log lines."""

import time

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.telemetry import tracing
from worker.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS
from worker.telemetry.tracing import TraceContext

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Whatever else a client may call a method is counted as one."""


class Observation:
    """Wraps an application. Routes are told by their templates, for a path may hold anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on in its trace, and count how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        told = TraceContext.read(headers.get("traceparent"), headers.get("tracestate"))
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        about = {"http.request.method": method, "url.scheme": scope["scheme"], "url.path": scope["path"]}
        with tracing.arriving(told, method, tracing.Kind.SERVER, about) as span:
            structlog.contextvars.bind_contextvars(trace_id=tracing.trace_id())
            scope["traceparent"] = headers["traceparent"] if told else tracing.traceparent()
            await self._observed(span, method, scope, receive, send)

    async def _observed(self, span: tracing.Span, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 500  # what ends in an exception is answered further out, as a fault

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            HTTP_REQUESTS.labels(method, route, status).inc()
            HTTP_SECONDS.labels(method, route).observe(time.perf_counter() - began)
            span.rename(f"{method} {route}")
            span.tell({"http.route": route, "http.response.status_code": status})
            if status >= 500:
                span.fail(str(status))
