"""Who signed a request, and whether OKX would believe it (overview, "REST Authentication", 2026-07-04)."""

import base64
import hashlib
import hmac
import re
from datetime import datetime

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import SECOND
from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.server.http import Received

KEY_HEADER = "OK-ACCESS-KEY"
PASSPHRASE_HEADER = "OK-ACCESS-PASSPHRASE"  # noqa: S105 - the name of a header
SIGN_HEADER = "OK-ACCESS-SIGN"
TIMESTAMP_HEADER = "OK-ACCESS-TIMESTAMP"

MISSING = {KEY_HEADER: "50103", PASSPHRASE_HEADER: "50104", SIGN_HEADER: "50106", TIMESTAMP_HEADER: "50107"}
KEY_FORMAT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIMESTAMP_FORMAT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")

WINDOW: Milliseconds = 30 * SECOND
"""How far a timestamp may be from the venue's clock."""


def api_key(received: Received) -> str:
    """The request's API key. Raises OkxRefused if a header is missing, or the key can't be one."""
    for header, code in MISSING.items():
        if not received.headers.get(header):
            raise OkxRefused(code)
    key = received.headers[KEY_HEADER]
    if not KEY_FORMAT.fullmatch(key):
        raise OkxRefused("50111")
    return key


def check_time(received: Received, now: Milliseconds) -> None:
    """Raise OkxRefused unless the request's timestamp is ISO 8601 and lies in the window."""
    stamp = received.headers[TIMESTAMP_HEADER]
    if not TIMESTAMP_FORMAT.fullmatch(stamp):
        raise OkxRefused("50112")
    try:
        told = datetime.fromisoformat(stamp)
    except ValueError:
        raise OkxRefused("50112") from None
    if abs(now - told.timestamp() * SECOND) > WINDOW:
        raise OkxRefused("50102")


def signature_of(secret: str, received: Received) -> str:
    """Base64 of HMAC-SHA256 over timestamp, method, path with query, and body as they were sent."""
    query = f"?{received.query}" if received.query else ""
    signed = received.headers[TIMESTAMP_HEADER] + received.method + received.path + query + received.body
    return base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()).decode()


def check_passphrase(received: Received, passphrase: str) -> None:
    """Raise OkxRefused unless the passphrase is the key's."""
    if not hmac.compare_digest(passphrase.encode(), received.headers[PASSPHRASE_HEADER].encode()):
        raise OkxRefused("50105")


def check_signature(received: Received, secret: str) -> None:
    """Raise OkxRefused unless the request is signed with the secret."""
    if not hmac.compare_digest(signature_of(secret, received).encode(), received.headers[SIGN_HEADER].encode()):
        raise OkxRefused("50113")
