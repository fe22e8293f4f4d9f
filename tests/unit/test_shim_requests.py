"""Requests that are not as documented: each gets the documented error, and none reaches the bus."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas import HTTP_PREFIXES
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import LEVERAGE, PREFIX, assert_failure, shim_client
from worker.messages.wire import LARGEST_BODY

ROUTES = {
    "/leverage": {"GET", "POST"},
    "/margin-mode": {"POST"},
    "/positions": {"GET"},
    "/portfolio-margin/auto-collection": {"POST"},
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a shim whose bus must not be asked."""
    caller = InMemoryCaller()
    async with shim_client(caller) as client:
        yield client
    assert caller.asked == []


def fields(body: dict[str, Any]) -> list[str]:
    return [row["field"] for row in body["error"]["details"]["fields"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"leverage": "10"}, "leverage"),
        ({"leverage": None}, "leverage"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": -1}, "leverage"),
        ({"symbol": 1}, "symbol"),
        ({"market_type": "spot"}, "market_type"),
        ({"exchange": "binance"}, "exchange"),
    ],
)
async def test_a_wrong_field_is_400_and_named(client: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    body = assert_failure(await client.post(f"{PREFIX}/leverage", json={**LEVERAGE, **change}), 400, "invalid_request")
    assert fields(body) == [field]
    assert field in body["message"]


@pytest.mark.parametrize("field", LEVERAGE)
async def test_a_missing_field_is_400_and_named(client: httpx.AsyncClient, field: str) -> None:
    request = {name: value for name, value in LEVERAGE.items() if name != field}
    response = await client.post(f"{PREFIX}/leverage", json=request)
    body = assert_failure(response, 400, "invalid_request")
    assert body["message"] == f"Error - {field} is required"


@pytest.mark.parametrize("content", [b"", b"{", b"nonsense", b"[]", b"null", b"\xff", b'{"leverage": NaN}'])
async def test_a_body_that_is_no_json_object_is_400(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post(f"{PREFIX}/leverage", content=content)
    assert_failure(response, 400, "invalid_request")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_that_is_not_called_json_is_400(client: httpx.AsyncClient, content_type: str) -> None:
    response = await client.post(f"{PREFIX}/leverage", content=b"{}", headers={"Content-Type": content_type})
    assert fields(assert_failure(response, 400, "invalid_request")) == ["Content-Type"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
)
async def test_a_body_that_is_called_json_is_read(client: httpx.AsyncClient, content_type: str) -> None:
    response = await client.post(f"{PREFIX}/leverage", content=b"{}", headers={"Content-Type": content_type})
    assert fields(assert_failure(response, 400, "invalid_request")) == list(LEVERAGE)


async def test_a_body_that_is_too_large_is_413(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{PREFIX}/leverage", content=b" " * (LARGEST_BODY + 1))
    body = assert_failure(response, 413, "payload_too_large")
    assert body["error"]["details"] == {"limit_bytes": LARGEST_BODY}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "exchange_account_id"),
        ("exchange_account_id=", "exchange_account_id"),
        ("exchange_account_id=a&exchange_account_id=a", "exchange_account_id"),
        ("exchange_account_id=a&symbols=BTC", "symbols"),
        ("exchange_account_id=a&symbol=", "symbol"),
        ("exchange_account_id=a&market_type=spot", "market_type"),
        ("exchange_account_id=a&since=yesterday", "since"),
        ("exchange_account_id=a&since=-1", "since"),
        ("exchange_account_id=a&limit=0", "limit"),
        ("exchange_account_id=a&limit=1.5", "limit"),
    ],
)
async def test_a_wrong_parameter_is_400_and_named(client: httpx.AsyncClient, query: str, field: str) -> None:
    body = assert_failure(await client.get(f"{PREFIX}/funding-history?{query}"), 400, "invalid_request")
    assert fields(body) == [field]


@pytest.mark.parametrize(
    "path",
    ["/", "/leverage", "/oems", f"{PREFIX}/", f"{PREFIX}/leverage/", f"{PREFIX}/leverages", "/docs/assets/none.js"],
)
async def test_an_unknown_route_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert "/docs" in assert_failure(await client.get(path), 404, "not_found")["message"]


@pytest.mark.parametrize("path", ["/docs/assets/%2e%2e/%2e%2e/__init__.py", "/docs/assets/%00", "/docs/assets/"])
async def test_nothing_but_its_files_is_served_below_the_docs(client: httpx.AsyncClient, path: str) -> None:
    assert_failure(await client.get(path), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    client: httpx.AsyncClient, path: str, prefix: str, method: str
) -> None:
    response = await client.request(method, prefix + path)
    if method in ROUTES[path]:
        assert_failure(response, 400, "invalid_request")
    else:
        assert_failure(response, 405, "method_not_allowed")
        assert set(response.headers["allow"].split(", ")) == ROUTES[path]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css"])
async def test_the_other_routes_are_only_read(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path)
    assert_failure(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
