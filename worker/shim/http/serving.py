"""An ASGI application on bounded HTTP, beside whatever else the process does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from socket import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from worker.shim.http.connections import ConnectionLimits, Connections
from worker.shim.http.listener import Listener
from worker.shim.http.protocol import bounded_protocol, protocol_of


@asynccontextmanager
async def served(
    app: ASGIApp, sockets: Sequence[socket], limits: ConnectionLimits, receive_s: float
) -> AsyncIterator[None]:
    """Answer on some sockets while the context lasts."""
    config = uvicorn.Config(
        app,
        http=bounded_protocol(receive_s),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    connections = Connections(limits)
    listener = Listener(sockets, connections, partial(protocol_of, config, state))
    listener.start()
    try:
        yield
    finally:
        listener.close()
        connections.abort()
        await listener.wait_closed()
