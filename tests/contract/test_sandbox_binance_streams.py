"""Binance's private streams at the stand-in: official clients and ccxt hear what is changed; what each path does."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from importlib import import_module
from typing import Any

import aiohttp
import ccxt.pro
import pytest
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from pydantic import BaseModel

from tests.support.sandbox_harness import SandboxHarness, harness_fixtures, market
from worker.accounts.account import Account
from worker.venues.client.signing import rebase

shared, harness = harness_fixtures("binance")

PERP, HEDGE, PORTFOLIO = "binance-perp-001", "binance-hedge-001", "binance-pm-001"
KEYS = {"um": "/fapi/v1/listenKey", "cm": "/dapi/v1/listenKey", "pm": "/papi/v1/listenKey"}
PATIENCE_S = 10.0
HOUR_MS, DAY_MS = 3_600_000, 86_400_000

CLIENTS = {
    "um": ("usds_futures", "DerivativesTradingUsdsFutures", ""),
    "cm": ("coin_futures", "DerivativesTradingCoinFutures", ""),
    "pm": ("portfolio_margin", "DerivativesTradingPortfolioMargin", "/pm"),
}
"""By package, class, and the path that belongs to the client's base URL."""

NOT_MODELLED = {"e"}
"""The event's name, by which the official clients choose a model."""

SENT_ALONE = frozenset({"ac", "ai"})
"""An ACCOUNT_CONFIG_UPDATE has one or the other."""

WITH_FUNDING_ONLY = frozenset({"S"})
"""The symbol of a funding fee."""


def owner_of(product: str) -> str:
    return PORTFOLIO if product == "pm" else PERP


async def key_request(harness: SandboxHarness, method: str, product: str, account_id: str | None = None) -> Any:
    account = harness.account(account_id or owner_of(product))
    headers = {"X-MBX-APIKEY": account.reveal("api_key")}
    return await harness.control.request(method, f"{account.base_url}{KEYS[product]}", headers=headers)


async def key_of(harness: SandboxHarness, product: str, account_id: str | None = None) -> str:
    return str((await key_request(harness, "POST", product, account_id)).json()["listenKey"])


def ws_url(harness: SandboxHarness) -> str:
    return str(harness.account().base_url).replace("http", "ws", 1)


async def order(harness: SandboxHarness, name: str, **more: Any) -> None:
    answer = await harness.control.post("/streams/faults", json={"fault": "order", "name": name, **more})
    assert answer.json()["connections"]


async def set_clock(harness: SandboxHarness, offset_ms: int) -> None:
    (await harness.control.put("/clock", json={"offset_ms": offset_ms})).raise_for_status()


@asynccontextmanager
async def official_stream(harness: SandboxHarness, product: str) -> AsyncIterator["asyncio.Queue[Any]"]:
    """An official client that listens to an account, unchanged but for its URLs, and what it hands to its caller."""
    package, name, path = CLIENTS[product]
    account = harness.account(owner_of(product))
    client = getattr(import_module(f"binance_sdk_derivatives_trading_{package}"), name)(
        config_rest_api=ConfigurationRestAPI(
            api_key=account.reveal("api_key"), api_secret=account.reveal("secret"), base_path=account.base_url
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=ws_url(harness) + path),
    )
    key = (await asyncio.to_thread(client.rest_api.start_user_data_stream)).data().listen_key
    heard: asyncio.Queue[Any] = asyncio.Queue()
    connection = await client.websocket_streams.create_connection()
    try:
        (await connection.user_data(key)).on("message", heard.put_nowait)
        await asyncio.to_thread(client.rest_api.keepalive_user_data_stream)
        yield heard
    finally:
        await connection.close_connection(close_session=True)


async def next_of(heard: "asyncio.Queue[Any]", kind: str) -> Any:
    """The next event of a kind, as the official client's model of it."""
    async with asyncio.timeout(PATIENCE_S):
        while type(found := (await heard.get()).actual_instance).__name__ != kind:
            pass
    return found


def models(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, list):
        for item in value:
            yield from models(item)
    elif isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from models(getattr(value, name))


def assert_complete(event: BaseModel, left_out: frozenset[str] = frozenset()) -> None:
    """Every field that the official client knows is there, and none that it does not."""
    for model in models(event):
        missing = {name for name in type(model).model_fields if getattr(model, name) is None}
        assert missing <= left_out, type(model).__name__
        assert set(getattr(model, "additional_properties", {})) <= NOT_MODELLED, type(model).__name__


