"""Who signed a request, and whether Gate would believe it (APIv4 documentation, "Authentication")."""

import hashlib
import hmac
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote_plus

from schemas.base import Milliseconds
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.http import Received

KEY, TIMESTAMP, SIGN = "KEY", "Timestamp", "SIGN"

LARGEST_GAP: Milliseconds = MINUTE


def header(received: Received, name: str) -> str:
    """A mandatory header. Raises GateRefused."""
    if not (value := received.headers.get(name, "")):
        raise GateRefused("MISSING_REQUIRED_HEADER", name)
    return value


def check_time(received: Received, now: Milliseconds) -> None:
    """Raise GateRefused unless the request's timestamp, in seconds and perhaps with a fraction, is near enough."""
    try:
        timestamp = Decimal(header(received, TIMESTAMP)) * 1_000
    except InvalidOperation:
        raise GateRefused("INVALID_PARAM_VALUE", TIMESTAMP, received.headers[TIMESTAMP]) from None
    if abs(timestamp - now) > LARGEST_GAP:
        raise GateRefused("REQUEST_EXPIRED")


def signature_of(received: Received, secret: str) -> str:
    """HMAC-SHA512 over method, path, query without URL encoding, the body's own SHA512, and the timestamp."""
    signed = "\n".join(
        (
            received.method,
            received.path,
            unquote_plus(received.query),
            hashlib.sha512(received.body.encode()).hexdigest(),
            received.headers.get(TIMESTAMP, ""),
        )
    )
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha512).hexdigest()


def check_signature(received: Received, secret: str) -> None:
    """Raise GateRefused unless the request is signed with the secret."""
    if not hmac.compare_digest(signature_of(received, secret).encode(), header(received, SIGN).lower().encode()):
        raise GateRefused("INVALID_SIGNATURE")
