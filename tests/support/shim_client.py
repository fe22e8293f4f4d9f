"""An HTTP client of a shim whose bus lives in this process."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import limits
from pydantic import SecretStr
from starlette.types import ASGIApp

from tests.support.in_memory_caller import InMemoryCaller
from worker.shim.app import create_app
from worker.shim.auth.access import AccessControl
from worker.shim.auth.denials import Denials
from worker.shim.auth.keys import Keys, SharedSecret
from worker.shim.auth.rate_limit import RateLimit
from worker.shim.auth.tokens import TokenRules, Verifier, issue_token
from worker.shim.http.limits import Bounds
from worker.shim.kit.caller import Caller

SECRET = SecretStr("a secret of the tests, 32 bytes or more")
TIMEOUT_MS = 10_000
BOUNDS = Bounds(TIMEOUT_MS)
PREFIX = "/oems/execution"
LEVERAGE = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 10}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def token(
    role: str = "trader",
    *,
    secret: SecretStr = SECRET,
    now: int | None = None,
    accounts: Sequence[str] = (),
    subject: str = "engine-7",
) -> str:
    issued = now_ms() if now is None else now
    return issue_token(secret, role=role, subject=subject, lifetime_s=3_000, now=issued, accounts=accounts)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def gate(
    caller: Caller,
    *,
    keys: Keys | None = None,
    rules: TokenRules | None = None,
    rate: str | None = None,
    denials: Denials | None = None,
) -> AccessControl:
    """The gate of a shim; by default its tokens are signed with the secret of the tests."""
    verifier = Verifier(keys or SharedSecret(SECRET), rules)
    return AccessControl(verifier, denials or Denials(caller), RateLimit(limits.parse(rate)) if rate else None)


@asynccontextmanager
async def client_of(app: ASGIApp, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shim", headers=headers) as client:
        yield client


@asynccontextmanager
async def shim_client(caller: InMemoryCaller, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends a trader's token unless it is told otherwise."""
    async with client_of(create_app(caller, gate(caller), BOUNDS), {**bearer(token()), **headers}) as client:
        yield client


def assert_failure(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The response is the documented error envelope; gives it back."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"isError", "message", "statusCode", "error"}
    assert (body["isError"], body["statusCode"], body["error"]["code"]) == (True, status, code)
    assert body["message"].startswith("Error - ")
    return body
