"""One log line per request, and the trace context given back."""

import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.shim.kit.trace import trace_headers

log = structlog.get_logger("worker.shim")


class AccessLog:
    """Wraps an application. It logs neither query strings nor request headers, so never a token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        trace = trace_headers(scope)
        # What ends in an exception is answered further out, as a fault.
        answered: dict[str, object] = {"status": 500}

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.update(trace)
                answered.update(status=message["status"], command_id=headers.get("command-id"))
            await send(message)

        try:
            await self._app(scope, receive, send_traced)
        finally:
            ms = round((time.perf_counter() - began) * 1000, 2)
            log.info("request_answered", method=scope["method"], path=scope["path"], ms=ms, **answered)
