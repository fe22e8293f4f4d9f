"""The two transports of the server: standard input and output, and streamable HTTP.

Over HTTP each request brings the token of whoever asks, and the shim says whether it is good: without one there is not
even a list of tools. No session is kept, so that any number of these servers may stand behind one address.
"""

import hashlib
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas import ErrorCode, failure
from worker.config.settings import Settings
from worker.config.tls import server_context
from worker.mcp.doors import HttpDoor, ServiceAway, bus_door, http_door
from worker.mcp.server import mcp_server
from worker.shim.http.listener import listening_sockets

PATH = "/mcp"
GOOD_S = 30.0
"""How long the shim's word that a token is good is taken for a list of tools; it judges each call of a tool anew."""

MOST_REMEMBERED = 1_000


async def serve_stdio(settings: Settings, *, commands: bool, url: str | None, token: str | None) -> None:
    """Serve whoever started us until its input ends: over HTTP with a token, or else over the bus.

    Raises ConfigurationError.
    """
    async with http_door(settings, url, token) if url is not None else bus_door(settings) as door:
        server = mcp_server(door, commands=commands)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())


async def serve_http(settings: Settings, *, commands: bool, url: str, host: str, port: int) -> None:
    """Serve streamable HTTP on an address until told to stop. Raises ConfigurationError."""
    certificate = server_context(settings)
    async with http_door(settings, url) as door:
        config = uvicorn.Config(
            http_app(mcp_server(door, commands=commands), door),
            host=host,
            port=port,
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            ssl_context_factory=None if certificate is None else lambda *_: certificate,
            timeout_graceful_shutdown=settings.grace_ms // 1000,
        )
        listening = listening_sockets(host, port, "--port")
        where = f"{'http' if certificate is None else 'https'}://{host}:{port}{PATH}"
        print(f"perps-dma: serves {'all tools' if commands else 'what reads'} at {where}", file=sys.stderr, flush=True)  # noqa: T201
        await uvicorn.Server(config).serve(listening)


def http_app(server: Server[Any], door: HttpDoor) -> Starlette:
    """The application: one path, and nothing for whoever has no good token."""
    sessions = StreamableHTTPSessionManager(app=server, json_response=True, stateless=True)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with sessions.run():
            yield

    return Starlette(routes=[Route(PATH, Admission(StreamableHTTPASGIApp(sessions), door))], lifespan=lifespan)


class Admission:
    """Lets in whose token the shim takes. Pages of other sites, which browsers name as `Origin`, are turned away."""

    def __init__(self, app: ASGIApp, door: HttpDoor) -> None:
        self._app = app
        self._door = door
        self._good: OrderedDict[bytes, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        refusal = _foreign_page() if "origin" in headers else await self._refusal(headers.get("authorization", ""))
        await (self._app if refusal is None else refusal)(scope, receive, send)

    async def _refusal(self, authorization: str) -> Response | None:
        known = hashlib.sha256(authorization.encode()).digest()
        if self._good.get(known, 0) > monotonic():
            return None
        try:
            answer = await self._door.admits(authorization)
        except ServiceAway as error:
            return _as_response(ErrorCode.BROKER_UNAVAILABLE, str(error))
        if answer.status_code != 200:
            kept = {"www-authenticate", "retry-after"} & answer.headers.keys()
            told = {name: answer.headers[name] for name in kept}
            return Response(answer.content, answer.status_code, told, answer.headers.get("content-type"))
        self._remember(known)
        return None

    def _remember(self, known: bytes) -> None:
        self._good[known] = monotonic() + GOOD_S
        self._good.move_to_end(known)
        if len(self._good) > MOST_REMEMBERED:
            self._good.popitem(last=False)


def _foreign_page() -> Response:
    return _as_response(ErrorCode.FORBIDDEN, "this server is for programs, and not for pages of a browser")


def _as_response(code: ErrorCode, message: str) -> Response:
    envelope = failure(code, message)
    return JSONResponse(envelope.model_dump(mode="json"), envelope.statusCode)
