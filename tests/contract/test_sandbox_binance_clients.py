"""Binance's official clients, unchanged but for the base URL, work against the sandbox; so does ccxt."""

import asyncio
import inspect
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any

import ccxt.async_support as ccxt
import pytest
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, ServerError, TooManyRequestsError, UnauthorizedError
from pydantic import BaseModel

from tests.support.sandbox_harness import account_of, sandbox_fixtures, using_ccxt
from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox
from worker.sandbox.binance.contracts import deliveries
from worker.sandbox.binance.endpoint import BinanceSignedEndpoint
from worker.sandbox.binance.families import FAMILIES, SAPI
from worker.sandbox.server.faults import Fault

CLIENTS = {
    "usds": ("usds_futures", "DerivativesTradingUsdsFutures"),
    "coin": ("coin_futures", "DerivativesTradingCoinFutures"),
    "portfolio": ("portfolio_margin", "DerivativesTradingPortfolioMargin"),
}
"""By package and class. Their thousands of models take a second to import, so that is left to who calls one."""

BEYOND_THE_MODELS = {"futuresType", "isolatedWallet", "notionalValue"}
"""Fields that the venue sends and its own clients' models leave out."""

ONLY_WITH_OWN_BRACKETS = {"notional_coef"}
"""Sent to users with brackets of their own; nobody in the sandbox has any."""

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("usds", "check_server_time", {}),
    ("usds", "exchange_information", {}),
    ("usds", "mark_price", {"symbol": "BTCUSDT"}),
    ("usds", "mark_price", {}),
    ("usds", "notional_and_leverage_brackets", {}),
    ("usds", "notional_and_leverage_brackets", {"symbol": "BTCUSDT"}),
    ("usds", "change_initial_leverage", {"symbol": "SOLUSDT", "leverage": 7}),
    ("usds", "change_margin_type", {"symbol": "SOLUSDT", "margin_type": "ISOLATED"}),
    ("usds", "symbol_configuration", {}),
    ("usds", "symbol_configuration", {"symbol": "BTCUSDT"}),
    ("usds", "futures_account_configuration", {}),
    ("usds", "position_information_v2", {}),
    ("usds", "position_information_v3", {"symbol": "BTCUSDT"}),
    ("usds", "account_information_v3", {}),
    ("usds", "get_income_history", {"income_type": "REALIZED_PNL"}),
    ("usds", "get_current_position_mode", {}),
    ("usds", "get_current_multi_assets_mode", {}),
    ("usds", "futures_tradfi_perps_contract", {}),
    ("coin", "check_server_time", {}),
    ("coin", "exchange_information", {}),
    ("coin", "index_price_and_mark_price", {}),
    ("coin", "notional_bracket_for_pair", {"pair": "BTCUSD"}),
    ("coin", "notional_bracket_for_symbol", {"symbol": "BTCUSD_PERP"}),
    ("coin", "change_initial_leverage", {"symbol": "ETHUSD_PERP", "leverage": 7}),
    ("coin", "change_margin_type", {"symbol": "ETHUSD_PERP", "margin_type": "ISOLATED"}),
    ("coin", "account_information", {}),
    ("coin", "position_information", {"pair": "BTCUSD"}),
    ("coin", "get_income_history", {"income_type": "FUNDING_FEE"}),
    ("coin", "get_current_position_mode", {}),
    ("portfolio", "account_balance", {}),
    ("portfolio", "account_information", {}),
    ("portfolio", "get_um_account_detail", {}),
    ("portfolio", "get_cm_account_detail", {}),
    ("portfolio", "change_um_initial_leverage", {"symbol": "SOLUSDT", "leverage": 7}),
    ("portfolio", "change_cm_initial_leverage", {"symbol": "ETHUSD_PERP", "leverage": 7}),
    ("portfolio", "um_notional_and_leverage_brackets", {}),
    ("portfolio", "cm_notional_and_leverage_brackets", {}),
    ("portfolio", "um_futures_symbol_configuration", {"symbol": "ETHUSDT"}),
    ("portfolio", "um_futures_account_configuration", {}),
    ("portfolio", "query_um_position_information", {}),
    ("portfolio", "query_cm_position_information", {}),
    ("portfolio", "get_um_income_history", {"income_type": "FUNDING_FEE"}),
    ("portfolio", "get_cm_income_history", {"income_type": "FUNDING_FEE"}),
    ("portfolio", "get_um_current_position_mode", {}),
    ("portfolio", "get_cm_current_position_mode", {}),
    ("portfolio", "futures_tradfi_perps_contract", {}),
    ("portfolio", "fund_auto_collection", {}),
    ("portfolio", "fund_collection_by_asset", {"asset": "USDT"}),
]


