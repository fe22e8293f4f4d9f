"""An HTTP client of a shim whose bus lives in this process."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from tests.unit.in_memory_caller import InMemoryCaller
from worker.shim.app import create_app
from worker.shim.auth import issue_token

SECRET = SecretStr("a secret of the tests, 32 bytes or more")
TIMEOUT_MS = 10_000
PREFIX = "/oems/execution"
LEVERAGE = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 10}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def token(role: str = "trader", *, secret: SecretStr = SECRET, now: int | None = None) -> str:
    return issue_token(secret, role=role, subject="engine-7", lifetime_s=60, now=now_ms() if now is None else now)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def shim_client(caller: InMemoryCaller, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends a trader's token unless it is told otherwise."""
    app = create_app(caller, SECRET, TIMEOUT_MS)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    sent = {**bearer(token()), **headers}
    async with httpx.AsyncClient(transport=transport, base_url="http://shim", headers=sent) as client:
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
