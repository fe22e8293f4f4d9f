"""Guardrails of a token over HTTP, on every venue: refused with 403 before anything is sent, and on record."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.strategy import Strategy

ROUTE = "/oems/execution"
BTC = {"hyperliquid-perp-001": "BTC/USDC:USDC"}
ACCOUNTS = ("binance-perp-001", "bybit-perp-001", "gate-perp-001", "okx-perp-001", "hyperliquid-perp-001")
on_every_venue = pytest.mark.parametrize("account", ACCOUNTS)


@asynccontextmanager
async def trader_with(running_up: RunningUp, guardrails: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose token is limited so."""
    told = await running_up.cli("token", "--role", "trader", "--subject", "ann", "--guardrails", json.dumps(guardrails))
    assert told.code == 0, told.err
    headers = {"Authorization": f"Bearer {told.out.strip()}"}
    async with httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as client:
        yield client


def about(account: str) -> dict[str, Any]:
    return {"exchange_account_id": account, "symbol": BTC.get(account, "BTC/USDT:USDT")}


async def changes_at(running_up: RunningUp, account: str) -> list[str]:
    async with httpx.AsyncClient(base_url=f"{running_up.control_urls[account.split('-', maxsplit=1)[0]]}/") as control:
        rows = (await control.get("requests")).json()["requests"]
    return [f"{row['method']} {row['path']}" for row in rows]


@on_every_venue
async def test_a_maximum_refuses_before_the_venue_hears_of_it(
    running_up: RunningUp, strategy: Strategy, account: str
) -> None:
    async with trader_with(running_up, {"max_leverage": 3}) as client:
        before = await changes_at(running_up, account)
        response = await client.post(f"{ROUTE}/leverage", json={**about(account), "leverage": 4})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "guardrail")
        assert (response.headers["Outcome"], response.json()["error"]["details"]["of"]) == ("rejected", "the token")
        assert await changes_at(running_up, account) == before
    command = response.headers["Command-Id"]
    result = await strategy.event("result", command)
    assert (result["policy"], result["actor"]) == (response.headers["Policy"], "ann")
    entries = json.loads((await running_up.cli("audit", "--json")).out)
    assert command in [row["details"].get("command_id") for row in entries if row["action"] == "guardrail"]


@on_every_venue
async def test_an_open_position_lets_leverage_be_lowered_alone(running_up: RunningUp, account: str) -> None:
    async with trader_with(running_up, {"only_lower_while_open": True}) as client:
        now = (await client.get(f"{ROUTE}/leverage", params=about(account))).json()["data"]
        assert now["position_side"] is not None, "the sandbox's account holds a position there"
        raised = await client.post(f"{ROUTE}/leverage", json={**about(account), "leverage": now["leverage"] + 1})
        assert raised.json()["error"]["details"]["rule"] == "only_lower_while_open"
        lowered = await client.post(f"{ROUTE}/leverage", json={**about(account), "leverage": now["leverage"] - 1})
        assert lowered.status_code == 200, lowered.text
        again = await client.post(f"{ROUTE}/leverage", json={**about(account), "leverage": now["leverage"]})
        assert again.json()["error"]["code"] == "guardrail"


async def test_operations_and_margin_modes_can_be_limited(running_up: RunningUp, venue: Venue) -> None:
    allowed = {"operations": ["set_margin_mode"], "margin_modes": ["isolated"]}
    async with trader_with(running_up, allowed) as client:
        sweep = await client.post(
            f"{ROUTE}/portfolio-margin/auto-collection", json={"exchange_account_id": "binance-pm-001"}
        )
        mode = await client.post(f"{ROUTE}/margin-mode", json={**about("binance-perp-001"), "margin_mode": "cross"})
        for response, rule in ((sweep, "operations"), (mode, "margin_modes")):
            assert response.json()["error"]["details"]["rule"] == rule
    assert await venue.changes() == []


@pytest.mark.parametrize("written", ['{"max_levrage": 3}', "{", '{"operations": ["set_levrage"]}', "3"])
async def test_a_token_is_not_made_of_rules_that_there_are_not(running_up: RunningUp, written: str) -> None:
    ended = await running_up.cli("token", "--role", "trader", "--guardrails", written)
    assert (ended.code, ended.out) == (1, "")
    assert "--guardrails" in ended.err
