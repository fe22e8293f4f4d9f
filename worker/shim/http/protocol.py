"""HTTP/1.1 as uvicorn speaks it, with an end to what never arrives.

uvicorn itself ends connections that rest between two requests; one whose request comes byte by byte or without end, or
whose answer nobody fetches, it would hold open for ever.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from schemas import ErrorCode, Failure, failure
from worker.messages.wire import encode
from worker.shim.http.connections import Connection
from worker.shim.http.limits import LARGEST_HEAD
from worker.shim.http.security_headers import with_ours
from worker.shim.kit.envelope import JSON
from worker.telemetry.metrics import HTTP_REFUSED

LATER_S = 1.0
"""How much longer a body is waited for here than where it is read, from where it can be answered better."""

MOST_BYTES_OF_A_HEAD = 2 * LARGEST_HEAD
"""What is read of a head before it is complete; the headers of one that is complete are measured more exactly."""

MOST_BYTES_AROUND_A_BODY = LARGEST_HEAD
"""What may stand around the data of a body: sizes and extensions of its chunks, and trailers. Nobody reads them."""

FED_AT_ONCE = 1024
"""Bytes that the parser is given before it is looked what they were: it would take a quarter of a megabyte at once."""

GOODBYE_S = 1.0
"""How long a client may take to say goodbye: over TLS when the server stops, or while it sends what is refused."""


class _Flow(FlowControl):
    """Reads no more while there is something that was read and not looked at."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request has `receive_s` seconds for its head, and again for its body.

    So long may a client also fetch nothing of its answer. What is sent ahead of an answer is looked at after it.
    """

    receive_s = 10.0
    _flow: _Flow
    _due: asyncio.TimerHandle | None = None
    _fetched_by: asyncio.TimerHandle | None = None
    _in_body = False
    _stopping = False
    _framing = 0
    _data = 0
    _turned = False
    _unread = b""
    _deaf = False
    _running: RequestResponseCycle | None = None
    _connection: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request from now on."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        self._connection = self.app_state.get("connection")
        if self._connection is not None:
            self._connection.closable = self
        self._wait(self.receive_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        self._fetched()
        self._forsake()
        self._unread = b""
        if self._connection is not None:
            self._connection.ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Look at what came."""
        self._unread += data
        self._look()

    def _look(self) -> None:
        """Give the parser what came, bit by bit, as far as no other request waits for its turn already."""
        unread, at = memoryview(self._unread), 0
        while at < len(unread) and not self.pipeline and not self._ends:
            self._feed(unread[at : at + FED_AT_ONCE])
            at += FED_AT_ONCE
        self._unread = b"" if self._ends else bytes(unread[at:])
        self._flow.held = bool(self._unread)
        if self._flow.held:
            self._flow.pause_reading()

    @property
    def _ends(self) -> bool:
        return self._deaf or self.transport.is_closing()

    def _feed(self, part: memoryview) -> None:
        """Begin to wait when a request begins, and count what is no data of a body.

        What ends within a part counts no more.
        """
        if self._due is None:
            self._wait(self.receive_s)
        self._data, self._turned = 0, False
        super().data_received(part)  # type: ignore[arg-type]  # the parser takes any bytes
        self._framing = 0 if self._turned else self._framing + len(part) - self._data
        most = MOST_BYTES_AROUND_A_BODY if self._in_body else MOST_BYTES_OF_A_HEAD
        if self._framing > most and not self._ends:
            what = "what surrounds the data of the body is" if self._in_body else "the headers are"
            message, limit = f"{what} larger than {LARGEST_HEAD} bytes", {"limit_bytes": LARGEST_HEAD}
            self._refuse(failure(ErrorCode.HEADERS_TOO_LARGE, message, details=limit))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers belong to no head, and nobody asks for them."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body is waited for."""
        super().on_headers_complete()
        self._in_body = self._turned = True
        self._wait(self.receive_s + LATER_S)
        if self._connection is not None:
            self._connection.works()

    def on_body(self, body: bytes) -> None:
        """This is what was asked for."""
        self._data += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._in_body, self._turned = False, True
        self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or say goodbye where the server stops."""
        if self._connection is not None and not self.pipeline:
            self._connection.rests()
        super().on_response_complete()
        self._end_soon()
        if self._unread and not self._ends:
            self._look()
            if not self._unread:
                self._flow.resume_reading()

    def shutdown(self) -> None:
        """Close as soon as the running request is answered."""
        self._stopping = True
        super().shutdown()
        self._end_soon()

    def _end_soon(self) -> None:
        if self._stopping and self.transport.is_closing():
            self.loop.call_later(GOODBYE_S, self.abort)

    def pause_writing(self) -> None:
        """The client has not fetched what was written; it is not waited for without end."""
        super().pause_writing()
        self._fetched_by = self.loop.call_later(self.receive_s, self.abort)

    def resume_writing(self) -> None:
        """It goes on fetching."""
        self._fetched()
        super().resume_writing()

    def _fetched(self) -> None:
        if self._fetched_by is not None:
            self._fetched_by.cancel()
            self._fetched_by = None

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is refused in the documented form too."""
        self._refuse(failure(ErrorCode.INVALID_REQUEST, "this is no HTTP request"))

    def _wait(self, seconds: float) -> None:
        self._rest()
        self._due = self.loop.call_later(seconds, self._too_late)

    def _rest(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_late(self) -> None:
        if (
            self.transport.is_closing()
            or self._in_body
            or (self.cycle is not None and not self.cycle.response_complete)
        ):
            self.abort()
        else:
            self._refuse(failure(ErrorCode.REQUEST_TIMEOUT, f"no request arrived within {self.receive_s:g} s"))

    def _refuse(self, envelope: Failure) -> None:
        """Say why, unless an answer has begun or must come first, and close."""
        self._rest()
        self._deaf = True
        HTTP_REFUSED.labels(envelope.error.code).inc()
        cycle = self.cycle
        if cycle is not None and self._in_body:
            if cycle.response_complete:
                self.transport.close()
                return
            if cycle.response_started or self.pipeline:
                self.abort()
                return
            self._forsake()
        elif cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False  # it is the one before that is being answered, and the last
            return
        self._say(envelope)

    def _say(self, envelope: Failure) -> None:
        status, body = HTTPStatus(envelope.statusCode), encode(envelope)
        own = {"content-type": JSON, "content-length": str(len(body)), "connection": "close"}
        rows = with_ours([(name.encode(), value.encode()) for name, value in own.items()], secure=False)
        head = b"".join(b"%b: %b\r\n" % row for row in rows)
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, status.phrase.encode(), head, body))
        self._leave()

    def _leave(self) -> None:
        """Close when the client has, or soon: what it still sends would cost it our answer if it met a closed door."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(GOODBYE_S, self.abort)
        else:
            self.transport.close()

    def abort(self) -> None:
        """End the connection at once, whatever runs."""
        self._forsake()
        self.transport.abort()

    def _forsake(self) -> None:
        """Whoever waits for the rest of a body is told that it will not come, and what it says is heard no more."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)


def bounded_protocol(receive_s: float) -> type[Any]:
    """The protocol with another patience."""
    return type("BoundedProtocol", (BoundedProtocol,), {"receive_s": receive_s})


def protocol_of(config: uvicorn.Config, state: ServerState, connection: Connection) -> asyncio.Protocol:
    """The protocol of one connection. The requests on it know the connection by their scope's state."""
    made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
        config=config, server_state=state, app_state={"connection": connection}
    )
    return made