sandbox, seeded = sandbox_fixtures("binance")


def official(package: str) -> ModuleType:
    """A package of the official clients, or a module of one."""
    return import_module(f"binance_sdk_derivatives_trading_{package}")


async def call(sandbox: Sandbox, client: str, method: str, account: str | None = None, **arguments: Any) -> Any:
    """Call an official client in a thread: it blocks, and the sandbox lives in our loop."""
    owner = account_of(sandbox, account or ("binance-pm-001" if client == "portfolio" else "binance-perp-001"))
    configuration = ConfigurationRestAPI(
        api_key=owner.reveal("api_key"),
        api_secret=owner.reveal("secret"),
        base_path=owner.base_url,
        timeout=5_000,
        retries=0,
        keep_alive=False,
    )
    package, name = CLIENTS[client]
    api = getattr(official(package), name)(config_rest_api=configuration).rest_api
    return (await asyncio.to_thread(getattr(api, method), **arguments)).data()


def models(value: Any) -> Iterator[BaseModel]:
    """Every model in an answer, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from models(item)
    elif isinstance(value, BaseModel):
        if "actual_instance" in type(value).model_fields:
            yield from models(getattr(value, "actual_instance"))  # noqa: B009
            return
        yield value
        for name in type(value).model_fields:
            yield from models(getattr(value, name))


def is_filter(model: BaseModel) -> bool:
    """Filters of all types share one model, so each fills only its own fields."""
    return type(model).__name__.endswith("FiltersInner")


@pytest.mark.parametrize(("client", "method", "arguments"), CALLS)
async def test_the_official_client_finds_every_field_it_knows_and_no_stranger(
    sandbox: Sandbox, client: str, method: str, arguments: dict[str, Any]
) -> None:
    found = list(models(await call(sandbox, client, method, **arguments)))
    assert found
    for model in found:
        missing = {name for name in type(model).model_fields if getattr(model, name) is None}
        assert missing <= ONLY_WITH_OWN_BRACKETS or is_filter(model), type(model).__name__
        assert set(getattr(model, "additional_properties", {})) <= BEYOND_THE_MODELS, type(model).__name__


@pytest.mark.parametrize(
    ("client", "method", "symbol"),
    [
        ("usds", "current_all_open_orders", "ETHUSDT"),
        ("coin", "current_all_open_orders", "BTCUSD_PERP"),
        ("portfolio", "query_all_current_um_open_orders", "ETHUSDT"),
        ("portfolio", "query_all_current_cm_open_orders", "BTCUSD_PERP"),
    ],
)
async def test_the_official_client_counts_open_orders(sandbox: Sandbox, client: str, method: str, symbol: str) -> None:
    account = "binance-pm-001" if client == "portfolio" else "binance-perp-001"
    sandbox.desks["binance"].venue.change_account(account, {"open_orders": {symbol: 2}})
    for arguments in ({}, {"symbol": symbol}):
        answer = await call(sandbox, client, method, **arguments)
        found = list(models(answer))
        orders = found if isinstance(answer, list) else found[1:] or found
        assert {getattr(order, "symbol") for order in orders} == {symbol}  # noqa: B009
        for model in found:
            assert [name for name in type(model).model_fields if getattr(model, name) is None] == []
            assert set(getattr(model, "additional_properties", {})) <= BEYOND_THE_MODELS


@pytest.mark.parametrize("client", ["usds", "coin", "portfolio"])
async def test_the_official_client_can_ping(sandbox: Sandbox, client: str) -> None:
    await call(sandbox, client, "test_connectivity")
    assert sandbox.desks["binance"].journal.entries[-1].status == 200


async def test_margin_that_the_official_client_moved_stands_in_its_history(sandbox: Sandbox) -> None:
    hedge, eth = "binance-hedge-001", {"symbol": "ETHUSDT"}
    moved = await call(
        sandbox, "usds", "modify_isolated_position_margin", hedge, **eth, amount=10.5, type=1, position_side="LONG"
    )
    assert (moved.code, moved.amount, moved.type) == (200, 10.5, 1)
    (row,) = await call(sandbox, "usds", "get_position_margin_change_history", hedge, **eth)
    assert (row.amount, row.asset, row.type, row.position_side) == ("10.50000000", "USDT", 1, "LONG")


@pytest.mark.parametrize(
    ("account", "symbol", "amount", "kind", "side", "code"),
    [
        ("binance-perp-001", "BTCUSDT", 1, 1, "BOTH", -4049),
        ("binance-perp-001", "ETHUSDT", 1, 1, "BOTH", -4054),
        ("binance-hedge-001", "ETHUSDT", 1_000_000, 1, "LONG", -4050),
        ("binance-hedge-001", "ETHUSDT", 1_000_000, 2, "LONG", -4051),
        ("binance-hedge-001", "ETHUSDT", 0, 2, "LONG", -4055),
    ],
)
async def test_margin_that_cannot_be_moved_is_refused_by_the_documented_code(  # noqa: PLR0917 - a case
    sandbox: Sandbox, account: str, symbol: str, amount: float, kind: int, side: str, code: int
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await call(
            sandbox,
            "usds",
            "modify_isolated_position_margin",
            account,
            symbol=symbol,
            amount=amount,
            type=kind,
            position_side=side,
        )
    assert refused.value.status_code == code


async def test_one_balance_is_an_object_and_all_are_a_list(sandbox: Sandbox) -> None:
    one = await call(sandbox, "portfolio", "account_balance", asset="BTC")
    assert one.actual_instance.total_wallet_balance == "0.60"
    assert len((await call(sandbox, "portfolio", "account_balance")).actual_instance) == 2


async def test_a_position_mode_can_be_changed_once_nothing_is_open(sandbox: Sandbox) -> None:
    account = sandbox.open_account("binance", id="flat-usds")
    done = await call(sandbox, "usds", "change_position_mode", account.id, dual_side_position="true")
    assert (done.code, done.msg) == (200, "success")
    assert (await call(sandbox, "coin", "get_current_position_mode", account.id)).dual_side_position is True


@pytest.mark.parametrize("method", ["change_um_position_mode", "change_cm_position_mode"])
async def test_a_portfolio_position_mode_is_refused_while_a_position_is_open(sandbox: Sandbox, method: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        await call(sandbox, "portfolio", method, dual_side_position="true")
    assert refused.value.status_code == -4068


async def test_the_official_client_sees_refusals_as_its_own_errors(sandbox: Sandbox) -> None:
    with pytest.raises(BadRequestError) as refused:
        await call(sandbox, "usds", "change_initial_leverage", symbol="BTCUSDT", leverage=126)
    assert (refused.value.status_code, refused.value.error_message) == (-4028, "Leverage 126 is not valid")
    with pytest.raises(UnauthorizedError) as unauthorized:
        await call(sandbox, "portfolio", "account_balance", "binance-perp-001")
    assert unauthorized.value.status_code == -2015


@pytest.mark.parametrize(
    ("client", "account_id", "method"),
    [
        ("usds", "binance-perp-001", "futures_account_configuration"),
        ("coin", "binance-perp-001", "get_current_position_mode"),
        ("portfolio", "binance-pm-001", "account_information"),
        ("usds", "binance-pm-001", "futures_account_configuration"),
    ],
)
async def test_a_key_without_the_right_is_refused_in_its_family(
    sandbox: Sandbox, client: str, account_id: str, method: str
) -> None:
    rights = {"futures": account_id == "binance-pm-001", "portfolio_margin": False}
    sandbox.desks["binance"].venue.change_account(account_id, {"key": rights})
    with pytest.raises(UnauthorizedError) as refused:
        await call(sandbox, client, method, account_id)
    assert refused.value.status_code == -2015


async def test_the_official_client_is_throttled_with_retry_after(sandbox: Sandbox) -> None:
    sandbox.desks["binance"].venue.set_limits({"fapi": 1})
    with pytest.raises(TooManyRequestsError) as throttled:
        await call(sandbox, "usds", "position_information_v3")
    assert throttled.value.status_code == -1003
    assert 0 < throttled.value.retry_after <= 60


async def test_a_planned_503_reaches_the_official_client_after_the_leverage_was_set(sandbox: Sandbox) -> None:
    unknown = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
    fault = Fault(fault="status", status=503, body=unknown, method="POST", path="/fapi/v1/leverage", apply=True)
    sandbox.desks["binance"].faults.add(fault)
    with pytest.raises(ServerError):
        await call(sandbox, "usds", "change_initial_leverage", symbol="BTCUSDT", leverage=33)
    assert (await call(sandbox, "usds", "symbol_configuration", symbol="BTCUSDT"))[0].leverage == 33


def documented_weights() -> dict[tuple[str, str], int]:
    """Weights by method and path, read from the docstrings of the official clients."""
    weights: dict[tuple[str, str], int] = {}
    for package, _ in CLIENTS.values():
        for _, api in inspect.getmembers(official(f"{package}.rest_api.api"), inspect.isclass):
            for _, function in inspect.getmembers(api, inspect.isfunction):
                documented = re.search(
                    r"(GET|POST) (/\w+api/\S+).*?Weight(?:\(IP\))?: (?:\*\*|- )?(\d+)", function.__doc__ or "", re.S
                )
                if documented:
                    weights[documented[1], documented[2]] = int(documented[3])
    return weights


def test_every_signed_endpoint_weighs_what_the_official_client_documents() -> None:
    """The wallet's client is not among the clients for derivatives."""
    documented = documented_weights()
    families = [family for family in FAMILIES if family is not SAPI]
    served = {
        (e.method, e.path): e.weight
        for family in families
        for e in family.endpoints
        if isinstance(e, BinanceSignedEndpoint)
    }
    assert served == {endpoint: documented[endpoint] for endpoint in served}


