"""Who may do what over HTTP, and what is written down of those who may not, on a running service."""

import asyncio
import json
import os
import signal
import ssl
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.acceptance.conftest import READY_S, RunningUp, Venue
from tests.support.certificates import Authority
from tests.support.identity_provider import IdentityProvider, identity_provider
from tests.support.processes import free_port
from tests.support.strategy import Strategy
from tests.support.token_keys import jwk, signed

ROUTE = "/oems/execution"
MINE, OTHER = "binance-perp-001", "okx-perp-001"
TO_7X = {"symbol": "BTC/USDT:USDT", "leverage": 7}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_for_one_account_changes_no_other_and_the_audit_tells_who_tried(
    running_up: RunningUp, venue: Venue, strategy: Strategy
) -> None:
    subject = f"engine-{uuid4()}"
    token = (await running_up.cli("token", "--role", "trader", "--subject", subject, "--account", MINE)).out.strip()
    admin = (await running_up.cli("token", "--role", "admin")).out.strip()
    async with httpx.AsyncClient(base_url=running_up.http, timeout=30) as client:
        done = await client.post(
            f"{ROUTE}/leverage", json={"exchange_account_id": MINE, **TO_7X}, headers=bearer(token)
        )
        before = await venue.changes()
        denied = await client.post(
            f"{ROUTE}/leverage", json={"exchange_account_id": OTHER, **TO_7X}, headers=bearer(token)
        )
        assert (done.status_code, denied.status_code) == (200, 403)
        assert await venue.changes() == before
        told = await strategy.told("denial", actor=subject)
        assert (told["status"], told["reason"], told["account"]) == (403, "account", OTHER)
        assert (told["operation"], told["address"], told["count"]) == ("set_leverage", "127.0.0.1", 1)
        entries = (await client.get(f"{ROUTE}/audit?limit=1000", headers=bearer(admin))).json()["data"]["entries"]
        assert (await client.get(f"{ROUTE}/audit", headers=bearer(token))).status_code == 403
    [entry] = [row for row in entries if row["actor"] == subject and row["subject"] == "set_leverage"]
    assert (entry["action"], entry["details"]["reason"]) == ("denial", "account")
    shown = await running_up.cli("audit", "--limit", "1000")
    [line] = [line for line in shown.out.splitlines() if subject in line and "set_leverage" in line]
    assert all(word in line for word in ("denial", "status 403", f"account {OTHER}", "address 127.0.0.1", "count 1"))
    assert json.loads((await running_up.cli("audit", "--limit", "1000", "--json")).out)


async def test_the_secret_that_up_makes_is_nobody_elses_business(running_up: RunningUp) -> None:
    file = running_up.state / "jwt.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) >= 32


async def test_a_shim_without_anything_to_check_tokens_with_does_not_start(
    running_up: RunningUp, tmp_path: Path
) -> None:
    environment = {**running_up.environment, "PERPS_DMA_STATE": str(tmp_path), "PERPS_DMA_AMQP_URL": running_up.amqp}
    ended = await replace(running_up, environment=environment).cli("shim")
    assert (ended.code, ended.out) == (1, "")
    assert "perps-dma: there is nothing to check tokens with: set PERPS_DMA_JWT_SECRET" in ended.err
    guessable = replace(running_up, environment={**environment, "PERPS_DMA_JWT_SECRET": "secret"})
    for command in (("shim",), ("token", "--role", "admin")):
        ended = await guessable.cli(*command)
        assert (ended.code, ended.out) == (1, "")
        assert "a secret of 6 bytes can be guessed" in ended.err
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240


@asynccontextmanager
async def shim_of_a_firm(
    running_up: RunningUp, provider: IdentityProvider, folder: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """A second shim on the same broker: HTTPS, tokens of an identity provider, three requests a minute for each."""
    authority, port = Authority(folder), free_port()
    pair = authority.issue("shim")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PERPS_DMA_")},
        "PERPS_DMA_STATE": str(folder),
        "PERPS_DMA_PORT": str(port),
        "PERPS_DMA_AMQP_URL": running_up.amqp,
        "PERPS_DMA_TLS_CERT": str(pair.cert),
        "PERPS_DMA_TLS_KEY": str(pair.key),
        "PERPS_DMA_JWT_JWKS_URL": provider.url,
        "PERPS_DMA_JWT_ISSUER": "https://id.example",
        "PERPS_DMA_JWT_AUDIENCE": "perps-dma",
        "PERPS_DMA_JWT_ROLE_CLAIM": "realm_access.roles",
        "PERPS_DMA_JWT_ACCOUNTS_CLAIM": "dma.accounts",
        "PERPS_DMA_RATE_LIMIT": "3/minute",
    }
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-m", "worker.app.cli", "shim"), env=environment)
    trusted = ssl.create_default_context(cafile=authority.cert)
    try:
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusted, timeout=30) as client:
            await until_ready(client)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_a_firms_shim_serves_https_to_tokens_of_its_identity_provider_and_tells_what_it_denied_to_the_end(
    running_up: RunningUp, venue: Venue, strategy: Strategy, tmp_path: Path
) -> None:
    said: dict[str, Any] = {
        "iss": "https://id.example",
        "aud": "perps-dma",
        "sub": f"desk-{uuid4()}",
        "realm_access": {"roles": ["trader"]},
        "dma": {"accounts": [MINE]},
    }
    async with (
        identity_provider(jwk("rsa", "2026")) as provider,
        shim_of_a_firm(running_up, provider, tmp_path) as (process, client),
    ):

        async def reads(account: str = MINE, **changes: str) -> int:
            header = {"Authorization": signed("rsa", "RS256", kid="2026", **{**said, **changes})}
            asks = f"{ROUTE}/positions?exchange_account_id={account}"
            return (await client.get(asks, headers=header)).status_code

        assert [await reads(), await reads(OTHER), await reads(aud="billing"), await reads(iss="evil")] == [
            *(200, 403, 401, 401)
        ]
        assert [await reads() for _ in range(3)] == [200, 429, 429]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(READY_S):
            await process.wait()
    told = await strategy.told("denial", actor=said["sub"], reason="rate_limit")
    assert (told["status"], told["count"]) == (429, 2)
