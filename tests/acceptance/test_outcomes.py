"""What really happened at the venue is what is told, whatever the venue answered."""

from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import Venue
from tests.support.strategy import Strategy

PERP, PM, BTC = "binance-perp-001", "binance-pm-001", "BTC/USDT:USDT"
LEVERAGE = "/oems/execution/leverage"
TO_25X = {"exchange_account_id": PERP, "symbol": BTC, "leverage": 25}
SET, READ = "/fapi/v1/leverage", "/fapi/v1/symbolConfig"

AMBIGUOUS: dict[str, dict[str, Any]] = {
    "502": {"fault": "status", "status": 502},
    "504": {"fault": "status", "status": 504},
    "503 status unknown": {
        "fault": "status",
        "status": 503,
        "body": {"code": -1000, "msg": "Unknown error, please check your request or try again later."},
    },
    "html with 200": {"fault": "html"},
    "nothing with 200": {"fault": "empty"},
    "too large": {"fault": "too_large"},
    "reset": {"fault": "reset"},
    "reset mid body": {"fault": "reset_mid_body"},
}


async def leverage_now(client: httpx.AsyncClient) -> int:
    response = await client.get(LEVERAGE, params={"exchange_account_id": PERP, "symbol": BTC})
    return int(response.json()["data"]["leverage"])


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_a_change_that_came_through_is_applied_by_read_back(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue, fault: dict[str, Any]
) -> None:
    await venue.misbehave(method="POST", path=SET, apply=True, **fault)
    response = await trader.post(LEVERAGE, json=TO_25X)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied")
    result = await strategy.event("result", response.headers["command-id"])
    assert (result["confirmed_by"], result["attempts"]) == ("read_back", 1)
    assert await venue.changes() == [SET]


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_a_change_that_got_lost_is_sent_again_until_it_is_there(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue, fault: dict[str, Any]
) -> None:
    await venue.misbehave(method="POST", path=SET, apply=False, **fault)
    response = await trader.post(LEVERAGE, json=TO_25X)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied")
    assert (await strategy.event("result", response.headers["command-id"]))["attempts"] == 2
    assert await leverage_now(trader) == 25


async def test_a_change_that_never_comes_through_is_unknown(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue
) -> None:
    await venue.misbehave(method="POST", path=SET, fault="status", status=502, times=9)
    response = await trader.post(LEVERAGE, json=TO_25X)
    assert (response.status_code, response.headers["outcome"]) == (502, "unknown")
    assert "a read-back shows 10x" in response.json()["message"]
    assert (await strategy.event("result", response.headers["command-id"]))["attempts"] == 3


async def test_a_sweep_in_doubt_is_unknown_and_never_sent_again(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue
) -> None:
    path = "/papi/v1/auto-collection"
    await venue.misbehave(method="POST", path=path, fault="status", status=504, apply=True)
    response = await trader.post("/oems/execution/portfolio-margin/auto-collection", json={"exchange_account_id": PM})
    assert (response.status_code, response.headers["outcome"]) == (502, "unknown")
    assert (await strategy.event("result", response.headers["command-id"]))["attempts"] == 1
    assert await venue.changes() == [path]


async def test_a_throttled_command_is_429_with_the_venues_own_wait(trader: httpx.AsyncClient, venue: Venue) -> None:
    await venue.misbehave(
        method="POST", path=SET, fault="status", status=429, code=-1003, msg="Too many requests.", retry_after=2
    )
    response = await trader.post(LEVERAGE, json=TO_25X)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.json()["error"]["retryable"] is True
    assert await venue.changes() == [SET]


async def test_a_query_outlives_a_short_illness_of_the_venue(trader: httpx.AsyncClient, venue: Venue) -> None:
    await venue.misbehave(path=READ, fault="status", status=502)
    assert await leverage_now(trader) == 10


async def test_a_query_of_a_sick_venue_is_502(trader: httpx.AsyncClient, venue: Venue) -> None:
    await venue.misbehave(path=READ, fault="html", times=9)
    response = await trader.get(LEVERAGE, params={"exchange_account_id": PERP, "symbol": BTC})
    assert (response.status_code, response.json()["error"]["code"]) == (502, "venue_unavailable")


async def test_the_clients_wait_is_the_commands_deadline(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue
) -> None:
    await venue.misbehave(method="POST", path=SET, fault="delay", delay_ms=3_000, times=9)
    response = await trader.post(LEVERAGE, json=TO_25X, headers={"Prefer": "wait=1"})
    assert response.status_code in (502, 504)
    result = await strategy.event("result", response.headers["command-id"])
    assert result["outcome"] == "unknown"
    assert result["timings"]["finished"] - result["timings"]["deadline"] < 500


async def test_respond_async_returns_the_id_that_the_event_will_have(
    trader: httpx.AsyncClient, strategy: Strategy
) -> None:
    response = await trader.post(LEVERAGE, json=TO_25X, headers={"Prefer": "respond-async"})
    assert response.status_code == 202
    command_id = response.json()["data"]["command_id"]
    assert (await strategy.event("result", command_id))["outcome"] == "applied"
    snapshot = await strategy.event("positions", command_id)
    assert [row["leverage"] for row in snapshot["positions"]] == [25]