def ccxt_client(account: Account | None, base_url: str) -> Any:
    keys = {} if account is None else {"apiKey": account.reveal("api_key"), "secret": account.reveal("secret")}
    options = {"fetchMarkets": {"types": ["linear", "inverse"]}, "defaultType": "swap", "fetchMargins": False}
    client = ccxt.binance({"enableRateLimit": False, "options": options, **keys})
    client.has["fetchCurrencies"] = False
    for name, url in client.urls["api"].items():
        for family in ("fapi", "dapi", "papi", "sapi"):
            if name.startswith(family):
                client.urls["api"][name] = re.sub(r"^https://[^/]+", base_url, url)
    return client


async def test_ccxt_loads_the_markets_under_their_unified_symbols(sandbox: Sandbox) -> None:
    async def symbols(client: Any) -> set[str]:
        return set(client.markets)

    found = await using_ccxt(ccxt_client(None, sandbox.base_urls["binance"]), symbols)
    quarters = [delivery.suffix for delivery in deliveries(sandbox.desks["binance"].venue.clock.now())]
    expected = {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "ETH/USD:ETH"}
    expected |= {f"{pair}-{quarter}" for pair in ("BTC/USDT:USDT", "BTC/USD:BTC") for quarter in quarters}
    assert expected <= found


