"""Bybit through the whole product: what its documents say it does, and other venues do not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningUp, Venue

ROUTE, ACCOUNT = "/oems/execution", "bybit-perp-001"
LINEAR, HELD = "BTC/USDT:USDT", {"exchange_account_id": ACCOUNT, "symbol": "BTC/USDT:USDT"}
SET_LEVERAGE, LIST, LOG = "/v5/position/set-leverage", "/v5/position/list", "/v5/account/transaction-log"
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """The API, and the control side of the stand-in."""

    api: httpx.AsyncClient
    venue: Venue

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """The answer to a query about the account."""
        return await self.api.get(ROUTE + path, params={"exchange_account_id": ACCOUNT, **parameters})

    async def change(self, **content: Any) -> None:
        """Change the account behind its owner's back."""
        (await self.venue.client.patch(f"accounts/{ACCOUNT}", json=content)).raise_for_status()

    async def answers(self, path: str, result: Any, *, code: int = 0, **more: Any) -> None:
        """Have the venue answer so, to each request to a path."""
        body = {"retCode": code, "retMsg": "OK" if code == 0 else "No.", "result": result, "time": 1}
        await self.venue.misbehave(fault="status", status=200, path=path, body=body, times=None, **more)


@pytest.fixture
async def stage(running_up: RunningUp, trader_token: str) -> AsyncIterator[Stage]:
    """The venue as seeded."""
    headers = {"Authorization": f"Bearer {trader_token}"}
    async with (
        httpx.AsyncClient(base_url=f"{running_up.control_urls['bybit']}/") as control,
        httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as api,
    ):
        (await control.post("reset")).raise_for_status()
        yield Stage(api, Venue(control))
        (await control.post("reset")).raise_for_status()


async def test_a_change_that_the_position_list_shows_late_is_applied(stage: Stage) -> None:
    await stage.change(lag_ms=1_500)
    response = await stage.api.post(f"{ROUTE}/leverage", json=HELD | {"leverage": 17})
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text


async def test_a_code_that_nobody_knows_is_in_doubt_and_read_back(stage: Stage) -> None:
    refusal = {"retCode": 987_654, "retMsg": "?", "result": {}, "time": 1}
    await stage.venue.misbehave(fault="status", status=200, path=SET_LEVERAGE, body=refusal, apply=True)
    response = await stage.api.post(f"{ROUTE}/leverage", json=HELD | {"leverage": 18})
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text


async def test_portfolio_margin_has_no_leverage_in_any_answer(stage: Stage) -> None:
    await stage.change(margin_mode="PORTFOLIO_MARGIN")
    terms = (await stage.get("/leverage", symbol=LINEAR)).json()["data"]
    positions = (await stage.get("/positions")).json()["data"]["positions"]
    assert (terms["leverage"], terms["margin_mode"]) == (None, "cross")
    assert {row["leverage"] for row in positions} == {None}


async def test_a_refused_category_is_named_and_the_rest_is_told(stage: Stage) -> None:
    await stage.answers(LIST, {}, code=10024, params={"category": "inverse"})
    response = await stage.get("/positions")
    symbols = {row["symbol"] for row in response.json()["data"]["positions"]}
    assert response.status_code == 200
    assert LINEAR in symbols
    assert "BTC/USD:BTC" not in symbols
    assert any("10024" in value for value in response.headers.values()), response.headers


async def test_a_payment_of_a_type_that_nobody_knows_is_told_and_counted(stage: Stage) -> None:
    row = {
        "id": "592324_XRPUSDT_161440249321",
        "symbol": "BTCUSDT",
        "category": "linear",
        "transactionTime": "1000",
        "type": "SETTLEMENT_OF_2027",
        "currency": "USDT",
        "funding": "-0.003676",
    }
    now = (await stage.venue.client.get("../v5/market/time")).json()["time"]
    await stage.answers(
        LOG,
        {"list": [row | {"transactionTime": str(now - 1_000)}], "nextPageCursor": ""},
        params={"type": "SETTLEMENT"},
    )
    payments = (await stage.get("/funding-history")).json()["data"]["payments"]
    assert [(payment["amount"], payment["symbol"]) for payment in payments] == [(-0.003676, LINEAR)]
