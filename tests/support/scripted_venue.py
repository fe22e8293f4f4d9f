"""A local HTTP server that answers by script and notes what it was asked: for what no well-behaved venue would do."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

BTCUSDT: Mapping[str, Any] = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1569398400000,
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "underlyingType": "COIN",
    "filters": [],
}
"""A market as Binance lists it, with what we read."""

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: str = ""


def answers(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answering:
    """Answer with JSON, or with bytes as they are."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    kind = "text/html" if isinstance(body, bytes) else "application/json"

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, status=status, content_type=kind, headers=headers)

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection before any answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def hangs_up_half_way(request: web.Request) -> web.StreamResponse:
    """Announce a body and cut the connection in the middle of it."""
    response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"leverage":')
    assert request.transport
    request.transport.abort()
    return response


async def says_nothing(request: web.Request) -> web.StreamResponse:
    """Keep the client waiting until it goes away."""
    await asyncio.Event().wait()
    return web.Response()


class ScriptedVenue:
    """The server. `script` holds the coming answers by path; the last one of a path is given for ever."""

    def __init__(self) -> None:
        self.script: dict[str, deque[Answering]] = defaultdict(deque)
        self.asked: list[Asked] = []
        self.url = ""
        self.reached = asyncio.Event()

    def on(self, path: str, *answering: Answering) -> None:
        """Set the coming answers of a path."""
        self.script[path] = deque(answering)

    def asked_for(self, path: str) -> list[Asked]:
        """The requests for a path."""
        return [asked for asked in self.asked if asked.path == path]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        params = dict(request.query) | dict(parse_qsl(body))
        self.asked.append(Asked(request.method, request.path, params, dict(request.headers), body))
        self.reached.set()
        coming = self.script.get(request.path) or deque([answers({"code": -5000, "msg": "Not in the script."}, 404)])
        return await (coming.popleft() if len(coming) > 1 else coming[0])(request)
