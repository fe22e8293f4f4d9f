"""A TCP proxy in front of a PostgreSQL, which understands enough of the protocol to break it exactly at a commit.

A commit is the text COMMIT, or the Sync behind a statement that is its own transaction. Which one is meant is told by a
piece of the SQL that is committed with it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

SSL_REQUEST = 80877103


class Break(StrEnum):
    """What happens at the commit."""

    BEFORE = "the line is cut before the server gets it"
    AFTER = "the line is cut before its answer comes back"
    NO_ANSWER = "its answer is kept back, and the line stays"


@dataclass(slots=True)
class _Planned:
    sql: str
    how: Break


@dataclass(slots=True)
class _Line:
    """One connection: the client's statements by name, and those of the transaction that is under way."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    prepared: dict[bytes, str] = field(default_factory=dict)
    run: list[str] = field(default_factory=list)
    in_transaction: bool = False
    broken: Break | None = None

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


@dataclass(slots=True)
class PostgresProxy:
    """A proxy, by the URL that leads through it. `broke` counts what was planned and has happened."""

    url: str = ""
    broke: int = 0
    _planned: list[_Planned] = field(default_factory=list)
    _lines: list[_Line] = field(default_factory=list)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)

    def plan(self, sql: str, how: Break, times: int = 1) -> None:
        """Break the next commits of this piece of SQL."""
        self._planned.extend(_Planned(sql, how) for _ in range(times))

    def stall(self) -> None:
        """Let nothing pass in either direction, nor break off."""
        self._flows.clear()

    def flow(self) -> None:
        """Let everything pass again."""
        self._flows.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Pass one connection on."""
        try:
            answers, server = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(writer, server)
        self._lines.append(line)
        with suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(line, reader))
                group.create_task(self._back(line, answers))

    def cut_all(self) -> None:
        """Cut every connection."""
        for line in self._lines:
            line.cut()
        self._lines.clear()

    async def _forward(self, line: _Line, reader: asyncio.StreamReader) -> None:
        try:
            while await self._started(line, reader):
                pass
            while True:
                kind, body = await reader.readexactly(1), await _body(reader)
                await self._flows.wait()
                line.broken = line.broken or self._meant(line, kind, body)
                if line.broken is Break.BEFORE:
                    self.broke += 1
                    line.cut()
                    return
                await _pass_on(line.server, kind + _with_length(body))
        except (OSError, asyncio.IncompleteReadError):
            line.cut()

    async def _started(self, line: _Line, reader: asyncio.StreamReader) -> bool:
        """Pass the first message on; tells whether another one without a type follows."""
        body = await _body(reader)
        await self._flows.wait()
        await _pass_on(line.server, _with_length(body))
        return int.from_bytes(body[:4]) == SSL_REQUEST

    async def _back(self, line: _Line, answers: asyncio.StreamReader) -> None:
        try:
            while data := await answers.read(65536):
                if line.broken is Break.NO_ANSWER:
                    self.broke += 1
                    line.broken = None
                    await asyncio.Event().wait()
                if line.broken is Break.AFTER:
                    self.broke += 1
                    break
                await self._flows.wait()
                await _pass_on(line.client, data)
            line.cut()
        except OSError:
            line.cut()

    def _meant(self, line: _Line, kind: bytes, body: bytes) -> Break | None:
        """How to break here, where that was planned."""
        if not _notices_commit(line, kind, body):
            return None
        run, line.run = line.run, []
        for planned in self._planned:
            if any(planned.sql in sql for sql in run):
                self._planned.remove(planned)
                return planned.how
        return None


def _notices_commit(line: _Line, kind: bytes, body: bytes) -> bool:
    """Follow what a client does; tells whether this message commits."""
    if kind == b"P":
        name, sql, _ = body.split(b"\0", 2)
        line.prepared[name] = sql.decode()
    elif kind == b"B":
        _, name, _ = body.split(b"\0", 2)
        line.run.append(line.prepared[name])
    elif kind == b"Q":
        text = body.rstrip(b"\0").decode()
        line.in_transaction = text == "BEGIN" or (line.in_transaction and text not in ("COMMIT", "ROLLBACK"))
        if text in ("BEGIN", "ROLLBACK"):
            line.run.clear()
        return text == "COMMIT"
    return kind == b"S" and not line.in_transaction and bool(line.run)


async def _body(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)


def _with_length(body: bytes) -> bytes:
    return (len(body) + 4).to_bytes(4) + body


async def _pass_on(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@asynccontextmanager
async def postgres_proxy(url: str) -> AsyncIterator[PostgresProxy]:
    """A proxy in front of the database of a URL, until the end of the context."""
    parts, proxy = urlsplit(url), PostgresProxy()
    host, port = parts.hostname or "", parts.port or 0
    proxy.flow()
    running: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer, host, port))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    ours = server.sockets[0].getsockname()[1]
    proxy.url = url.replace(f"@{host}:{port}/", f"@127.0.0.1:{ours}/")
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        proxy.cut_all()
        await asyncio.gather(*running, return_exceptions=True)
