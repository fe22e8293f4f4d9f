"""A local HTTP server that answers with bytes of one's choice, also without end: for what no HTTP library sends."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def answering(first: bytes, again: bytes = b"") -> AsyncIterator[str]:
    """The URL of a server that answers each request with `first`, and then `again` for as long as it is listened to."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            await writer.drain()
            while again:
                writer.write(again)
                await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()


def head(status: int = 200, headers: Iterable[str] = ()) -> bytes:
    """The head of an answer."""
    lines = (f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", *headers)
    return "\r\n".join((*lines, "", "")).encode()
