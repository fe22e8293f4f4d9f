"""Who signed a request, and whether Binance would believe it (general info, "SIGNED endpoint security")."""

import hashlib
import hmac
import re

from schemas.base import Milliseconds
from worker.sandbox.binance.errors import AHEAD, BinanceRefused
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.server.http import Received

KEY_HEADER = "X-MBX-APIKEY"
KEY_FORMAT = re.compile(r"[A-Za-z0-9]{64}")
SIGNATURE = re.compile(r"^signature=[^&]*&?|&signature=[^&]*")

DEFAULT_WINDOW: Milliseconds = 5_000
LONGEST_WINDOW: Milliseconds = 60_000
TOLERATED_LEAD: Milliseconds = 1_000


def api_key(received: Received) -> str:
    """The request's API key. Raises BinanceRefused if it is missing or can't be one."""
    key = received.headers.get(KEY_HEADER, "")
    if not KEY_FORMAT.fullmatch(key):
        raise BinanceRefused(-2014)
    return key


def check_time(parameters: BinanceParameters, now: Milliseconds) -> None:
    """Raise BinanceRefused unless the request's timestamp lies in its window."""
    timestamp = parameters.integer("timestamp")
    window = parameters.optional_integer("recvWindow")
    window = DEFAULT_WINDOW if window is None else window
    if not 0 < window <= LONGEST_WINDOW:
        raise BinanceRefused(-1130, "recvWindow")
    if timestamp >= now + TOLERATED_LEAD:
        raise BinanceRefused(-1021, message=AHEAD)
    if now - timestamp > window:
        raise BinanceRefused(-1021)


def signature_of(secret: str, query: str, body: str) -> str:
    """HMAC-SHA256 over query string and body as they were sent, one after the other, without the signature itself."""
    signed = SIGNATURE.sub("", query) + SIGNATURE.sub("", body)
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()


def check_signature(received: Received, parameters: BinanceParameters, secret: str) -> None:
    """Raise BinanceRefused unless the request is signed with the secret."""
    expected = signature_of(secret, received.query, received.body)
    if not hmac.compare_digest(expected.encode(), parameters.text("signature").lower().encode()):
        raise BinanceRefused(-1022)
