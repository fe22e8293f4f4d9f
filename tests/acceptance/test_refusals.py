"""Bad input is told what is wrong, in the documented shape, and the venue hears nothing of it."""

from typing import Any

import httpx
import pytest

from schemas import Failure
from tests.acceptance.conftest import RunningUp, Venue

ROUTE = "/oems/execution"
PERP, PM, BTC = "binance-perp-001", "binance-pm-001", "BTC/USDT:USDT"
GOOD = {"exchange_account_id": PERP, "symbol": BTC, "leverage": 10}

Case = tuple[str, dict[str, Any], int, str]

POSTS: dict[str, Case] = {
    "a missing field": ("/leverage", {"exchange_account_id": PERP, "symbol": BTC}, 400, "leverage is required"),
    "leverage as text": ("/leverage", {**GOOD, "leverage": "10"}, 400, "leverage must be a number"),
    "leverage zero": ("/leverage", {**GOOD, "leverage": 0}, 400, "greater than 0"),
    "leverage negative": ("/leverage", {**GOOD, "leverage": -5}, 400, "greater than 0"),
    "leverage fractional": ("/leverage", {**GOOD, "leverage": 10.5}, 400, "whole"),
    "leverage above the bracket": ("/leverage", {**GOOD, "leverage": 200}, 400, "1x to 125x"),
    "an unknown account": ("/leverage", {**GOOD, "exchange_account_id": "nobody"}, 404, "no account 'nobody'"),
    "an unknown symbol": ("/leverage", {**GOOD, "symbol": "BTCUSDT"}, 404, "did you mean BTC/USDT:USDT"),
    "an unknown margin mode": (
        "/margin-mode",
        {"exchange_account_id": PERP, "symbol": BTC, "margin_mode": "crossed"},
        400,
        "margin_mode",
    ),
    "margin mode of a portfolio margin account": (
        "/margin-mode",
        {"exchange_account_id": PM, "symbol": BTC, "margin_mode": "isolated"},
        400,
        "cross",
    ),
    "a sweep of BNB": ("/portfolio-margin/asset-collection", {"exchange_account_id": PM, "asset": "BNB"}, 400, "BNB"),
    "a sweep of a standard account": (
        "/portfolio-margin/auto-collection",
        {"exchange_account_id": PERP},
        400,
        "portfolio_margin = true",
    ),
}


@pytest.mark.parametrize("case", POSTS.values(), ids=POSTS)
async def test_bad_input_changes_nothing(trader: httpx.AsyncClient, venue: Venue, case: Case) -> None:
    path, request_body, status, problem = case
    response = await trader.post(ROUTE + path, json=request_body)
    failure = Failure.model_validate_json(response.content)
    assert (response.status_code, failure.statusCode) == (status, status)
    assert problem in failure.message
    assert await venue.changes() == []
    assert (await trader.post(f"{ROUTE}/leverage", json=GOOD)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff"])
async def test_what_is_no_json_object_is_400(trader: httpx.AsyncClient, body: bytes) -> None:
    response = await trader.post(f"{ROUTE}/leverage", content=body)
    assert Failure.model_validate_json(response.content).error.code == "invalid_request"


async def test_admins_may_what_traders_may(running_up: RunningUp, trader: httpx.AsyncClient) -> None:
    token = (await running_up.cli("token", "--role", "admin")).out
    assert len(token.splitlines()) == 1
    headers = {"Authorization": f"Bearer {token.strip()}"}
    response = await trader.get(f"{ROUTE}/positions", params={"exchange_account_id": PERP}, headers=headers)
    assert response.status_code == 200


async def test_no_other_role_can_be_had(running_up: RunningUp) -> None:
    ended = await running_up.cli("token", "--role", "auditor")
    assert (ended.code, ended.out) == (1, "")
    assert "viewer or trader or admin" in ended.err
