"""Headers that tell a browser to do no more with an answer than it must."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = b"default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of what is no page: nothing is loaded, nothing runs, nothing frames it."""

EVERYWHERE: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
UNLESS_SET: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", NOTHING),
    (b"cache-control", b"no-store"),
)
"""The pages of the documentation have a policy of their own, and their files may be kept."""

HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Wraps the whole application, its faults included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add to the headers of its answer."""
        secure = scope.get("scheme") == "https"

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_ours(message["headers"], secure=secure)
            await send(message)

        await self._app(scope, receive, send_secured)


def with_ours(headers: Iterable[tuple[bytes, bytes]], *, secure: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, and those that every answer has."""
    headers = list(headers)
    named = {name.lower() for name, _ in headers}
    missing = (row for row in UNLESS_SET if row[0] not in named)
    return [*headers, *EVERYWHERE, *missing, *((HTTPS_ONLY,) if secure else ())]
