"""Who signed a request, and whether Newvenue would believe it. Every check is the venue's own, with its own code."""

import hashlib
import hmac

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import SECOND
from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import Received

KEY_HEADER, TIME_HEADER, SIGN_HEADER = "X-Newvenue-Key", "X-Newvenue-Time", "X-Newvenue-Sign"

WINDOW: Milliseconds = 5 * SECOND
"""How far a request's time may be from the venue's clock."""

STATUSES = {"INVALID_KEY": 401, "INVALID_SIGNATURE": 401, "INVALID_TIME": 401, "UNKNOWN_ENDPOINT": 404}
"""The HTTP status of a code; 400 for all others."""


class NewvenueRefused(SandboxRefusal):
    """A request that the venue refuses, with its code."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return STATUSES.get(self.code, 400)


def check_time(received: Received, now: Milliseconds) -> None:
    """Raise NewvenueRefused unless the request was made about now."""
    told = received.headers.get(TIME_HEADER, "")
    if not told.isdecimal() or abs(now - int(told)) > WINDOW:
        raise NewvenueRefused("INVALID_TIME")


def check_signature(received: Received, secret: str) -> None:
    """Raise NewvenueRefused unless time, method, path with query, and body are signed with the secret."""
    target = f"{received.path}?{received.query}" if received.query else received.path
    signed = received.headers.get(TIME_HEADER, "") + received.method + target + received.body
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, received.headers.get(SIGN_HEADER, "")):
        raise NewvenueRefused("INVALID_SIGNATURE")