SYMBOLS = [("um", "SOLUSDT"), ("cm", "ETHUSD_PERP"), ("pm", "SOLUSDT"), ("pm", "ETHUSD_PERP")]


@pytest.mark.parametrize(("product", "symbol"), SYMBOLS)
async def test_an_official_client_hears_a_leverage_and_a_position_that_are_changed(
    harness: SandboxHarness, product: str, symbol: str
) -> None:
    async with official_stream(harness, product) as heard:
        await harness.change(owner_of(product), terms={symbol: {"leverage": 9}})
        configured = await next_of(heard, "AccountConfigUpdate")
        assert (configured.ac.s, configured.ac.l) == (symbol, 9)
        assert_complete(configured, SENT_ALONE)
        position = {"symbol": symbol, "amount": "4", "entry_price": "150"}
        await harness.change(owner_of(product), positions=[position])
        updated = await next_of(heard, "AccountUpdate")
        assert updated.a.m == "ORDER"
        assert (updated.a.P[0].s, updated.a.P[0].pa) == (symbol, "4.00" if symbol == "SOLUSDT" else "4")
        assert_complete(updated, WITH_FUNDING_ONLY)


@pytest.mark.parametrize("product", ["um", "cm"])
async def test_an_official_client_hears_a_margin_call_and_that_its_key_has_expired(
    harness: SandboxHarness, product: str
) -> None:
    await harness.change(PERP, positions=[{"symbol": "BTCUSD_PERP", "amount": "5", "entry_price": "90000"}])
    async with official_stream(harness, product) as heard:
        await order(harness, "margin_call", account=PERP)
        call = await next_of(heard, "MarginCall")
        assert_complete(call)
        assert call.p[0].s == {"um": "BTCUSDT", "cm": "BTCUSD_PERP"}[product]
        await order(harness, "expire_key", account=PERP)
        assert_complete(await next_of(heard, "ListenKeyExpired"))


async def test_an_official_client_hears_the_margin_side_of_portfolio_margin(harness: SandboxHarness) -> None:
    async with official_stream(harness, "pm") as heard:
        await harness.change(PORTFOLIO, margin={"USDT": {"free": "8000", "borrowed": "20"}})
        moved = await next_of(heard, "BalanceUpdate")
        assert (moved.a, moved.d) == ("USDT", "-500.00000000")
        held = await next_of(heard, "OutboundAccountPosition")
        assert (held.B[0].a, held.B[0].f) == ("USDT", "8000.00000000")
        owed = await next_of(heard, "LiabilityChange")
        assert (owed.p, owed.a) == ("20.00000000", "USDT")
        await harness.change(PORTFOLIO, status="MARGIN_CALL")
        risen = await next_of(heard, "RiskLevelChange")
        assert risen.s == "MARGIN_CALL"
        await order(harness, "event", content={"e": "openOrderLoss", "O": [{"a": "BTC", "o": "-0.1"}]})
        lost = await next_of(heard, "OpenOrderLoss")
        for event in (moved, held, owed, risen, lost):
            assert_complete(event)
        await order(harness, "expire_key")
        assert_complete(await next_of(heard, "ListenKeyExpired"))


def pro_client(account: Account) -> Any:
    """ccxt.pro, told where the stand-in is."""
    keys = {"apiKey": account.reveal("api_key"), "secret": account.reveal("secret")}
    client = ccxt.pro.binance({**keys, "options": {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}}})
    client.has["fetchCurrencies"] = False
    client.options |= {"fetchMargins": False, "watchPositions": {"fetchPositionsSnapshot": False}}
    urls = client.urls["api"]
    urls |= rebase({name: url for name, url in urls.items() if name.startswith("fapi")}, str(account.base_url))
    urls["ws"]["linear"] = str(account.base_url).replace("http", "ws", 1) + "/ws"
    return client


async def test_ccxt_hears_a_position_that_is_changed(harness: SandboxHarness) -> None:
    account = harness.account(PERP)
    client = pro_client(account)
    try:
        await client.load_markets()
        watching = asyncio.create_task(client.watch_positions(["SOL/USDT:USDT"]))
        await until_listening(harness, PERP)
        await harness.change(PERP, positions=[{"symbol": "SOLUSDT", "amount": "2", "entry_price": "150"}])
        async with asyncio.timeout(PATIENCE_S):
            found = await watching
        assert [(row["symbol"], row["contracts"]) for row in found] == [("SOL/USDT:USDT", 2.0)]
    finally:
        await client.close()


