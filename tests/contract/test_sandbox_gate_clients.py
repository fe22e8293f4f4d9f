"""Gate's official client, unchanged but for the base URL, works against the sandbox; so does ccxt."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ccxt.async_support as ccxt
import gate_api
import pytest
from gate_api import FuturesPositionCrossMode, UpdateDualCompPositionCrossModeRequest
from gate_api.exceptions import ApiException, GateApiException

from tests.support.sandbox_harness import account_of, sandbox_fixtures, using_ccxt
from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox
from worker.sandbox.gate.endpoint import PREFIX
from worker.sandbox.gate.endpoints import ENDPOINTS
from worker.sandbox.server.faults import Fault
from worker.venues.client.signing import rebase

PERP, HEDGE = "gate-perp-001", "gate-hedge-001"
APIS = {
    "futures": gate_api.FuturesApi,
    "delivery": gate_api.DeliveryApi,
    "spot": gate_api.SpotApi,
    "account": gate_api.AccountApi,
    "unified": gate_api.UnifiedApi,
}

NULL_HERE = {"close_order", "hedge_status"}
"""Fields that are null in the documents too: nobody is closing a position, and nobody trades delta-neutral."""


@dataclass(frozen=True)
class Call:
    """A call of the official client, for an account."""

    api: str
    method: str
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    account: str = PERP


CALLS = (
    Call("spot", "get_system_time"),
    Call("futures", "list_futures_contracts", ("usdt",)),
    Call("futures", "get_futures_contract", ("btc", "BTC_USD")),
    Call("futures", "list_futures_accounts", ("usdt",)),
    Call("futures", "list_futures_account_book", ("usdt",), {"type": "fund", "limit": 5, "offset": 3}),
    Call("futures", "list_futures_account_book", ("usdt",), {"contract": "BTC_USDT", "_from": 1_700_000_000}),
    Call("futures", "list_positions", ("usdt",), {"holding": True, "limit": 100, "offset": 0}),
    Call("futures", "list_positions", ("btc",)),
    Call("futures", "get_position", ("usdt", "BTC_USDT")),
    Call("futures", "list_futures_contracts_all", ("usdt",), {"limit": 1000, "offset": 0}),
    Call("futures", "get_futures_contract", ("usd1", "BTC_USD1")),
    Call("futures", "get_futures_contract", ("usdt", "币安人生_USDT")),
    Call("futures", "get_leverage", ("usdt", "币安人生_USDT", "cross", "dual_long")),
    Call("futures", "update_contract_position_leverage", ("usdt", "币安人生_USDT", "7", "cross")),
    Call("futures", "update_position_cross_mode", ("usdt", FuturesPositionCrossMode("ISOLATED", "币安人生_USDT"))),
    Call("futures", "get_leverage", ("usdt", "XRP_USDT", "cross", "dual_long")),
    Call("futures", "update_position_leverage", ("usdt", "ETH_USDT", "0"), {"cross_leverage_limit": "7"}),
    Call("futures", "update_contract_position_leverage", ("usdt", "ETH_USDT", "7", "cross")),
    Call("futures", "update_position_cross_mode", ("usdt", FuturesPositionCrossMode("ISOLATED", "ETH_USDT"))),
    Call("futures", "update_position_margin", ("usdt", "SOL_USDT", "12.5")),
    Call("futures", "update_dual_mode_position_margin", ("usdt", "ETH_USDT", "12.5", "dual_long"), account=HEDGE),
    Call("futures", "get_dual_mode_position", ("usdt", "BTC_USDT"), account=HEDGE),
    Call(
        "futures",
        "update_dual_mode_position_leverage",
        ("usdt", "BTC_USDT", "0"),
        {"cross_leverage_limit": "7"},
        account=HEDGE,
    ),
    Call(
        "futures",
        "update_contract_position_leverage",
        ("usdt", "ETH_USDT", "7", "isolated"),
        {"dual_side": "dual_short"},
        account=HEDGE,
    ),
    Call(
        "futures",
        "update_dual_comp_position_cross_mode",
        ("usdt", UpdateDualCompPositionCrossModeRequest("ISOLATED", "SOL_USDT")),
        account=HEDGE,
    ),
    Call("delivery", "list_delivery_contracts", ("usdt",)),
    Call("delivery", "list_delivery_accounts", ("usdt",)),
    Call("delivery", "list_delivery_account_book", ("usdt",), {"limit": 5}),
    Call("delivery", "list_delivery_positions", ("usdt",)),
    Call("account", "get_account_detail"),
    Call("futures", "list_futures_risk_limit_tiers", ("usdt",), {"limit": 3, "offset": 1}),
    Call("delivery", "list_delivery_risk_limit_tiers", ("usdt",), {"limit": 1}),
)


sandbox, seeded = sandbox_fixtures("gate")


async def call(sandbox: Sandbox, api: str, method: str, account: str, *arguments: Any, **named: Any) -> Any:
    """Call the official client in a thread: it blocks, and the sandbox lives in our loop."""
    owner = account_of(sandbox, account)
    configuration = gate_api.Configuration(
        host=f"{owner.base_url}{PREFIX}", key=owner.reveal("api_key"), secret=owner.reveal("secret")
    )
    client = gate_api.ApiClient(configuration)
    try:
        return await asyncio.to_thread(getattr(APIS[api](client), method), *arguments, **named)
    finally:
        client.rest_client.pool_manager.clear()


def models(value: Any) -> Iterator[Any]:
    """Every model in an answer."""
    for item in value if isinstance(value, list) else [value]:
        assert hasattr(item, "openapi_types")
        yield item


@pytest.mark.parametrize("wanted", CALLS, ids=lambda wanted: f"{wanted.method}-{wanted.account}")
async def test_the_official_client_finds_every_field_it_knows(sandbox: Sandbox, wanted: Call) -> None:
    answer = await call(sandbox, wanted.api, wanted.method, wanted.account, *wanted.arguments, **wanted.named)
    found = list(models(answer))
    assert found
    for model in found:
        missing = {name for name in model.openapi_types if getattr(model, name) is None}
        assert missing <= NULL_HERE, type(model).__name__


async def delivery_of(sandbox: Sandbox) -> str:
    (position,) = await call(sandbox, "delivery", "list_delivery_positions", PERP, "usdt")
    return str(position.contract)


async def test_the_official_client_reads_and_sets_a_delivery(sandbox: Sandbox) -> None:
    name = await delivery_of(sandbox)
    contract = await call(sandbox, "delivery", "get_delivery_contract", PERP, "usdt", name)
    assert (contract.name, contract.cycle) == (name, "QUARTERLY")
    await call(sandbox, "delivery", "update_delivery_position_leverage", PERP, "usdt", name, "7")
    position = await call(sandbox, "delivery", "get_delivery_position", PERP, "usdt", name)
    assert (position.leverage, position.size) == ("7", -100)


async def test_the_official_client_changes_the_position_mode_of_an_empty_account(sandbox: Sandbox) -> None:
    account = sandbox.open_account("gate", id="empty-gate")
    changed = await call(sandbox, "futures", "set_dual_mode", account.id, "usdt", "true")
    assert (changed.in_dual_mode, changed.position_mode) == (True, "dual")


async def test_the_official_client_sees_refusals_as_its_own_errors(sandbox: Sandbox) -> None:
    with pytest.raises(GateApiException) as refused:
        await call(sandbox, "futures", "update_position_leverage", PERP, "usdt", "BTC_USDT", "126")
    assert (refused.value.label, refused.value.status) == ("LEVERAGE_TOO_HIGH", 400)
    with pytest.raises(GateApiException) as unauthorized:
        await call(sandbox, "futures", "list_positions", HEDGE, "btc")
    assert unauthorized.value.label == "USER_NOT_FOUND"


@pytest.mark.parametrize(
    ("perms", "method", "arguments", "label"),
    [
        ({"futures": True}, "update_position_leverage", ("usdt", "ETH_USDT", "7"), "READ_ONLY"),
        ({"delivery": False}, "list_positions", ("usdt",), "FORBIDDEN"),
    ],
)
async def test_a_key_without_the_right_is_refused(
    sandbox: Sandbox, perms: dict[str, bool], method: str, arguments: tuple[str, ...], label: str
) -> None:
    sandbox.desks["gate"].venue.change_account(PERP, {"key": {"perms": perms}})
    with pytest.raises(GateApiException) as refused:
        await call(sandbox, "futures", method, PERP, *arguments)
    assert (refused.value.label, refused.value.status) == (label, 403)


async def test_the_official_client_is_throttled_with_the_reset_time(sandbox: Sandbox) -> None:
    venue = sandbox.desks["gate"].venue
    venue.set_limits({"futures": 1})
    await call(sandbox, "futures", "list_positions", PERP, "usdt")
    with pytest.raises(GateApiException) as throttled:
        await call(sandbox, "futures", "list_positions", PERP, "usdt")
    assert (throttled.value.label, throttled.value.status) == ("TOO_MANY_REQUESTS", 429)
    assert int(throttled.value.headers["X-Gate-RateLimit-Reset-Timestamp"]) * 1_000 > venue.clock.now()


async def test_a_planned_502_reaches_the_official_client_after_the_leverage_was_set(sandbox: Sandbox) -> None:
    path = f"{PREFIX}/futures/usdt/positions/ETH_USDT/set_leverage"
    fault = Fault(fault="status", status=502, body="<html>", method="POST", path=path, apply=True)
    sandbox.desks["gate"].faults.add(fault)
    with pytest.raises(ApiException) as caught:
        await call(sandbox, "futures", "update_contract_position_leverage", PERP, "usdt", "ETH_USDT", "33", "cross")
    assert caught.value.status == 502
    assert (await call(sandbox, "futures", "get_position", PERP, "usdt", "ETH_USDT")).lever == "33"


def test_every_endpoint_is_one_that_the_official_client_knows() -> None:
    known = {path for api in APIS.values() for path in paths_of(api)}
    assert {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} <= known


def paths_of(api: type[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of every call of an API, from the constants of its code."""
    for name, function in vars(api).items():
        if name.endswith("_with_http_info"):
            constants = [constant for constant in function.__code__.co_consts if isinstance(constant, str)]
            path = next(constant for constant in constants if constant.startswith("/"))
            method = next(constant for constant in constants if constant in {"GET", "POST", "PUT", "PATCH", "DELETE"})
            yield method, path