async def test_ccxt_reads_contract_sizes_and_deliveries(sandbox: Sandbox) -> None:
    async def sizes(client: Any) -> list[Any]:
        quarter = deliveries(sandbox.desks["binance"].venue.clock.now())[0]
        delivery = client.market(f"BTC/USDT:USDT-{quarter.suffix}")
        inverse = [client.market(symbol)["contractSize"] for symbol in ("BTC/USD:BTC", "ETH/USD:ETH")]
        return [*inverse, delivery["type"], delivery["expiry"] == quarter.at]

    found = await using_ccxt(ccxt_client(None, sandbox.base_urls["binance"]), sizes)
    assert found == [100, 10, "future", True]


async def test_ccxt_sees_the_documented_position(sandbox: Sandbox) -> None:
    async def position(client: Any) -> Any:
        [found] = await client.fetch_positions()
        return found

    account = account_of(sandbox, "binance-perp-001")
    found = await using_ccxt(ccxt_client(account, sandbox.base_urls["binance"]), position)
    assert found["symbol"] == "BTC/USDT:USDT"
    assert (found["side"], found["contracts"], found["entryPrice"]) == ("long", 0.05, 98000)
    assert (found["notional"], found["unrealizedPnl"], found["liquidationPrice"]) == (4925.25, 25.25, 88200)
    assert found["timestamp"] == 1706745600000