async def until_listening(harness: SandboxHarness, account_id: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            listening = (await harness.control.get("/streams")).json()["streams"]
            if any(stream["account"] == account_id for stream in listening):
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(harness: SandboxHarness, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(ws_url(harness) + path, autoping=False) as socket,
    ):
        yield socket


async def frame(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return json.loads(await socket.receive_str(timeout=PATIENCE_S))


async def change_leverage(harness: SandboxHarness, account_id: str, leverage: int) -> None:
    terms = {"SOLUSDT": {"leverage": leverage}, "ETHUSD_PERP": {"leverage": leverage}}
    await harness.change(account_id, terms=terms)


PATHS = [
    ("um", "/private/ws?listenKey={}", False),
    ("um", "/private/ws?listenKey={}&events=ACCOUNT_CONFIG_UPDATE/MARGIN_CALL", False),
    ("um", "/private/ws/{}", False),
    ("um", "/private/stream?listenKey={}", True),
    ("cm", "/ws/{}", False),
    ("cm", "/stream?streams={}", True),
    ("pm", "/pm/ws/{}", False),
    ("pm", "/pm/stream?streams={}", True),
]


@pytest.mark.parametrize(("product", "path", "wrapped"), PATHS)
async def test_each_path_tells_events_in_its_own_frame(
    harness: SandboxHarness, product: str, path: str, wrapped: bool
) -> None:
    key = await key_of(harness, product)
    async with connected(harness, path.format(key)) as socket:
        await change_leverage(harness, owner_of(product), 11)
        told = await frame(socket)
        event = told["data"] if wrapped else told
        assert (event["e"], event["ac"]["l"]) == ("ACCOUNT_CONFIG_UPDATE", 11)
        assert not wrapped or told["stream"] == key


@pytest.mark.parametrize("path", ["/private/stream", "/pm/stream", "/stream"])
async def test_a_stream_takes_keys_by_subscription(harness: SandboxHarness, path: str) -> None:
    product = {"/private/stream": "um", "/pm/stream": "pm", "/stream": "cm"}[path]
    key = await key_of(harness, product)
    async with connected(harness, path) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": [key], "id": "a-b"})
        assert await frame(socket) == {"result": None, "id": "a-b"}
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert await frame(socket) == {"result": [key], "id": 2}
        await change_leverage(harness, owner_of(product), 12)
        assert (await frame(socket))["stream"] == key


async def test_a_connection_tells_two_accounts_apart_by_their_keys(harness: SandboxHarness) -> None:
    one, other = await key_of(harness, "um", PERP), await key_of(harness, "um", HEDGE)
    async with connected(harness, f"/private/stream?listenKey={one}&listenKey={other}") as socket:
        await change_leverage(harness, HEDGE, 13)
        assert (await frame(socket))["stream"] == other
        await change_leverage(harness, PERP, 13)
        assert (await frame(socket))["stream"] == one


async def test_an_event_that_is_not_wanted_is_not_told(harness: SandboxHarness) -> None:
    key = await key_of(harness, "um")
    async with connected(harness, f"/private/ws?listenKey={key}&events=ACCOUNT_UPDATE") as socket:
        await change_leverage(harness, PERP, 14)
        await harness.change(PERP, um_wallet={"USDT": "600"})
        assert (await frame(socket))["a"]["m"] == "DEPOSIT"


@pytest.mark.parametrize(
    "path", ["/private/ws/unknown", "/pm/ws/unknown", "/ws/unknown", "/market/stream", "/public/ws"]
)
async def test_a_key_that_nobody_knows_is_let_in_and_hears_nothing(harness: SandboxHarness, path: str) -> None:
    async with connected(harness, path) as silent, connected(harness, f"/ws/{await key_of(harness, 'cm')}") as other:
        await change_leverage(harness, PERP, 15)
        await frame(other)
        await silent.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await frame(silent) == {"result": [], "id": 1}


async def test_a_key_of_one_product_hears_nothing_at_another(harness: SandboxHarness) -> None:
    key = await key_of(harness, "um")
    async with connected(harness, f"/ws/{key}") as retired, connected(harness, f"/private/ws/{key}") as routed:
        await change_leverage(harness, PERP, 16)
        await frame(routed)
        await retired.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert (await frame(retired))["id"] == 1


@pytest.mark.parametrize("product", ["um", "cm", "pm"])
async def test_a_key_is_the_same_until_it_expires(harness: SandboxHarness, product: str) -> None:
    key = await key_of(harness, product)
    assert await key_of(harness, product) == key
    await set_clock(harness, 59 * 60_000)
    kept = await key_request(harness, "PUT", product)
    assert (kept.status_code, kept.json()) == (200, {} if product == "pm" else {"listenKey": key})
    await set_clock(harness, 59 * 60_000 + HOUR_MS)
    refused = await key_request(harness, "PUT", product)
    assert refused.status_code == 400
    assert refused.json() == {"code": -1125, "msg": "This listenKey does not exist."}
    assert await key_of(harness, product) != key
    assert (await key_request(harness, "DELETE", product)).json() == {}
    assert (await key_request(harness, "PUT", product)).json()["code"] == -1125


async def test_a_key_is_asked_for_with_an_api_key_alone(harness: SandboxHarness) -> None:
    url = f"{harness.account().base_url}{KEYS['um']}"
    headers = {"X-MBX-APIKEY": harness.account().reveal("api_key")}
    answer = await harness.control.post(url, headers=headers, data={"subType": "None"})
    assert set(answer.json()) == {"listenKey"}
    assert (await harness.control.post(url)).status_code == 401
    assert (await key_request(harness, "POST", "um", PORTFOLIO)).json()["code"] == -2015
    assert (await key_request(harness, "POST", "pm", PERP)).json()["code"] == -2015


async def test_a_key_that_expires_is_told_once_and_nothing_follows(harness: SandboxHarness) -> None:
    key = await key_of(harness, "um")
    async with connected(harness, f"/private/ws/{key}") as socket:
        await set_clock(harness, HOUR_MS + 1)
        told = await frame_but_pings(socket)
        assert (told["e"], told["listenKey"]) == ("listenKeyExpired", key)
        await change_leverage(harness, PERP, 17)
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert (await frame_but_pings(socket))["id"] == 1


async def frame_but_pings(socket: aiohttp.ClientWebSocketResponse) -> Any:
    while True:
        message = await socket.receive(timeout=PATIENCE_S)
        if message.type is aiohttp.WSMsgType.TEXT:
            return json.loads(message.data)
        assert message.type is aiohttp.WSMsgType.PING


async def test_the_server_pings_each_three_minutes_and_ends_a_connection_that_does_not_answer(
    harness: SandboxHarness,
) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        for minutes in (3, 6):
            await set_clock(harness, minutes * 60_000 + 1)
            message = await socket.receive(timeout=PATIENCE_S)
            assert message.type is aiohttp.WSMsgType.PING
        await set_clock(harness, 14 * 60_000)
        assert (await last(socket)).type is aiohttp.WSMsgType.CLOSE


async def test_a_connection_ends_after_a_day(harness: SandboxHarness) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        await set_clock(harness, DAY_MS)
        assert (await last(socket)).type is aiohttp.WSMsgType.CLOSE


async def test_a_server_may_be_told_not_to_ping(harness: SandboxHarness) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        await order(harness, "no_pings", account=PERP)
        await set_clock(harness, 30 * 60_000)
        await change_leverage(harness, PERP, 18)
        assert (await frame(socket))["ac"]["l"] == 18


async def test_a_key_may_expire_without_a_word(harness: SandboxHarness) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        await order(harness, "expire_key", content={"silently": True, "product": "um"})
        await change_leverage(harness, PERP, 19)
        await order(harness, "shutdown", account=PERP)
        assert (await frame(socket))["event"]["e"] == "serverShutdown"
        assert (await key_request(harness, "PUT", "um")).json()["code"] == -1125


@pytest.mark.parametrize("ordered", [{"name": "dance"}, {"name": "expire_key", "content": {"product": "cm"}}])
async def test_what_no_connection_can_be_ordered_meets_none(harness: SandboxHarness, ordered: dict[str, Any]) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        answer = await harness.control.post("/streams/faults", json={"fault": "order", **ordered})
        assert answer.json() == {"connections": 0}
        await change_leverage(harness, PERP, 21)
        assert (await frame(socket))["ac"]["l"] == 21


async def last(socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    """The frame that ends a connection."""
    while (message := await socket.receive(timeout=PATIENCE_S)).type in (
        aiohttp.WSMsgType.TEXT,
        aiohttp.WSMsgType.PING,
    ):
        pass
    return message


async def test_a_connection_that_sends_more_than_ten_frames_a_second_is_ended(harness: SandboxHarness) -> None:
    async with connected(harness, "/private/stream") as socket:
        for number in range(12):
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        assert (await last(socket)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


UPDATES: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
    ("um", {"um_wallet": {"USDT": "500"}}, {"m": "WITHDRAW", "P": []}),
    ("cm", {"cm_wallet": {"BTC": "1"}}, {"m": "DEPOSIT", "P": []}),
    ("um", {"um_wallet": {"USDT": "500"}, "reason": "ADJUSTMENT"}, {"m": "ADJUSTMENT", "P": []}),
    (
        "um",
        {"income": [{"symbol": "BTCUSDT", "type": "FUNDING_FEE", "amount": "-0.5", "asset": "USDT", "tran_id": 1}]},
        {
            "m": "FUNDING_FEE",
            "S": "BTCUSDT",
            "B": [{"a": "USDT", "wb": "507.14000000", "cw": "507.14000000", "bc": "-0.5"}],
            "P": [],
        },
    ),
    (
        "um",
        {
            "positions": [{"symbol": "BTCUSDT", "amount": "0", "entry_price": "1"}],
            "um_wallet": {"USDT": "0"},
            "reason": "INSURANCE_CLEAR",
        },
        {"m": "INSURANCE_CLEAR", "B": [{"a": "USDT", "wb": "0.00000000", "cw": "0.00000000", "bc": "-507.64"}]},
    ),
]


@pytest.mark.parametrize(("product", "change", "told"), UPDATES)
async def test_an_update_bears_the_reason_of_its_change(
    harness: SandboxHarness, product: str, change: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    path = {"um": "/private/ws/{}", "cm": "/ws/{}"}[product]
    async with connected(harness, path.format(await key_of(harness, product))) as socket:
        await harness.change(PERP, **change)
        update = (await frame(socket))["a"]
        assert {name: update[name] for name in told} == told


async def test_a_leverage_that_is_changed_alone_leaves_the_margin_type(harness: SandboxHarness) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um', HEDGE)}") as socket:
        await harness.change(HEDGE, terms={"ETHUSDT": {"leverage": 25}})
        assert (await frame(socket))["ac"] == {"s": "ETHUSDT", "l": 25}
        await harness.change(HEDGE, terms={"ETHUSDT": {"margin_type": "CROSSED"}})
        update = (await frame(socket))["a"]
        assert update["m"] == "MARGIN_TYPE_CHANGE"
        assert [(row["s"], row["ps"], row["mt"]) for row in update["P"]] == [
            ("ETHUSDT", "LONG", "cross"),
            ("ETHUSDT", "SHORT", "cross"),
        ]


async def test_the_multi_assets_mode_is_told_as_a_flag(harness: SandboxHarness) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        await harness.change(PERP, multi_assets=True)
        told = await frame(socket)
        assert (told["e"], told["ai"]) == ("ACCOUNT_CONFIG_UPDATE", {"j": True})


async def test_an_update_of_usds_m_names_what_changed_and_one_of_coin_m_all_that_is_held(
    harness: SandboxHarness,
) -> None:
    for product, path, symbol, named in (
        ("um", "/private/ws/{}", "SOLUSDT", ["SOLUSDT"]),
        ("cm", "/ws/{}", "ETHUSD_PERP", ["ETHUSD_PERP", "BTCUSD_PERP"]),
    ):
        async with connected(harness, path.format(await key_of(harness, product, HEDGE))) as socket:
            position = {"symbol": symbol, "amount": "1", "entry_price": "100", "side": "LONG"}
            await harness.change(HEDGE, positions=[position])
            assert [row["s"] for row in (await frame(socket))["a"]["P"]] == named


async def test_what_a_request_changes_is_told_as_what_is_changed_behind_the_account(harness: SandboxHarness) -> None:
    async with connected(harness, f"/private/ws/{await key_of(harness, 'um')}") as socket:
        adapter = harness.adapter(PERP)
        await adapter.set_leverage(market(adapter, "SOL/USDT:USDT"), Decimal(7))
        assert (await frame(socket))["ac"] == {"s": "SOLUSDT", "l": 7}
