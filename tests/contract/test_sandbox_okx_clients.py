"""OKX's official client, unchanged but for the base URL, works against the sandbox; so does ccxt."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import ccxt.async_support as ccxt
import pytest
from okx.Account import AccountAPI
from okx.okxclient import OkxClient
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI

from tests.support.sandbox_harness import account_of, sandbox_fixtures, using_ccxt
from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox
from worker.sandbox.okx.endpoints import ENDPOINTS
from worker.sandbox.server.faults import Fault
from worker.venues.client.signing import rebase
from worker.venues.limits.tables import Per
from worker.venues.okx.limits import REQUESTS

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]
"""The client hands its JSON to httpx as `data`, and reads the clock in a way that Python deprecates from 3.12 on."""

PERP, HEDGE, PORTFOLIO = "okx-perp-001", "okx-hedge-001", "okx-portfolio-001"
FLAT = "ETH-USDT-SWAP"

PUBLIC_CALLS: list[tuple[str, dict[str, str], set[str]]] = [
    ("get_system_time", {}, {"ts"}),
    ("get_instruments", {"instType": "SWAP"}, {"instId", "ctVal", "ctType", "lever", "settleCcy", "tickSz", "uly"}),
    ("get_instruments", {"instType": "FUTURES", "uly": "BTC-USDT"}, {"instId", "expTime", "alias"}),
    ("get_mark_price", {"instType": "SWAP", "instId": FLAT}, {"instId", "markPx", "ts"}),
    (
        "get_position_tiers",
        {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT,ETH-USDT"},
        {"instFamily", "tier", "minSz", "maxSz", "mmr", "imr", "maxLever"},
    ),
]

ACCOUNT_CALLS: list[tuple[str, dict[str, str], set[str]]] = [
    ("get_account_config", {}, {"acctLv", "posMode", "uid", "perm"}),
    ("get_account_balance", {}, {"adjEq", "mgnRatio", "mmr", "isoEq", "details"}),
    ("get_positions", {}, {"instId", "pos", "posSide", "mgnMode", "lever", "imr", "margin", "upl", "liqPx", "uTime"}),
    ("get_positions", {"instType": "FUTURES"}, {"instId", "pos"}),
    ("get_positions", {"instId": "BTC-USDT-SWAP"}, {"instId", "pos"}),
    ("get_leverage", {"mgnMode": "cross", "instId": FLAT}, {"instId", "mgnMode", "posSide", "lever"}),
    ("set_leverage", {"lever": "7", "mgnMode": "cross", "instId": FLAT}, {"instId", "mgnMode", "posSide", "lever"}),
    (
        "adjustment_margin",
        {"instId": "SOL-USDT-SWAP", "posSide": "net", "type": "add", "amt": "5"},
        {"instId", "posSide", "type", "amt", "leverage", "ccy"},
    ),
    ("get_account_bills", {"type": "8"}, {"billId", "balChg", "posBalChg", "pnl", "ccy", "ts", "type", "instId"}),
    ("get_account_bills_archive", {"type": "2", "instType": "SWAP"}, {"billId", "pnl", "ccy", "ts", "fee"}),
]


sandbox, seeded = sandbox_fixtures("okx")


async def ask(client: OkxClient, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call an official client in a thread: it blocks, and the sandbox lives in our loop."""
    with client:
        body: dict[str, Any] = await asyncio.to_thread(getattr(client, method), **arguments)
    return body


async def public(sandbox: Sandbox, method: str, **arguments: Any) -> dict[str, Any]:
    return await ask(PublicAPI(domain=sandbox.base_urls["okx"], flag="0"), method, arguments)


async def call(sandbox: Sandbox, method: str, account: str = PERP, **arguments: Any) -> dict[str, Any]:
    owner = account_of(sandbox, account)
    keys = [owner.reveal(name) for name in ("api_key", "secret", "passphrase")]
    return await ask(AccountAPI(*keys, flag="0", domain=sandbox.base_urls["okx"]), method, arguments)


