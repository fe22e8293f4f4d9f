"""Who logs in to a private stream, and whether OKX would believe it (WebSocket overview, "Login", 2026-07-13)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.sandbox.kit.clock import SECOND
from worker.sandbox.okx.auth import KEY_FORMAT, WINDOW
from worker.sandbox.okx.stream_words import OkxStreamRefused

SIGNED = "GET/users/self/verify"
"""What is signed behind the timestamp, which is in seconds."""

NEEDED = ("apiKey", "passphrase", "timestamp", "sign")


def credentials(args: Any) -> Mapping[str, Any]:
    """What a login shows. Raises OkxStreamRefused where it is not one object with all that is needed.

    That several at once are refused is a guess: `args` is a list, and yet an account has a connection of its own.
    """
    if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
        raise OkxStreamRefused("60013")
    if not all(args[0].get(name) for name in NEEDED):
        raise OkxStreamRefused("60013")
    if not KEY_FORMAT.fullmatch(str(args[0]["apiKey"])):
        raise OkxStreamRefused("60005")
    return args[0]


def check_login(shown: Mapping[str, Any], account: Account, now: Milliseconds) -> None:
    """Raise OkxStreamRefused unless time, passphrase and signature are right. The time may be a number or a text."""
    stamp = str(shown["timestamp"])
    if not stamp.replace(".", "", 1).isdigit():
        raise OkxStreamRefused("60004")
    if abs(now - float(stamp) * SECOND) > WINDOW:
        raise OkxStreamRefused("60006")
    if not _same(account.reveal("passphrase"), shown["passphrase"]):
        raise OkxStreamRefused("60024")
    if not _same(signature_of(account.reveal("secret"), stamp), shown["sign"]):
        raise OkxStreamRefused("60007")


def signature_of(secret: str, stamp: str) -> str:
    """Base64 of HMAC-SHA256 over the timestamp as it was sent, and what stands behind it."""
    return base64.b64encode(hmac.new(secret.encode(), (stamp + SIGNED).encode(), hashlib.sha256).digest()).decode()


def _same(ours: str, shown: Any) -> bool:
    return hmac.compare_digest(ours.encode(), str(shown).encode())
