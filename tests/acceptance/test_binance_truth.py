"""What is told of Binance is true, played through the HTTP API: what its reports of 2025 and 2026 tell of it."""

from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import Venue

ROUTE = "/oems/execution"
PERP, PM = "binance-perp-001", "binance-pm-001"
FLAT = "ETH/USDT:USDT"
LEVERAGE, MARGIN_TYPE = "/fapi/v1/leverage", "/fapi/v1/marginType"

Answer = httpx.Response


async def change(venue: Venue, account: str, **content: Any) -> None:
    """Change an account at the venue, behind its owner's back."""
    (await venue.client.patch(f"accounts/{account}", json=content)).raise_for_status()


async def post(trader: httpx.AsyncClient, path: str, account: str = PERP, **body: Any) -> Answer:
    return await trader.post(ROUTE + path, json={"exchange_account_id": account, **body})


async def get(trader: httpx.AsyncClient, path: str, account: str = PERP, **parameters: Any) -> Answer:
    return await trader.get(ROUTE + path, params={"exchange_account_id": account, **parameters})


OPEN_ORDERS = {"code": -4067, "msg": "Position side cannot be changed if there exists open orders."}


async def test_a_refusal_for_open_orders_of_a_mode_that_is_set_already_is_unchanged(
    trader: httpx.AsyncClient, venue: Venue
) -> None:
    await venue.misbehave(path=MARGIN_TYPE, fault="status", status=400, body=OPEN_ORDERS)
    response = await post(trader, "/margin-mode", symbol=FLAT, margin_mode="cross")
    assert (response.status_code, response.headers["outcome"]) == (200, "unchanged"), response.text


async def test_the_same_refusal_of_another_mode_stays_a_conflict(trader: httpx.AsyncClient, venue: Venue) -> None:
    await venue.misbehave(path=MARGIN_TYPE, fault="status", status=400, body=OPEN_ORDERS)
    response = await post(trader, "/margin-mode", symbol=FLAT, margin_mode="isolated")
    assert (response.status_code, response.json()["error"]["venue_code"]) == (409, "-4067"), response.text


async def test_a_leverage_that_exists_already_is_unchanged(trader: httpx.AsyncClient, venue: Venue) -> None:
    exists = {"code": -4028, "msg": "Leverage 10 already exist with 10"}
    await venue.misbehave(path=LEVERAGE, fault="status", status=400, body=exists)
    response = await post(trader, "/leverage", symbol="BTC/USDT:USDT", leverage=10)
    assert (response.status_code, response.headers["outcome"]) == (200, "unchanged"), response.text


async def test_a_bracket_that_was_raised_within_the_hour_is_taken(trader: httpx.AsyncClient, venue: Venue) -> None:
    assert (await post(trader, "/leverage", symbol="SOL/USDT:USDT", leverage=75)).status_code == 200
    await change(venue, PERP, max_leverage={"SOLUSDT": 100})
    response = await post(trader, "/leverage", symbol="SOL/USDT:USDT", leverage=100)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text


@pytest.mark.parametrize("code", [-98_765, 98_765])
@pytest.mark.parametrize("apply", [True, False])
async def test_a_code_that_nobody_knows_is_read_back(
    trader: httpx.AsyncClient, venue: Venue, code: int, apply: bool
) -> None:
    body = {"code": code, "msg": "Something new."}
    await venue.misbehave(path=LEVERAGE, fault="status", status=400, body=body, apply=apply)
    response = await post(trader, "/leverage", symbol=FLAT, leverage=17)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text
    assert (await get(trader, "/leverage", symbol=FLAT)).json()["data"]["leverage"] == 17


async def test_a_collection_that_is_answered_with_a_code_nobody_knows_is_in_doubt(
    trader: httpx.AsyncClient, venue: Venue
) -> None:
    body = {"code": -98_765, "msg": "Something new."}
    await venue.misbehave(path="/papi/v1/asset-collection", fault="status", status=400, body=body, apply=True)
    response = await post(trader, "/portfolio-margin/asset-collection", PM, asset="USDT")
    assert (response.status_code, response.headers["outcome"]) == (502, "unknown"), response.text
    assert response.json()["error"]["venue_code"] == "-98765"
    assert (await venue.changes()).count("/papi/v1/asset-collection") == 1


