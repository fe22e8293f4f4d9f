"""A shim on a real HTTP server, and clients that write bytes to its socket."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import PREFIX, gate, token
from worker.config.settings import Settings
from worker.shim.app import create_app
from worker.shim.auth.access import AccessControl
from worker.shim.http.connections import ConnectionLimits, Connections
from worker.shim.http.limits import Bounds
from worker.shim.server import ShimServer, uvicorn_config

RECEIVE_S = 0.5
AUTHORIZED = f"Authorization: Bearer {token()}\r\n".encode()
POST = b"POST " + PREFIX.encode() + b"/leverage HTTP/1.1\r\nHost: shim\r\n" + AUTHORIZED


@asynccontextmanager
async def served(app: ASGIApp, connections: Connections | None = None, **settings: Any) -> AsyncIterator[ShimServer]:
    """An application on a real HTTP server, served as `perps-dma shim` serves it."""
    config = uvicorn_config(
        app, Settings(state=Path("/nonexistent"), **{"http_receive_s": RECEIVE_S, **settings}), None
    )
    server = ShimServer(config, connections or Connections(ConnectionLimits()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0.01)
        try:
            yield server
        finally:
            server.should_exit = True
            await running


def port_of(server: ShimServer) -> int:
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


@asynccontextmanager
async def serving(
    caller: InMemoryCaller,
    keeper: AccessControl | None = None,
    *,
    receive_s: float = RECEIVE_S,
    proxies: str | None = None,
) -> AsyncIterator[str]:
    """The URL of a shim."""
    app = create_app(caller, keeper or gate(caller), Bounds(receive_s=receive_s))
    async with served(app, http_receive_s=receive_s, trusted_proxies=proxies) as server:
        yield f"http://127.0.0.1:{port_of(server)}"


async def says(url: str, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """All that the shim answers to some bytes, until it closes the connection; it has to within 30 s."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    heard = bytearray()
    ended = asyncio.create_task(_hear(reader, heard))
    for part in parts:
        if ended.done():
            break
        writer.write(part)
        await asyncio.wait([ended], timeout=pause_s)
    async with asyncio.timeout(30):
        await ended
    writer.close()
    return bytes(heard)


async def _hear(reader: asyncio.StreamReader, heard: bytearray) -> None:
    """Keep what came, also when the end is a reset: we may have been writing still."""
    with suppress(ConnectionError):
        while part := await reader.read(65_536):
            heard += part


def failure_in(answer: bytes, status: int, code: str) -> None:
    """The answer is a whole HTTP response with the documented envelope, and closes the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"connection: close" in head
    assert b"x-content-type-options: nosniff" in head
    envelope = json.loads(body)
    assert (envelope["statusCode"], envelope["error"]["code"]) == (status, code)
