"""An identity provider that serves a key set over real HTTP, and can fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class IdentityProvider:
    """What it serves is changed by the test; `fetches` counts how often it was asked."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows: list[dict[str, Any]] = list(rows)
        self.fetches = 0
        self.status = 200
        self.body: str | None = None
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.url = ""
        self._asked = asyncio.Condition()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        async with self._asked:
            self.fetches += 1
            self._asked.notify_all()
        if self.answer is not None:
            return await self.answer(request)
        if self.body is not None or self.status != 200:
            return web.Response(status=self.status, text=self.body or "<html>")
        return web.json_response({"keys": self.rows})

    async def asked_again(self, than: int) -> None:
        """Wait until it was asked more often."""
        async with asyncio.timeout(30), self._asked:
            await self._asked.wait_for(lambda: self.fetches > than)


@asynccontextmanager
async def identity_provider(
    *rows: dict[str, Any], tls: ssl.SSLContext | None = None
) -> AsyncIterator[IdentityProvider]:
    """One on loopback."""
    provider = IdentityProvider(*rows)
    app = web.Application()
    app.router.add_get("/keys", provider.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider.url = f"{'https' if tls else 'http'}://{host}:{port}/keys"
    try:
        yield provider
    finally:
        await runner.cleanup()