async def test_an_agreement_that_is_not_signed_names_its_remedy(trader: httpx.AsyncClient, venue: Venue) -> None:
    await change(venue, PERP, tradfi_agreed=False)
    response = await post(trader, "/leverage", symbol="XAU/USDT:USDT", leverage=5)
    assert (response.status_code, response.json()["error"]["venue_code"]) == (409, "-4411"), response.text
    assert "POST /fapi/v1/stock/contract" in response.json()["message"]


async def test_a_country_that_is_not_served_is_told_as_access(trader: httpx.AsyncClient, venue: Venue) -> None:
    body = {"code": 0, "msg": "Service unavailable from a restricted location according to 'b. Eligibility'"}
    await venue.misbehave(path=LEVERAGE, fault="status", status=451, body=body)
    response = await post(trader, "/leverage", symbol=FLAT, leverage=5)
    assert response.headers["outcome"] == "precondition_failed", response.text
    assert "451" in response.json()["message"]


async def test_a_perpetual_with_a_delisting_date_keeps_its_place(trader: httpx.AsyncClient, venue: Venue) -> None:
    await change(venue, PERP, positions=[{"symbol": "TSLAUSDT", "amount": "1", "entry_price": "300"}])
    positions = (await get(trader, "/positions")).json()["data"]["positions"]
    assert "TSLA/USDT:USDT" in {row["symbol"] for row in positions}
    assert (await get(trader, "/leverage", symbol="TSLA/USDT:USDT")).status_code == 200


async def test_a_family_that_is_barred_is_named_and_the_rest_is_told(trader: httpx.AsyncClient, venue: Venue) -> None:
    barred = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action"}
    for path in ("/dapi/v1/positionRisk", "/dapi/v1/account"):
        await venue.misbehave(path=path, fault="status", status=401, body=barred)
    response = await get(trader, "/positions")
    assert response.status_code == 200
    assert "BTC/USDT:USDT" in {row["symbol"] for row in response.json()["data"]["positions"]}
    assert response.headers["coverage"] == "linear"
    assert response.headers["coverage-unread"].startswith("inverse: ")


async def test_totals_of_unlike_currencies_are_null_and_it_is_said_why(trader: httpx.AsyncClient, venue: Venue) -> None:
    await change(venue, PM, positions=[{"symbol": "ETHBTC", "amount": "100", "entry_price": "0.03"}])
    response = await get(trader, "/portfolio-margin/account", PM)
    totals = response.json()["data"]["papi_um_account"]
    assert (response.status_code, totals["totalInitialMargin"]) == (200, None)
    assert totals["availableBalance"] is not None
    assert "totalInitialMargin: its amounts are in BTC and USDT" in response.headers["totals-missing"]


async def test_the_empty_figure_of_the_documented_answer_is_null(trader: httpx.AsyncClient, venue: Venue) -> None:
    body = {"totalAvailableBalance": "", "virtualMaxWithdrawAmount": "1"}
    await venue.misbehave(path="/papi/v1/account", fault="status", body=body)
    response = await get(trader, "/portfolio-margin/account", PM)
    assert response.status_code == 200, response.text
    assert response.json()["data"]["papi_um_account"]["availableBalance"] is None


async def test_income_that_is_realized_by_a_delivery_is_told_and_a_new_type_is_named(
    trader: httpx.AsyncClient, venue: Venue
) -> None:
    row = {"symbol": "BTCUSDT", "amount": "3.5", "asset": "USDT", "tran_id": 99}
    await change(venue, PERP, income=[row | {"type": "DELIVERED_SETTELMENT"}])
    response = await get(trader, "/realized-pnl", limit=1)
    [entry] = response.json()["data"]["entries"]
    assert (entry["amount"], entry["info"]["incomeType"]) == (3.5, "DELIVERED_SETTELMENT")
    assert "coverage-unread" not in response.headers
    await change(venue, PERP, income=[row | {"type": "NEW_BONUS"}])
    response = await get(trader, "/realized-pnl")
    assert response.status_code == 200
    assert "NEW_BONUS" in response.headers["coverage-unread"]
    assert "coverage-from" not in response.headers