def ccxt_client(account: Account | None, base_url: str) -> Any:
    keys = {} if account is None else {"apiKey": account.reveal("api_key"), "secret": account.reveal("secret")}
    options = {"fetchMarkets": {"types": ["swap", "future"]}, "defaultType": "swap", "unifiedAccount": False}
    client = ccxt.gate({"enableRateLimit": False, "options": options, **keys})
    client.has["fetchCurrencies"] = False
    client.urls["api"] = {access: rebase(urls, base_url) for access, urls in client.urls["api"].items()}
    return client


async def test_ccxt_loads_the_markets_under_their_unified_symbols(sandbox: Sandbox) -> None:
    async def markets(client: Any) -> Any:
        return client.markets

    found = await using_ccxt(ccxt_client(None, sandbox.base_urls["gate"]), markets)
    assert {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "BTC/USD:BTC"} <= set(found)
    assert [found[symbol]["contractSize"] for symbol in ("BTC/USDT:USDT", "BTC/USD:BTC")] == [0.0001, 1]
    futures = [market for market in found.values() if market["type"] == "future"]
    assert [market["info"]["cycle"] for market in futures] == ["QUARTERLY", "BI-QUARTERLY"]


async def test_ccxt_signs_what_the_sandbox_believes(sandbox: Sandbox) -> None:
    async def work(client: Any) -> Any:
        await client.set_leverage(7, "ETH/USDT:USDT", {"cross_leverage_limit": 7})
        (btc, sol) = await client.fetch_positions(None, {"holding": "true"})
        return btc, sol, await client.fetch_position("ETH/USDT:USDT")

    btc, sol, eth = await using_ccxt(ccxt_client(account_of(sandbox, PERP), sandbox.base_urls["gate"]), work)
    assert (btc["symbol"], btc["side"], btc["contracts"]) == ("BTC/USDT:USDT", "long", 500)
    assert (sol["marginMode"], sol["leverage"]) == ("isolated", 5)
    assert eth["info"]["cross_leverage_limit"] == "7"


