"""A TCP proxy in front of a broker, which understands enough of AMQP to say what the broker would say on a bad day."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

METHOD, END = 1, b"\xce"
HEAD = struct.Struct(">BHI")
PROTOCOL_HEADER = 8
CONFIRM_SELECT = (85, 10)
CONSUME_OK = struct.pack(">HH", 60, 21)
BASIC_ACK, BASIC_NACK = struct.pack(">HH", 60, 80), struct.pack(">HH", 60, 120)


def closing(code: int, text: str) -> bytes:
    """The frame with which a broker ends a connection."""
    body = struct.pack(">HHHB", 10, 50, code, len(text)) + text.encode() + struct.pack(">HH", 0, 0)
    return HEAD.pack(METHOD, 0, len(body)) + body + END


@dataclass(slots=True, eq=False)
class _Line:
    """One connection, and its channels whose publishers are told nothing but refusals."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    consuming: asyncio.Event
    confirming: set[int] = field(default_factory=set)
    refusing: set[int] = field(default_factory=set)

    def asked(self, channel: int, payload: bytes) -> bytes:
        """What the client says, as the broker gets it."""
        if struct.unpack_from(">HH", payload) == CONFIRM_SELECT:
            self.confirming.add(channel)
            self.refusing.discard(channel)
        return payload

    def told(self, channel: int, payload: bytes) -> bytes:
        """What the broker says, as the client gets it. An ack and a nack have the same fields."""
        if payload.startswith(CONSUME_OK):
            self.consuming.set()
        if channel in self.refusing and payload.startswith(BASIC_ACK):
            return BASIC_NACK + payload[len(BASIC_ACK) :]
        return payload


@dataclass(slots=True)
class AmqpProxy:
    """A proxy, by the URL that leads through it. It is `consuming` once somebody behind it is told what comes."""

    url: str = ""
    consuming: asyncio.Event = field(default_factory=asyncio.Event)
    _lines: list[_Line] = field(default_factory=list)

    def refuse(self) -> None:
        """Refuse from now on what is published on the channels that are open now; those opened later are as ever."""
        for line in self._lines:
            line.refusing |= line.confirming

    def end(self, code: int, text: str) -> None:
        """End every connection as a broker does, whose word is its last."""
        for line in self._lines:
            line.client.write(closing(code, text))
            line.server.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Pass one connection on."""
        answers, server = await asyncio.open_connection(host, port)
        line = _Line(writer, server, self.consuming)
        self._lines.append(line)
        await asyncio.gather(_to_broker(line, reader), _to_client(line, answers))
        self._lines.remove(line)


async def _to_broker(line: _Line, reader: asyncio.StreamReader) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        line.server.write(await reader.readexactly(PROTOCOL_HEADER))
        await _pass(reader, line.server, line.asked)
    line.server.close()


async def _to_client(line: _Line, answers: asyncio.StreamReader) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        await _pass(answers, line.client, line.told)
    line.client.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter, say: Callable[[int, bytes], bytes]) -> None:
    while True:
        kind, channel, length = HEAD.unpack(head := await source.readexactly(HEAD.size))
        payload, end = await source.readexactly(length), await source.readexactly(len(END))
        target.write(head + (say(channel, payload) if kind == METHOD else payload) + end)
        await target.drain()


@asynccontextmanager
async def amqp_proxy(url: str) -> AsyncIterator[AmqpProxy]:
    """A proxy in front of the broker of a URL."""
    there, proxy = urlsplit(url), AmqpProxy()
    host, port = str(there.hostname), int(there.port or 5672)
    serving = await asyncio.start_server(lambda reader, writer: proxy.serve(reader, writer, host, port), "127.0.0.1")
    async with serving:
        place = f"127.0.0.1:{serving.sockets[0].getsockname()[1]}"
        proxy.url = there._replace(netloc=f"{there.username}:{there.password}@{place}").geturl()
        yield proxy