def texts(value: Any) -> Iterator[Any]:
    """Every single value in an answer, however deep."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)
    else:
        yield value


@pytest.mark.parametrize(("method", "arguments", "fields"), PUBLIC_CALLS)
async def test_the_official_client_reads_public_data(
    sandbox: Sandbox, method: str, arguments: dict[str, str], fields: set[str]
) -> None:
    body = await public(sandbox, method, **arguments)
    assert (body["code"], body["msg"]) == ("0", "")
    assert body["data"]
    assert all(fields <= set(row) for row in body["data"])


@pytest.mark.parametrize(("method", "arguments", "fields"), ACCOUNT_CALLS)
async def test_the_official_client_reads_and_sets_an_account(
    sandbox: Sandbox, method: str, arguments: dict[str, str], fields: set[str]
) -> None:
    body = await call(sandbox, method, **arguments)
    assert (body["code"], body["msg"]) == ("0", "")
    assert body["data"]
    assert all(fields <= set(row) for row in body["data"])
    assert all(isinstance(value, str | bool) for value in texts(body["data"]))


async def test_a_leverage_set_by_the_official_client_is_there_afterwards(sandbox: Sandbox) -> None:
    await call(sandbox, "set_leverage", lever="12", mgnMode="isolated", instId=FLAT)
    isolated = await call(sandbox, "get_leverage", mgnMode="isolated", instId=FLAT)
    cross = await call(sandbox, "get_leverage", mgnMode="cross", instId=FLAT)
    assert (isolated["data"][0]["lever"], cross["data"][0]["lever"]) == ("12", "5")


async def test_the_official_client_sets_one_side_of_an_isolated_market(sandbox: Sandbox) -> None:
    await call(sandbox, "set_leverage", HEDGE, lever="12", mgnMode="isolated", instId=FLAT, posSide="short")
    body = await call(sandbox, "get_leverage", HEDGE, mgnMode="isolated", instId=FLAT)
    assert [(row["posSide"], row["lever"]) for row in body["data"]] == [("long", "10"), ("short", "12")]


async def test_a_position_mode_can_be_changed_once_nothing_is_open(sandbox: Sandbox) -> None:
    refused = await call(sandbox, "set_position_mode", posMode="long_short_mode")
    assert refused["code"] == "59000"
    flat = sandbox.open_account("okx", id="flat-okx").id
    done = await call(sandbox, "set_position_mode", flat, posMode="long_short_mode")
    assert done["data"] == [{"posMode": "long_short_mode"}]
    assert (await call(sandbox, "get_account_config", flat))["data"][0]["posMode"] == "long_short_mode"


@pytest.mark.parametrize(
    ("account", "arguments", "code"),
    [
        (PERP, {"lever": "101", "mgnMode": "cross", "instId": FLAT}, "59102"),
        (PERP, {"lever": "0.5", "mgnMode": "cross", "instId": FLAT}, "59105"),
        (PERP, {"lever": "ten", "mgnMode": "cross", "instId": FLAT}, "51000"),
        (PERP, {"lever": "10", "mgnMode": "both", "instId": FLAT}, "51000"),
        (PERP, {"lever": "10", "mgnMode": "isolated", "instId": FLAT, "posSide": "long"}, "51000"),
        (HEDGE, {"lever": "10", "mgnMode": "isolated", "instId": FLAT}, "51000"),
        (HEDGE, {"lever": "10", "mgnMode": "isolated", "instId": FLAT, "posSide": "net"}, "51000"),
        (PERP, {"lever": "10", "mgnMode": "cross", "instId": "XYZ-USDT-SWAP"}, "51001"),
        (PERP, {"lever": "10", "mgnMode": "cross"}, "50014"),
        (PORTFOLIO, {"lever": "10", "mgnMode": "cross", "instId": FLAT}, "51039"),
    ],
    ids=str,
)
async def test_the_official_client_sees_refusals_in_the_venues_words(
    sandbox: Sandbox, account: str, arguments: dict[str, str], code: str
) -> None:
    body = await call(sandbox, "set_leverage", account, **arguments)
    assert body["code"] == code
    assert body["data"] == []
    assert body["msg"]


@pytest.mark.parametrize(
    ("change", "code"), [({"key": {"perm": ["read_only"]}}, "50120"), ({"level": 1}, "51010")], ids=str
)
async def test_a_key_or_an_account_that_trades_no_derivatives_sets_no_leverage(
    sandbox: Sandbox, change: dict[str, Any], code: str
) -> None:
    sandbox.desks["okx"].venue.change_account(PERP, change)
    assert (await call(sandbox, "set_leverage", lever="7", mgnMode="cross", instId=FLAT))["code"] == code
    assert (await call(sandbox, "get_positions"))["code"] == "0"


async def test_the_official_client_is_throttled_by_user_and_endpoint(sandbox: Sandbox) -> None:
    sandbox.desks["okx"].venue.set_limits({"config": 1})
    codes = {(await call(sandbox, "get_account_config"))["code"] for _ in range(3)}
    assert "50011" in codes
    assert (await call(sandbox, "get_positions"))["code"] == "0"
    assert (await call(sandbox, "get_account_config", HEDGE))["code"] == "0"


async def test_a_planned_502_reaches_the_official_client_after_the_leverage_was_set(sandbox: Sandbox) -> None:
    path = "/api/v5/account/set-leverage"
    sandbox.desks["okx"].faults.add(Fault(fault="status", status=502, body="<html>", path=path, apply=True))
    with pytest.raises(json.JSONDecodeError):
        await call(sandbox, "set_leverage", lever="33", mgnMode="cross", instId=FLAT)
    body = await call(sandbox, "get_leverage", mgnMode="cross", instId=FLAT)
    assert body["data"][0]["lever"] == "33"


async def test_bills_come_a_hundred_at_a_time_newest_first_and_older_ones_by_cursor(sandbox: Sandbox) -> None:
    first = (await call(sandbox, "get_account_bills_archive", type="8"))["data"]
    second = (await call(sandbox, "get_account_bills_archive", type="8", after=first[-1]["billId"]))["data"]
    back = (await call(sandbox, "get_account_bills_archive", type="8", before=second[0]["billId"]))["data"]
    ids = [int(row["billId"]) for row in first + second]
    assert (len(first), len(second)) == (100, 100)
    assert ids == sorted(ids, reverse=True)
    assert first[-1]["ts"] == second[0]["ts"]
    assert back == first


async def test_recent_bills_are_those_of_seven_days(sandbox: Sandbox) -> None:
    recent = (await call(sandbox, "get_account_bills", type="8"))["data"]
    assert len(recent) in {24, 25}


def test_the_limits_we_keep_are_the_limits_of_the_venue() -> None:
    served = {
        re.sub("^/api/v5/(account|trade)|[-/]", "", endpoint.path): endpoint.limit
        for endpoint in ENDPOINTS
        if endpoint.path.startswith(("/api/v5/account/", "/api/v5/trade/"))
    }
    ours = {
        re.sub("^private(Get|Post)(Account|Trade)", "", name).lower(): limit
        for name, limit in REQUESTS[Per.USER].items()
    }
    assert ours == {name: served[name] for name in ours}


def ccxt_client(account: Account | None, base_url: str) -> Any:
    keys: dict[str, str] = {}
    if account:
        keys = {theirs: account.reveal(ours) for theirs, ours in
                {"apiKey": "api_key", "secret": "secret", "password": "passphrase"}.items()}  # fmt: skip
    options = {"fetchMarkets": {"types": ["swap", "future"]}, "defaultType": "swap"}
    client = ccxt.okx({"enableRateLimit": False, "options": options, **keys})
    client.has["fetchCurrencies"] = False
    client.urls["api"] = rebase(client.urls["api"], base_url)
    return client


async def test_ccxt_loads_the_markets_under_their_unified_symbols(sandbox: Sandbox) -> None:
    async def facts(client: Any) -> Any:
        futures = [market for market in client.markets.values() if market["future"]]
        return set(client.markets), len(futures), client.market("BTC/USD:BTC")["contractSize"]

    symbols, futures, size = await using_ccxt(ccxt_client(None, sandbox.base_urls["okx"]), facts)
    assert {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "ETH/USD:ETH"} < symbols
    assert (futures, size) == (6, 100)
    assert "BTC/USD:USD-310404" in symbols


async def test_ccxt_sees_the_documented_position(sandbox: Sandbox) -> None:
    async def position(client: Any) -> Any:
        return await client.fetch_position("BTC/USDT:USDT")

    found = await using_ccxt(ccxt_client(account_of(sandbox, PERP), sandbox.base_urls["okx"]), position)
    assert (found["side"], found["contracts"], found["contractSize"]) == ("long", 5, 0.01)
    assert (found["notional"], found["unrealizedPnl"], found["leverage"]) == (4925.25, 25.25, 10)
    assert (found["marginMode"], found["timestamp"]) == ("cross", 1706745600000)


async def test_ccxt_sets_leverage_and_reads_funding(sandbox: Sandbox) -> None:
    async def work(client: Any) -> Any:
        done = await client.set_leverage(15, "ETH/USDT:USDT")
        funding = await client.fetch_funding_history("BTC/USDT:USDT")
        return done["data"][0]["lever"], funding[-1]

    lever, newest = await using_ccxt(ccxt_client(account_of(sandbox, PERP), sandbox.base_urls["okx"]), work)
    assert lever == "15"
    assert (newest["amount"], newest["code"]) == (-0.15, "USDT")


async def test_the_official_client_lists_pending_orders(sandbox: Sandbox) -> None:
    sandbox.desks["okx"].venue.change_account(PERP, {"open_orders": {FLAT: 2}})
    owner = account_of(sandbox, PERP)
    keys = [owner.reveal(name) for name in ("api_key", "secret", "passphrase")]
    client = TradeAPI(*keys, flag="0", domain=sandbox.base_urls["okx"])
    body = await ask(client, "get_order_list", {})
    assert [row["instId"] for row in body["data"]] == [FLAT, FLAT]


async def test_more_than_five_families_are_refused(sandbox: Sandbox) -> None:
    many = ",".join(["BTC-USDT"] * 6)
    body = await public(sandbox, "get_position_tiers", instType="SWAP", tdMode="cross", instFamily=many)
    assert body["code"] == "50025"


async def test_ccxt_switches_the_position_mode_and_reads_tiers(sandbox: Sandbox) -> None:
    async def work(client: Any) -> Any:
        switched = await client.set_position_mode(True)
        tiers = await client.fetch_market_leverage_tiers("BTC/USDT:USDT")
        return switched["data"][0]["posMode"], tiers[0]["maxNotional"], tiers[0]["maxLeverage"]

    account = sandbox.open_account("okx", id="flat-ccxt")
    found = await using_ccxt(ccxt_client(account, sandbox.base_urls["okx"]), work)
    assert found == ("long_short_mode", 1_015, 100)