async def test_ccxt_is_told_the_rights_of_each_key_by_its_first_characters(sandbox: Sandbox) -> None:
    """The official client takes the documented list for one object, and reads nothing out of it."""
    account = account_of(sandbox, PERP)
    client = ccxt_client(account, sandbox.base_urls["gate"])
    rows = await using_ccxt(client, lambda client: client.privateAccountGetMainKeys())
    ours = [row for row in rows if account.reveal("api_key").startswith(row["key"].rstrip("*"))]
    assert [[right["name"] for right in row["perms"]] for row in ours] == [["account", "futures", "delivery", "wallet"]]


@pytest.mark.parametrize(
    ("method", "hedge", "one_way"), [("set_dual_mode", True, False), ("set_position_mode", "dual", "single")]
)
async def test_a_position_mode_is_that_of_a_settle_currency(
    sandbox: Sandbox, method: str, hedge: Any, one_way: Any
) -> None:
    account = sandbox.open_account("gate", id=f"flat-{method}").id
    switched = await call(sandbox, "futures", method, account, "usdt", hedge)
    assert (switched.in_dual_mode, switched.position_mode) == (True, "dual")
    assert (await call(sandbox, "futures", method, account, "usdt", one_way)).in_dual_mode is False


async def test_the_official_client_counts_open_orders(sandbox: Sandbox) -> None:
    sandbox.desks["gate"].venue.change_account(PERP, {"open_orders": {"ETH_USDT": 2}})
    orders = await call(sandbox, "futures", "list_futures_orders", PERP, "usdt", "open")
    assert [order.contract for order in orders] == ["ETH_USDT", "ETH_USDT"]
    assert await call(sandbox, "futures", "list_futures_orders", PERP, "usdt", "finished") == []


async def test_a_contract_is_named_in_tiers_of_several_only(sandbox: Sandbox) -> None:
    alone = await call(sandbox, "futures", "list_futures_risk_limit_tiers", PERP, "usdt", contract="BTC_USDT")
    several = await call(sandbox, "futures", "list_futures_risk_limit_tiers", PERP, "usdt", limit=2)
    assert {row.contract for row in alone} == {None}
    assert [row.leverage_max for row in alone] == ["125", "62.5", "25"]
    assert {row.contract for row in several} == {"BTC_USDT", "ETH_USDT"}


async def test_ccxt_switches_the_position_mode_and_reads_tiers(sandbox: Sandbox) -> None:
    async def work(client: Any) -> Any:
        switched = await client.set_position_mode(True, "BTC/USDT:USDT")
        tiers = await client.fetch_market_leverage_tiers("BTC/USDT:USDT")
        return switched["in_dual_mode"], tiers[0]["maxNotional"], tiers[0]["maxLeverage"]

    account = sandbox.open_account("gate", id="flat-ccxt")
    found = await using_ccxt(ccxt_client(account, sandbox.base_urls["gate"]), work)
    assert found == (True, 1_000_000, 125)