async def test_ccxt_sets_leverage_and_margin_mode_and_reads_income(sandbox: Sandbox) -> None:
    async def work(client: Any) -> list[Any]:
        leverage = await client.set_leverage(15, "ETH/USDT:USDT")
        mode = await client.set_margin_mode("isolated", "ETH/USDT:USDT")
        [terms] = await client.fapiPrivateGetSymbolConfig({"symbol": "ETHUSDT"})
        funding = await client.fetch_funding_history("BTC/USDT:USDT")
        return [leverage["leverage"], mode["code"], terms["marginType"], terms["leverage"], funding[-1]]

    account = account_of(sandbox, "binance-perp-001")
    *set_terms, newest = await using_ccxt(ccxt_client(account, sandbox.base_urls["binance"]), work)
    assert set_terms == [15, 200, "ISOLATED", 15]
    assert (newest["id"], Decimal(str(newest["amount"])), newest["code"]) == ("123456789", Decimal("-0.15"), "USDT")


async def test_ccxt_switches_the_position_mode_and_reads_tiers(sandbox: Sandbox) -> None:
    async def work(client: Any) -> list[Any]:
        switched = await client.set_position_mode(True, "BTC/USDT:USDT")
        mode = await client.fetch_position_mode("BTC/USDT:USDT")
        (first, *_) = (await client.fetch_leverage_tiers(["BTC/USDT:USDT"]))["BTC/USDT:USDT"]
        return [int(switched["code"]), mode["hedged"], first["maxNotional"], first["maxLeverage"]]

    account = sandbox.open_account("binance", id="flat-ccxt")
    found = await using_ccxt(ccxt_client(account, sandbox.base_urls["binance"]), work)
    assert found == [200, True, 300_000, 125]


@pytest.mark.parametrize(("account_id", "futures"), [("binance-perp-001", True), ("binance-pm-001", False)])
async def test_ccxt_is_told_what_a_key_may_do(sandbox: Sandbox, account_id: str, futures: bool) -> None:
    client = ccxt_client(account_of(sandbox, account_id), sandbox.base_urls["binance"])
    rights = await using_ccxt(client, lambda client: client.sapiGetAccountApiRestrictions())
    assert (rights["enableFutures"], rights["enablePortfolioMarginTrading"]) == (futures, not futures)
