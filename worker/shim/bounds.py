"""How much a client may ask of the shim at once: time, length, number."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from schemas import ErrorCode, failure
from schemas.base import Milliseconds
from worker.shim.envelope import Refusal

LONGEST_URI = 8 * 1024
LARGEST_HEAD = 32 * 1024
"""Bytes of all headers together. Tokens with many claims have some thousands."""

HEALTH = frozenset({"/healthz", "/readyz"})
"""Whether a shim lives must be known most of all when it is overloaded."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is granted to a request, and to all that run at once.

    `timeout_ms` is how long an answer is waited for unless the request prefers otherwise, `receive_s` how long the
    request itself may take to arrive.
    """

    timeout_ms: Milliseconds = 10_000
    receive_s: float = 10.0
    at_once: int = 1_000


class Bounded:
    """Wraps an application, and refuses what is too long and what is too much."""

    def __init__(self, app: ASGIApp, at_once: int) -> None:
        self._app = app
        self._at_once = at_once
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await refusal.response()(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope) -> Refusal | None:
        if self._running >= self._at_once:
            message = f"{self._at_once} requests run at once, and no more can; try again in a second"
            return Refusal(failure(ErrorCode.OVERLOADED, message), {"Retry-After": "1"})
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URI:
            message = f"path and query are longer than {LONGEST_URI} bytes"
            return Refusal(failure(ErrorCode.URI_TOO_LONG, message, details={"limit_bytes": LONGEST_URI}))
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD:
            message = f"the headers are larger than {LARGEST_HEAD} bytes"
            return Refusal(failure(ErrorCode.HEADERS_TOO_LARGE, message, details={"limit_bytes": LARGEST_HEAD}))
        return None
