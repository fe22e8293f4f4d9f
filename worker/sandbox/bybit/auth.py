"""Who signed a request, and whether Bybit would believe it (V5 guide, "Authentication")."""

import hashlib
import hmac

from schemas.base import Milliseconds
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.server.http import HttpResponse, Received

KEY, SIGN, TIMESTAMP, WINDOW = "X-BAPI-API-KEY", "X-BAPI-SIGN", "X-BAPI-TIMESTAMP", "X-BAPI-RECV-WINDOW"
DEFAULT_WINDOW: Milliseconds = 5_000
TOLERATED_LEAD: Milliseconds = 1_000

UNAUTHORIZED = HttpResponse(401, b"")
"""What a request without authentication headers gets: a bare status."""


def is_signed(received: Received) -> bool:
    """Whether the authentication headers are there at all."""
    return all(received.headers.get(name) for name in (KEY, SIGN, TIMESTAMP))


def check_time(received: Received, now: Milliseconds) -> None:
    """Raise BybitRefused unless the timestamp lies in the window that the request names."""
    timestamp, window = received.headers[TIMESTAMP], received.headers.get(WINDOW) or str(DEFAULT_WINDOW)
    if not timestamp.isdecimal() or not window.isdecimal():
        raise BybitRefused(10001, "timestamp or recv_window invalid")
    if not now - int(window) <= int(timestamp) < now + TOLERATED_LEAD:
        raise BybitRefused(10002, timestamp, now, window)


def signature_of(secret: str, text: str) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def check_signature(received: Received, secret: str) -> None:
    """Raise BybitRefused unless timestamp, key, window and query (or body) are signed with the secret.

    The refusal repeats what should have been signed, as Bybit's does, and with it the API key.
    """
    content = received.query if received.method == "GET" else received.body
    origin = "".join((received.headers[TIMESTAMP], received.headers[KEY], received.headers.get(WINDOW) or "", content))
    if not hmac.compare_digest(signature_of(secret, origin), received.headers[SIGN].lower()):
        raise BybitRefused(10004, origin)
