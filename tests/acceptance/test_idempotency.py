"""A client that repeats itself, as clients do after a time-out: one change, one truth."""

import asyncio

import httpx
import pytest

from schemas import HTTP_PREFIXES
from tests.acceptance.conftest import Venue
from tests.acceptance.test_outcomes import LEVERAGE, PM, SET, TO_25X
from tests.support.strategy import Strategy

COLLECTION = "/oems/execution/portfolio-margin/asset-collection"


def key(name: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """An idempotency key of this test's own."""
    return {"Idempotency-Key": f"{name}-{request.node.name}-{id(request)}"}


async def test_the_same_key_gets_the_same_answer_without_a_venue_call(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue, request: pytest.FixtureRequest
) -> None:
    headers = key("k", request)
    first = await trader.post(LEVERAGE, json=TO_25X, headers=headers)
    seen = await venue.changes()
    again = await trader.post(LEVERAGE, json=TO_25X, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (200, first.content)
    assert again.headers["outcome"] == first.headers["outcome"] == "applied"
    assert await venue.changes() == seen == [SET]
    assert (await strategy.event("result", headers["Idempotency-Key"]))["outcome"] == "applied"


async def test_fifty_requests_with_one_key_are_one_change(
    trader: httpx.AsyncClient, venue: Venue, request: pytest.FixtureRequest
) -> None:
    headers = key("k", request)
    answers = await asyncio.gather(*(trader.post(LEVERAGE, json=TO_25X, headers=headers) for _ in range(50)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert await venue.changes() == [SET]


async def test_a_collection_in_doubt_stays_in_doubt_however_often_it_is_asked_for(
    trader: httpx.AsyncClient, venue: Venue, request: pytest.FixtureRequest
) -> None:
    headers, path = key("k", request), "/papi/v1/asset-collection"
    await venue.misbehave(method="POST", path=path, fault="status", status=504, apply=True)
    for _ in range(3):
        response = await trader.post(COLLECTION, json={"exchange_account_id": PM, "asset": "USDT"}, headers=headers)
        assert (response.status_code, response.headers["outcome"]) == (502, "unknown")
    assert await venue.changes() == [path]


async def test_a_key_with_another_body_is_a_conflict(
    trader: httpx.AsyncClient, venue: Venue, request: pytest.FixtureRequest
) -> None:
    headers = key("k", request)
    await trader.post(LEVERAGE, json=TO_25X, headers=headers)
    response = await trader.post(LEVERAGE, json={**TO_25X, "leverage": 26}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "conflict")
    assert "take a new id" in response.json()["message"]
    assert await venue.changes() == [SET]


@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
async def test_what_became_of_a_command_can_be_asked(
    trader: httpx.AsyncClient, strategy: Strategy, request: pytest.FixtureRequest, prefix: str
) -> None:
    headers = {**key("k", request), "Prefer": "respond-async"}
    accepted = await trader.post(LEVERAGE, json=TO_25X, headers=headers)
    command_id = accepted.json()["data"]["command_id"]
    await strategy.event("result", command_id)
    told = await trader.get(f"{prefix}/commands/{command_id}")
    assert (told.status_code, told.json()["data"]["state"], told.json()["data"]["outcome"]) == (
        200,
        "finished",
        "applied",
    )
    unknown = await trader.get(f"{prefix}/commands/nobody-knows-this")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_command")
