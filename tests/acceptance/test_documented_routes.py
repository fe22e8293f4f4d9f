"""The documented requests, sent to a running `up`, get the documented answers."""

import json
from typing import Any

import httpx
import pytest

from schemas import HTTP_PREFIXES, OPERATIONS, Operation
from tests.acceptance.conftest import Venue
from tests.contract.test_api_examples import EXAMPLES
from tests.support.strategy import Strategy

ETH = "ETH/USDT:USDT"
TELLS_OTHERWISE = {"unrealized_pnl", "timestamp", "datetime", "info", "result", "response"}
"""Where the documented examples contradict themselves, or stand for whatever the venue says."""


async def ask(client: httpx.AsyncClient, operation: Operation, request: dict[str, Any], prefix: str) -> httpx.Response:
    reads = operation.method == "GET"
    return await client.request(
        operation.method,
        prefix + operation.path,
        params=request if reads else None,
        json=None if reads else request,
    )


def shape(value: Any) -> Any:
    """The keys and JSON types of a document; lists count by their first element."""
    if isinstance(value, dict):
        return {key: "anything" if key in TELLS_OTHERWISE else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


TOLD_OTHERWISE = frozenset({"set_margin_mode", "set_position_mode", "pm_get_account"})
"""What the seeded accounts, which hold something, answer in another way."""


@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in TOLD_OTHERWISE])
async def test_the_documented_example_comes_out(trader: httpx.AsyncClient, name: str, prefix: str) -> None:
    example = EXAMPLES[name]
    response = await ask(trader, OPERATIONS[name], example.request, prefix)
    body = response.json()
    assert (response.status_code, body["statusCode"], body["isError"]) == (200, 200, False)
    assert body["message"] == example.message
    assert shape(body["data"]) == shape(json.loads(example.data))


async def test_the_margin_mode_of_a_held_symbol_is_a_conflict_that_names_the_position(
    trader: httpx.AsyncClient,
) -> None:
    response = await ask(trader, OPERATIONS["set_margin_mode"], EXAMPLES["set_margin_mode"].request, HTTP_PREFIXES[0])
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (409, "precondition_failed")
    assert "BTC/USDT:USDT has an open position (long 0.05)" in body["message"]
    assert response.headers["outcome"] == "precondition_failed"


async def test_the_margin_mode_of_a_flat_symbol_is_set_and_read_back(
    trader: httpx.AsyncClient, strategy: Strategy
) -> None:
    request = {**EXAMPLES["set_margin_mode"].request, "symbol": ETH}
    response = await ask(trader, OPERATIONS["set_margin_mode"], request, HTTP_PREFIXES[0])
    assert response.json()["message"] == f"Margin mode set to isolated for {ETH}"
    result = await strategy.event("result", response.headers["command-id"])
    assert (result["outcome"], result["confirmed_by"]) == ("applied", "read_back")
    again = await ask(trader, OPERATIONS["set_margin_mode"], request, HTTP_PREFIXES[0])
    assert (again.status_code, again.headers["outcome"]) == (200, "unchanged")


async def test_the_portfolio_margin_account_has_the_documented_totals(trader: httpx.AsyncClient) -> None:
    example = EXAMPLES["pm_get_account"]
    response = await ask(trader, OPERATIONS["pm_get_account"], example.request, HTTP_PREFIXES[0])
    data, documented = response.json()["data"], json.loads(example.data)
    assert data["papi_um_account"] == documented["papi_um_account"]
    assert documented["papi_balance"][0].items() <= data["papi_balance"][0].items()


async def test_the_documented_position_is_there_figure_by_figure(trader: httpx.AsyncClient) -> None:
    example = EXAMPLES["get_positions"]
    response = await ask(trader, OPERATIONS["get_positions"], example.request, HTTP_PREFIXES[0])
    documented = json.loads(example.data)["positions"][0]
    (position,) = response.json()["data"]["positions"]
    # The documentation gives a time of day to an instant that was another: the timestamp counts.
    assert position == {**documented, "datetime": "2024-02-01T00:00:00Z"}


async def test_a_leverage_set_is_the_leverage_read(trader: httpx.AsyncClient, venue: Venue) -> None:
    for leverage in (20, 10):
        request = {**EXAMPLES["set_leverage"].request, "leverage": leverage}
        assert (await ask(trader, OPERATIONS["set_leverage"], request, HTTP_PREFIXES[0])).status_code == 200
        read = await ask(trader, OPERATIONS["get_leverage"], EXAMPLES["get_leverage"].request, HTTP_PREFIXES[1])
        assert read.json()["data"]["leverage"] == leverage
    assert await venue.changes() == ["/fapi/v1/leverage"] * 2
