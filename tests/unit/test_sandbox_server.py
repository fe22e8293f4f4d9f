"""Over HTTP: the sandbox serves its venues, misbehaves as told, and remembers what it was asked."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from worker.sandbox.app.server import Sandbox
from worker.sandbox.binance.auth import signature_of
from worker.sandbox.server.faults import Fault, FaultPlan, FaultRequest

TIME, LEVERAGE = "/fapi/v1/time", "/fapi/v1/leverage"


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    sandbox.desks["binance"].reset()
    async with aiohttp.ClientSession(sandbox.base_urls["binance"]) as session:
        yield session


async def plan(http: aiohttp.ClientSession, **fault: Any) -> None:
    async with http.post("/sandbox/faults", json=fault) as response:
        assert response.status == 201


async def ask(http: aiohttp.ClientSession, path: str = TIME) -> tuple[int, str]:
    async with http.get(path) as response:
        return response.status, await response.text()


async def call(sandbox: Sandbox, http: aiohttp.ClientSession, method: str, path: str, **parameters: object) -> Any:
    """Send a signed request of the first account."""
    account = sandbox.accounts[0]
    query = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
    signature = signature_of(account.reveal("secret"), query, "")
    headers = {"X-MBX-APIKEY": account.reveal("api_key")}
    async with http.request(method, f"{path}?{query}&signature={signature}", headers=headers) as response:
        return await response.json()


async def set_leverage(sandbox: Sandbox, http: aiohttp.ClientSession, leverage: int) -> Any:
    return await call(sandbox, http, "POST", LEVERAGE, symbol="BTCUSDT", leverage=leverage)


async def leverage_now(sandbox: Sandbox, http: aiohttp.ClientSession) -> int:
    [terms] = await call(sandbox, http, "GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT")
    leverage: int = terms["leverage"]
    return leverage


async def test_the_description_holds_what_other_programs_need(sandbox: Sandbox) -> None:
    description = json.loads(json.dumps(sandbox.describe()))
    base_url = sandbox.base_urls["binance"]
    assert description["venues"]["binance"] == {"base_url": base_url, "control_url": f"{base_url}/sandbox"}
    account = description["accounts"][0]
    assert set(account) == {
        *("id", "exchange", "network", "portfolio_margin", "margin_mode_scope", "api_key", "secret", "base_url")
    }
    assert (account["id"], account["base_url"]) == ("binance-perp-001", base_url)


async def test_a_port_can_be_chosen_and_a_taken_one_is_an_error(sandbox: Sandbox) -> None:
    taken = int(sandbox.base_urls["binance"].rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        async with Sandbox(ports={"binance": taken}):
            pass


async def test_the_sandbox_is_gone_after_its_context(sandbox: Sandbox) -> None:
    async with Sandbox() as other, aiohttp.ClientSession(other.base_urls["binance"]) as session:
        assert (await ask(session))[0] == 200
    async with aiohttp.ClientSession(other.base_urls["binance"]) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(session)


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"fault": "status", "status": 500, "body": "oops"}, 500, "oops"),
        ({"fault": "status", "status": 429, "code": -1003, "msg": "Too many"}, 429, '{"code":-1003,"msg":"Too many"}'),
        ({"fault": "status", "body": {"leverage": "many"}}, 200, '{"leverage":"many"}'),
        ({"fault": "status", "body": []}, 200, "[]"),
        ({"fault": "empty"}, 200, ""),
    ],
)
async def test_a_wrong_answer_is_given_once_and_then_the_right_one(
    http: aiohttp.ClientSession, fault: dict[str, Any], status: int, body: str
) -> None:
    await plan(http, path=TIME, **fault)
    assert await ask(http) == (status, body)
    assert "serverTime" in (await ask(http))[1]


@pytest.mark.parametrize(
    "body",
    [
        "Unknown error, please check your request or try again later.",
        "Service Unavailable.",
        "Internal error; unable to process your request. Please try again.",
    ],
)
async def test_each_of_the_three_documented_503_bodies_can_be_planned(http: aiohttp.ClientSession, body: str) -> None:
    await plan(http, fault="status", status=503, code=-1001, msg=body)
    status, answer = await ask(http)
    assert (status, json.loads(answer)) == (503, {"code": -1001, "msg": body})


async def test_a_web_page_can_come_with_200(http: aiohttp.ClientSession) -> None:
    await plan(http, fault="html")
    async with http.get(TIME) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "<html>" in await response.text()


async def test_a_planned_418_carries_retry_after(http: aiohttp.ClientSession) -> None:
    await plan(http, fault="status", status=418, code=-1003, msg="Way too many requests", retry_after=120)
    async with http.get(TIME) as response:
        assert (response.status, response.headers["Retry-After"]) == (418, "120")


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("fault", ["reset", "reset_mid_body"])
async def test_a_cut_connection_says_nothing_about_what_was_done(
    sandbox: Sandbox, http: aiohttp.ClientSession, fault: str, applied: bool
) -> None:
    await plan(http, fault=fault, method="POST", path=LEVERAGE, apply=applied)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError)):
        await set_leverage(sandbox, http, 33)
    assert sandbox.desks["binance"].journal.entries[-1].status is None
    assert await leverage_now(sandbox, http) == (33 if applied else 10)


@pytest.mark.parametrize("applied", [True, False])
async def test_a_delayed_request_is_carried_out_before_or_after_the_delay(
    sandbox: Sandbox, http: aiohttp.ClientSession, applied: bool
) -> None:
    await plan(http, fault="delay", delay_ms=300, path=LEVERAGE, apply=applied)
    pending = asyncio.create_task(set_leverage(sandbox, http, 33))
    journal = sandbox.desks["binance"].journal
    while not journal.entries:  # noqa: ASYNC110 - the journal has nothing to wait for
        await asyncio.sleep(0)
    assert await leverage_now(sandbox, http) == (33 if applied else 10)
    assert (await pending)["leverage"] == 33
    assert await leverage_now(sandbox, http) == 33


async def test_a_fault_meets_only_the_requests_it_is_meant_for(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    await plan(http, fault="status", status=500, body="", path=LEVERAGE, account="binance-hedge-001")
    assert (await ask(http))[0] == 200
    assert (await set_leverage(sandbox, http, 12))["leverage"] == 12
    async with http.get("/sandbox/faults") as response:
        assert len((await response.json())["faults"]) == 1


def test_a_fault_happens_as_often_as_planned_and_faults_come_in_order() -> None:
    faults = FaultPlan()
    faults.add(Fault(fault="empty", times=2))
    faults.add(Fault(fault="html", method="POST"))
    kinds = [faults.take(FaultRequest(method, TIME, None, {})) for method in ("GET", "POST", "GET", "POST")]
    assert [fault and fault.fault for fault in kinds] == ["empty", "empty", None, "html"]
    assert faults.pending == ()


def test_a_fault_may_be_meant_for_some_parameters_alone_and_last_for_ever() -> None:
    faults = FaultPlan()
    faults.add(Fault(fault="status", params={"symbol": "BTCUSDT"}, times=None, body={"any": "answer"}))
    bitcoin, ether = (FaultRequest("GET", TIME, None, {"symbol": symbol}) for symbol in ("BTCUSDT", "ETHUSDT"))
    assert [faults.take(asked) is not None for asked in (bitcoin, ether, bitcoin, bitcoin)] == [True, False, True, True]
    assert [fault.times for fault in faults.pending] == [None]
    faults.clear()
    assert faults.take(bitcoin) is None


async def test_cancelled_faults_never_happen(http: aiohttp.ClientSession) -> None:
    await plan(http, fault="status", status=500, body="", times=5)
    await http.delete("/sandbox/faults")
    assert (await ask(http))[0] == 200


async def test_the_journal_shows_requests_without_their_signature(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    await set_leverage(sandbox, http, 200)
    async with http.get("/sandbox/requests") as response:
        [entry] = (await response.json())["requests"]
    assert (entry["method"], entry["path"], entry["account"], entry["status"]) == (
        "POST",
        LEVERAGE,
        "binance-perp-001",
        400,
    )
    assert set(entry["params"]) == {"symbol", "leverage", "timestamp"}
    await http.delete("/sandbox/requests")
    assert not sandbox.desks["binance"].journal.entries


async def test_the_clock_and_the_limits_can_be_set_and_a_reset_undoes_it(http: aiohttp.ClientSession) -> None:
    await http.put("/sandbox/clock", json={"offset_ms": 3_600_000})
    assert json.loads((await ask(http))[1])["serverTime"] - time.time() * 1000 > 3_000_000
    await http.put("/sandbox/limits", json={"fapi": 1})
    assert (await ask(http))[0] == 429
    await http.post("/sandbox/reset")
    status, answer = await ask(http)
    assert (status, abs(json.loads(answer)["serverTime"] - time.time() * 1000) < 60_000) == (200, True)


async def test_an_account_opened_on_request_is_listed_and_can_be_changed(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    async with http.post("/sandbox/accounts", json={"id": "on-request", "open_positions": 3}) as response:
        opened = await response.json()
    async with http.get("/sandbox/accounts") as response:
        assert opened in (await response.json())["accounts"]
    assert opened in sandbox.describe()["accounts"]
    async with http.patch("/sandbox/accounts/on-request", json={"open_orders": {"BTCUSDT": 2}}) as response:
        assert response.status == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", {"fault": "earthquake"}),
        ("POST", "faults", {"fault": "empty", "times": 0}),
        ("PUT", "clock", {"offset_ms": "soon"}),
        ("PUT", "limits", {"eapi": 1}),
        ("POST", "accounts", ["not", "an", "object"]),
        ("PATCH", "accounts/nobody", {}),
    ],
)
async def test_a_control_request_that_makes_no_sense_is_told_why(
    http: aiohttp.ClientSession, method: str, path: str, body: Any
) -> None:
    async with http.request(method, f"/sandbox/{path}", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]
