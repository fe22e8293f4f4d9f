"""HTTP/1.1 as uvicorn speaks it, with an end to what never arrives.

uvicorn itself ends connections that rest between two requests; one whose request comes byte by byte or without end, or
whose answer nobody fetches, it would hold open for ever.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schemas import ErrorCode, Failure, failure
from worker.shim.bounds import LARGEST_HEAD
from worker.shim.envelope import JSON
from worker.shim.security_headers import with_ours
from worker.wire import encode

LATER_S = 1.0
"""How much longer a body is waited for here than where it is read, from where it can be answered better."""

MOST_BYTES_OF_A_HEAD = 2 * LARGEST_HEAD
"""What is read of a head before it is complete; the headers of one that is complete are measured more exactly."""

GOODBYE_S = 1.0
"""How long a client may take to say goodbye over TLS when the server stops; one that keeps a connection never does."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request has `receive_s` seconds for its head, and again for its body.

    So long may a client also fetch nothing of its answer.
    """

    receive_s = 10.0
    _due: asyncio.TimerHandle | None = None
    _fetched_by: asyncio.TimerHandle | None = None
    _in_body = False
    _stopping = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request from now on."""
        super().connection_made(transport)
        self._wait(self.receive_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        self._fetched()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Begin to wait when a request begins, and count how long its head has become."""
        if self._due is None:
            self._wait(self.receive_s)
        super().data_received(data)
        if not self._in_body and self._due is not None:
            self._head += len(data)
            if self._head > MOST_BYTES_OF_A_HEAD:
                self._refuse(failure(ErrorCode.HEADERS_TOO_LARGE, f"the headers are larger than {LARGEST_HEAD} bytes"))

    def on_headers_complete(self) -> None:
        """The body is waited for."""
        self._in_body, self._head = True, 0
        self._wait(self.receive_s + LATER_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there."""
        self._in_body = False
        self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or say goodbye where the server stops."""
        super().on_response_complete()
        self._end_soon()

    def shutdown(self) -> None:
        """Close as soon as the running request is answered."""
        self._stopping = True
        super().shutdown()
        self._end_soon()

    def _end_soon(self) -> None:
        if self._stopping and self.transport.is_closing():
            self.loop.call_later(GOODBYE_S, self.transport.abort)

    def pause_writing(self) -> None:
        """The client has not fetched what was written; it is not waited for without end."""
        super().pause_writing()
        self._fetched_by = self.loop.call_later(self.receive_s, self.transport.abort)

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
            self.transport.abort()
        else:
            self._refuse(failure(ErrorCode.REQUEST_TIMEOUT, f"no request arrived within {self.receive_s:g} s"))

    def _refuse(self, envelope: Failure) -> None:
        """Say why, where nobody else has begun to answer, and close."""
        self._rest()
        status, body = HTTPStatus(envelope.statusCode), encode(envelope)
        own = {"content-type": JSON, "content-length": str(len(body)), "connection": "close"}
        rows = with_ours([(name.encode(), value.encode()) for name, value in own.items()], secure=False)
        head = b"".join(b"%b: %b\r\n" % row for row in rows)
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, status.phrase.encode(), head, body))
        self.transport.close()


def bounded_protocol(receive_s: float) -> type[Any]:
    """The protocol with another patience."""
    return type("BoundedProtocol", (BoundedProtocol,), {"receive_s": receive_s})
