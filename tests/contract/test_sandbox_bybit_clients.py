"""Bybit's official client, unchanged but for the base URL, works against the sandbox; so does ccxt."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP

from tests.support.sandbox_harness import account_of, sandbox_fixtures
from worker.accounts.account import Account
from worker.runtime.clock import now
from worker.sandbox.app.server import Sandbox
from worker.sandbox.bybit.endpoints import ENDPOINTS
from worker.sandbox.kit.clock import DAY
from worker.sandbox.server.faults import Fault

PERP, CLASSIC, HEDGE = "bybit-perp-001", "bybit-classic-001", "bybit-hedge-001"
BTC = {"category": "linear", "symbol": "BTCUSDT"}
ETH = BTC | {"symbol": "ETHUSDT"}

UPGRADED_DAYS = 20
"""When the hedged account became unified."""

BEFORE = {"startTime": now() - (UPGRADED_DAYS + 6) * DAY}

SYMBOL_INFO = "/v5/position/symbol-info"
"""A page of 2026-06-30 documents it; pybit 5.17 does not know it."""

CALLS: list[tuple[str, str, str, dict[str, Any]]] = [
    (PERP, "/v5/market/time", "get_server_time", {}),
    (PERP, "/v5/market/instruments-info", "get_instruments_info", {"category": "inverse"}),
    (PERP, "/v5/user/query-api", "get_api_key_information", {}),
    (PERP, "/v5/account/info", "get_account_info", {}),
    (PERP, "/v5/account/wallet-balance", "get_wallet_balance", {"accountType": "UNIFIED"}),
    (HEDGE, "/v5/account/set-margin-mode", "set_margin_mode", {"setMarginMode": "REGULAR_MARGIN"}),
    (PERP, "/v5/account/transaction-log", "get_transaction_log", {"category": "linear", "type": "SETTLEMENT"}),
    (PERP, "/v5/position/list", "get_positions", {"category": "linear", "settleCoin": "USDT"}),
    (PERP, "/v5/position/set-leverage", "set_leverage", BTC | {"buyLeverage": "7", "sellLeverage": "7"}),
    (
        CLASSIC,
        "/v5/position/switch-isolated",
        "switch_margin_mode",
        BTC | {"tradeMode": 1, "buyLeverage": "10", "sellLeverage": "10"},
    ),
    (PERP, "/v5/position/switch-mode", "switch_position_mode", ETH | {"mode": 3}),
    (PERP, "/v5/order/realtime", "get_open_orders", {"category": "linear", "settleCoin": "USDT"}),
    (PERP, "/v5/market/risk-limit", "get_risk_limit", {"category": "linear"}),
    (HEDGE, "/v5/position/add-margin", "add_or_reduce_margin", BTC | {"margin": "10", "positionIdx": 1}),
    (PERP, "/v5/position/closed-pnl", "get_closed_pnl", {"category": "linear"}),
    (PERP, "/v5/execution/list", "get_executions", BTC | {"execType": "Funding"}),
    (HEDGE, "/v5/pre-upgrade/position/closed-pnl", "get_pre_upgrade_closed_pnl", BTC | BEFORE),
    (HEDGE, "/v5/pre-upgrade/execution/list", "get_pre_upgrade_trade_history", {"category": "inverse"} | BEFORE),
]


sandbox, seeded = sandbox_fixtures("bybit")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """pybit sets its log up when it finds none, and would keep it."""
    logger = logging.getLogger("pybit._http_manager")
    before = list(logger.handlers)
    yield
    logger.handlers[:] = before


def client_of(account: Account, **settings: Any) -> Any:
    client = HTTP(api_key=account.reveal("api_key"), api_secret=account.reveal("secret"), **settings)
    client.endpoint = account.base_url
    return client


async def call(sandbox: Sandbox, account_id: str, method: str, arguments: dict[str, Any], **settings: Any) -> Any:
    """Call the official client in a thread: it blocks, and the sandbox lives in our loop."""
    client = client_of(account_of(sandbox, account_id), **settings)
    try:
        return await asyncio.to_thread(getattr(client, method), **arguments)
    finally:
        client.client.close()


def test_every_endpoint_is_called_by_its_official_method() -> None:
    assert {path for _, path, *_ in CALLS} | {SYMBOL_INFO} == {endpoint.path for endpoint in ENDPOINTS}


async def test_what_the_official_client_has_no_method_for_yet_is_answered_as_it_signs_it(sandbox: Sandbox) -> None:
    client = client_of(account_of(sandbox, PERP))
    url = client.endpoint + SYMBOL_INFO
    try:
        answer = await asyncio.to_thread(client._submit_request, method="GET", path=url, query=BTC, auth=True)
    finally:
        client.client.close()
    assert [row["symbol"] for row in answer["result"]["list"]] == ["BTCUSDT"]


@pytest.mark.parametrize(("account_id", "path", "method", "arguments"), CALLS)
async def test_the_official_client_is_answered(
    sandbox: Sandbox, account_id: str, path: str, method: str, arguments: dict[str, Any]
) -> None:
    sandbox.desks["bybit"].venue.change_account(account_id, {"open_orders": {"SOLUSDT": 1}})
    answer = await call(sandbox, account_id, method, arguments)
    assert (answer["retCode"], answer["retMsg"]) == (0, "OK")
    assert sandbox.desks["bybit"].journal.entries[-1].path == path
    if "list" in answer["result"]:
        assert answer["result"]["list"]


@pytest.mark.parametrize(
    ("method", "arguments", "pages"),
    [
        ("get_transaction_log", {"type": "SETTLEMENT", "limit": 50}, 3),
        ("get_executions", {"category": "linear", "execType": "Funding", "limit": 50}, 3),
        ("get_closed_pnl", {"category": "linear", "limit": 100}, 3),
    ],
)
async def test_the_official_client_follows_cursors_through_a_window(
    sandbox: Sandbox, method: str, arguments: dict[str, Any], pages: int
) -> None:
    now = sandbox.desks["bybit"].venue.clock.now()
    window = {"startTime": now - 7 * DAY, "endTime": now}
    found: list[str] = []
    cursor = ""
    for _ in range(pages):
        result = (await call(sandbox, PERP, method, arguments | window | {"cursor": cursor}))["result"]
        found += [row.get("id") or row.get("execId") or row["orderId"] for row in result["list"]]
        cursor = result["nextPageCursor"]
    assert cursor == ""
    assert len(set(found)) == len(found) > (pages - 1) * arguments["limit"]


@pytest.mark.parametrize("method", ["get_transaction_log", "get_executions", "get_closed_pnl"])
@pytest.mark.parametrize("days", [(7.01, 0), (731, 730.5)], ids=["too wide", "too old"])
async def test_a_window_that_is_too_wide_or_too_old_is_refused(
    sandbox: Sandbox, method: str, days: tuple[float, float]
) -> None:
    now = sandbox.desks["bybit"].venue.clock.now()
    start, end = (now - int(age * DAY) for age in days)
    with pytest.raises(InvalidRequestError) as refused:
        await call(sandbox, PERP, method, {"category": "linear", "startTime": start, "endTime": end})
    assert refused.value.status_code == 10001


@pytest.mark.parametrize(
    ("account_id", "method", "arguments", "code"),
    [
        (PERP, "set_leverage", BTC | {"buyLeverage": "10", "sellLeverage": "10"}, 110043),
        (PERP, "set_leverage", BTC | {"buyLeverage": "101", "sellLeverage": "101"}, 110013),
        (PERP, "set_leverage", BTC | {"buyLeverage": "5", "sellLeverage": "6"}, 10001),
        (PERP, "set_leverage", BTC | {"symbol": "BTCUSD", "buyLeverage": "5", "sellLeverage": "5"}, 10001),
        (PERP, "set_margin_mode", {"setMarginMode": "ISOLATED_MARGIN"}, 3400045),
        (PERP, "set_margin_mode", {"setMarginMode": "PORTFOLIO_MARGIN"}, 3400045),
        (PERP, "switch_margin_mode", BTC | {"tradeMode": 1, "buyLeverage": "9", "sellLeverage": "9"}, 100028),
        (CLASSIC, "switch_margin_mode", BTC | {"tradeMode": 0, "buyLeverage": "9", "sellLeverage": "9"}, 110026),
        (CLASSIC, "set_margin_mode", {"setMarginMode": "ISOLATED_MARGIN"}, 10028),
        (CLASSIC, "get_transaction_log", {}, 10028),
        (PERP, "switch_position_mode", ETH | {"mode": 0}, 110025),
        (PERP, "switch_position_mode", BTC | {"mode": 3}, 110024),
        (PERP, "switch_position_mode", {"category": "inverse", "symbol": "BTCUSD", "mode": 3}, 110029),
        (PERP, "switch_position_mode", {"category": "linear", "coin": "USDT", "mode": 0}, 110025),
        (PERP, "get_open_orders", {"category": "linear"}, 10001),
        (PERP, "get_positions", {"category": "linear"}, 10001),
        (PERP, "get_positions", {"category": "linear", "settleCoin": "USDT", "limit": 201}, 10001),
        (PERP, "get_closed_pnl", {"category": "linear", "cursor": "nonsense"}, 10001),
    ],
)  # fmt: skip
async def test_the_official_client_sees_refusals_as_its_own_errors(
    sandbox: Sandbox, account_id: str, method: str, arguments: dict[str, Any], code: int
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await call(sandbox, account_id, method, arguments)
    assert refused.value.status_code == code


@pytest.mark.parametrize("key", [{"read_only": True}, {"contract_trade": ["Order"], "derivatives": []}], ids=str)
async def test_a_key_that_may_only_read_changes_nothing(sandbox: Sandbox, key: dict[str, Any]) -> None:
    sandbox.desks["bybit"].venue.change_account(PERP, {"key": key})
    with pytest.raises(InvalidRequestError) as refused:
        await call(sandbox, PERP, "set_leverage", BTC | {"buyLeverage": "7", "sellLeverage": "7"})
    assert refused.value.status_code == 10005
    assert (await call(sandbox, PERP, "get_positions", BTC))["result"]["list"][0]["leverage"] == "10"


async def test_only_a_key_that_is_bound_to_no_address_expires(sandbox: Sandbox) -> None:
    bound = (await call(sandbox, PERP, "get_api_key_information", {}))["result"]
    sandbox.desks["bybit"].venue.change_account(PERP, {"key": {"ips": ["*"], "days_left": 3}})
    unbound = (await call(sandbox, PERP, "get_api_key_information", {}))["result"]
    assert ("expiredAt" in bound, unbound["deadlineDay"]) == (False, 3)
    assert datetime.fromisoformat(unbound["expiredAt"]) > datetime.now(UTC)


@pytest.mark.parametrize(
    ("credential", "code"), [("api_key", 10003), ("secret", 10004)], ids=["a key nobody has", "a wrong secret"]
)
async def test_a_request_that_is_not_the_accounts_own_is_refused(sandbox: Sandbox, credential: str, code: int) -> None:
    account = account_of(sandbox, PERP).model_copy(update={credential: account_of(sandbox, HEDGE).secret})
    client = client_of(account)
    with pytest.raises(InvalidRequestError) as refused:
        await asyncio.to_thread(client.get_account_info)
    client.client.close()
    assert refused.value.status_code == code


async def test_an_old_timestamp_is_refused_unless_the_window_is_wide(sandbox: Sandbox) -> None:
    sandbox.desks["bybit"].venue.clock.offset = 6_000
    settings: dict[str, Any] = {"max_retries": 1, "retry_delay": 0}
    with pytest.raises(FailedRequestError):
        await call(sandbox, PERP, "get_account_info", {}, **settings)
    answer = await call(sandbox, PERP, "get_account_info", {}, recv_window=10_000, **settings)
    assert answer["retCode"] == 0


async def test_limits_are_counted_and_told_in_headers(sandbox: Sandbox) -> None:
    sandbox.desks["bybit"].venue.set_limits({"/v5/position/list": 1})
    arguments = {"category": "inverse"}
    _, _, headers = await call(sandbox, PERP, "get_positions", arguments, return_response_headers=True)
    assert (headers["X-Bapi-Limit"], headers["X-Bapi-Limit-Status"]) == ("1", "0")
    refused = await call(sandbox, PERP, "get_positions", arguments, return_response_headers=True, max_retries=3)
    assert [entry.status for entry in sandbox.desks["bybit"].journal.entries][1:] == [200, 200]
    assert refused[0]["retCode"] == 0


async def test_an_address_that_sends_too_much_is_turned_away(sandbox: Sandbox) -> None:
    sandbox.desks["bybit"].venue.set_limits({"ip": 1})
    await call(sandbox, PERP, "get_server_time", {})
    with pytest.raises(FailedRequestError, match="ip rate limit") as refused:
        await call(sandbox, PERP, "get_server_time", {})
    assert refused.value.status_code == 403


async def test_a_planned_fault_reaches_the_official_client_after_the_leverage_was_set(sandbox: Sandbox) -> None:
    path = "/v5/position/set-leverage"
    sandbox.desks["bybit"].faults.add(Fault(fault="status", status=502, path=path, apply=True))
    with pytest.raises(FailedRequestError):
        await call(sandbox, PERP, "set_leverage", BTC | {"buyLeverage": "33", "sellLeverage": "33"})
    rows = (await call(sandbox, PERP, "get_positions", BTC))["result"]["list"]
    assert [row["leverage"] for row in rows] == ["33"]


async def test_hedged_rows_come_in_pairs_flat_or_not(sandbox: Sandbox) -> None:
    for symbol in ("BTCUSDT", "SOLUSDT"):
        rows = (await call(sandbox, HEDGE, "get_positions", {"category": "linear", "symbol": symbol}))["result"]["list"]
        assert [row["positionIdx"] for row in rows] == [1, 2]


async def test_both_reports_of_a_payment_agree_but_for_the_sign(sandbox: Sandbox) -> None:
    logged = (await call(sandbox, PERP, "get_transaction_log", {"type": "SETTLEMENT", "baseCoin": "SOL"}))["result"]
    executed = (
        await call(sandbox, PERP, "get_executions", {"category": "linear", "symbol": "SOLUSDT", "execType": "Funding"})
    )["result"]
    newest, same = logged["list"][0], executed["list"][0]
    assert newest["tradeId"] == same["execId"]
    assert Decimal(newest["funding"]) == -Decimal(same["execFee"]) > 0


@pytest.fixture
async def unified_client(sandbox: Sandbox) -> AsyncIterator[Any]:
    account = account_of(sandbox, PERP)
    client = ccxt.bybit(
        {
            "apiKey": account.reveal("api_key"),
            "secret": account.reveal("secret"),
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["linear", "inverse"]}, "defaultType": "swap"},
        }
    )
    client.has["fetchCurrencies"] = False
    client.urls["api"] = dict.fromkeys(client.urls["api"], account.base_url)
    await client.load_markets()
    yield client
    await client.close()


async def test_ccxt_loads_the_markets_under_their_unified_symbols(sandbox: Sandbox, unified_client: Any) -> None:
    expected = {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "ETH/USD:ETH"}
    assert expected <= set(unified_client.markets)
    futures = {market["symbol"].partition("-")[0] for market in unified_client.markets.values() if market["future"]}
    assert futures == {"BTC/USDT:USDT", "BTC/USD:BTC"}
    assert len([market for market in unified_client.markets.values() if market["future"]]) == 4


async def test_ccxt_sees_the_seeded_position(unified_client: Any) -> None:
    (found,) = await unified_client.fetch_positions(["BTC/USDT:USDT"])
    assert (found["side"], found["contracts"], found["entryPrice"]) == ("long", 0.05, 98000)
    assert (found["leverage"], found["unrealizedPnl"], found["timestamp"]) == (10, 25.25, 1706745600000)


async def test_ccxt_sets_leverage_and_reads_funding_of_a_cursor(unified_client: Any) -> None:
    assert (await unified_client.set_leverage(15, "ETH/USDT:USDT"))["retCode"] == 0
    assert (await unified_client.fetch_leverage("ETH/USDT:USDT"))["longLeverage"] == 15
    payments = await unified_client.fetch_funding_history("BTC/USDT:USDT", params={"paginate": True})
    assert len({payment["id"] for payment in payments}) == len(payments) >= 20


async def test_switching_by_coin_passes_over_what_is_open_in_silence(sandbox: Sandbox) -> None:
    sandbox.desks["bybit"].venue.change_account(PERP, {"open_orders": {"ETHUSDT": 1}})
    await call(sandbox, PERP, "switch_position_mode", {"category": "linear", "coin": "USDT", "mode": 3})
    rows = {}
    for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
        answer = await call(sandbox, PERP, "get_positions", {"category": "linear", "symbol": symbol})
        rows[symbol] = [row["positionIdx"] for row in answer["result"]["list"]]
    assert rows == {"BTCUSDT": [0], "ETHUSDT": [0], "XRPUSDT": [1, 2]}


async def test_the_official_client_follows_the_cursor_of_risk_limits(sandbox: Sandbox) -> None:
    found: dict[str, list[str]] = {}
    cursor: str | None = None
    while cursor != "":
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        result = (await call(sandbox, PERP, "get_risk_limit", {"category": "linear"} | more))["result"]
        assert len({row["symbol"] for row in result["list"]}) <= 15
        for row in result["list"]:
            found.setdefault(row["symbol"], []).append(row["maxLeverage"])
        cursor = result["nextPageCursor"]
    assert found["BTCUSDT"] == ["100.00", "50.00", "20.00"]
    assert len(found) > 30


async def test_ccxt_switches_the_position_mode_and_reads_tiers(unified_client: Any) -> None:
    answer = await unified_client.set_position_mode(True, "ETH/USDT:USDT")
    assert int(answer["retCode"]) == 0
    tiers = await unified_client.fetch_market_leverage_tiers("ETH/USDT:USDT")
    assert (tiers[0]["maxNotional"], tiers[0]["maxLeverage"]) == (2_000_000, 100)
