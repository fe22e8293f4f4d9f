"""How much a client may ask of the shim at once: time, length, number."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from schemas import ErrorCode, failure
from schemas.base import Milliseconds
from worker.shim.kit.envelope import HttpRefusal

LONGEST_URI = 8 * 1024
LARGEST_HEAD = 32 * 1024
"""Bytes of all headers together. Tokens with many claims have some thousands."""

HEALTH = frozenset({"/healthz", "/readyz"})
"""Whether a shim lives must be known most of all when it is overloaded."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is granted to a request, and to all that run at once.

    `timeout_ms` is how long an answer is waited for unless the request prefers otherwise, `receive_s` how long the
    request itself may take to arrive. Of the places of `at_once` one subject may have `of_subject`, by default a
    sixth, which is less than a worker takes from one queue at once; admins' controls have `kept` ones beyond these. So
    many `readers` may follow the events.
    """

    timeout_ms: Milliseconds = 10_000
    receive_s: float = 10.0
    at_once: int = 1_000
    of_subject: int | None = None
    kept: int = 16
    readers: int = 200

    @property
    def share(self) -> int:
        """How many requests of one subject may run at once."""
        return min(self.at_once, self.of_subject or max(2, self.at_once // 6))


class Bounded:
    """Wraps an application, and refuses what is too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in HEALTH and (refusal := _refusal(scope)):
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(scope: Scope) -> HttpRefusal | None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URI:
        message = f"path and query are longer than {LONGEST_URI} bytes"
        return HttpRefusal(failure(ErrorCode.URI_TOO_LONG, message, details={"limit_bytes": LONGEST_URI}))
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD:
        message = f"the headers are larger than {LARGEST_HEAD} bytes"
        return HttpRefusal(failure(ErrorCode.HEADERS_TOO_LARGE, message, details={"limit_bytes": LARGEST_HEAD}))
    return None
