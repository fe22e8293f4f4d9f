"""A request as it was received and the answer to it, apart from the server that carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from worker.messages.wire import encode

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Received:
    """A request byte for byte: a signature covers `query` and `body` as they were sent."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    address: str


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What the venue says to a request."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """The answer as the server sends it."""
        return web.Response(
            status=self.status, body=self.body, headers={**self.headers, "Content-Type": self.content_type}
        )


async def receive(request: web.Request) -> Received:
    """Read a request without normalising anything in it."""
    target = urlsplit(request.raw_path)
    return Received(
        method=request.method,
        path=target.path,
        query=target.query,
        body=(await request.read()).decode(errors="replace"),
        headers=request.headers,
        address=request.remote or "",
    )


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer in JSON; a Decimal is written digit by digit."""
    return HttpResponse(status, encode(content), headers=headers or {})
