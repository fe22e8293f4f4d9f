"""OKX's private streams at the stand-in: its official client and ccxt.pro work against them, and our feed hears all."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro
import pytest
from aiohttp import web
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from pydantic import SecretStr

from schemas.requests import MarginMode
from tests.support.certificates import Authority
from tests.support.sandbox_harness import SandboxHarness, harness_fixtures, market
from tests.support.stream_client import StreamClient, following
from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox, application
from worker.sandbox.okx import stream_session
from worker.sandbox.okx.stream_session import PATH
from worker.sandbox.server.streams import StreamFault, StreamFaultKind
from worker.venues.client.signing import rebase
from worker.venues.okx.streams.feed import signature_of
from worker.venues.okx.streams.words import CLOSES
from worker.venues.port.streams import (
    Evidence,
    Feed,
    NotUnderstood,
    Nudge,
    Refusal,
    Reopen,
    RiskKind,
    RiskPush,
    Why,
)

PERP, HEDGE = "okx-perp-001", "okx-hedge-001"
BTC, FLAT = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
LIVE = {"login", "balance_and_position", "positions", "account", "liquidation-warning"}

shared, harness = harness_fixtures("okx")


def feed_of(harness: SandboxHarness, account: str | None = None, **changes: Any) -> Feed:
    (feed,) = harness.adapter(account, **changes).feeds()
    return feed


def order(harness: SandboxHarness, name: str, **content: Any) -> None:
    fault(harness, "order", name=name, content=content)


def fault(harness: SandboxHarness, kind: StreamFaultKind, **more: Any) -> None:
    harness.sandbox.desks["okx"].streams.order(StreamFault(fault=kind, **more))


def nudged(why: Why) -> Callable[[StreamClient], bool]:
    return lambda client: any(nudge.why is why for nudge in client.of(Nudge))


def evidence(client: StreamClient) -> list[Evidence]:
    return [told for nudge in client.of(Nudge) for told in nudge.evidence]


# --- our feed ---


async def test_a_feed_is_live_once_login_and_all_four_channels_are_acknowledged(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        assert client.conversation.waiting_for == LIVE
        await client.live()
        (link,) = harness.sandbox.desks["okx"].streams.links
        assert link.account == PERP


async def test_the_snapshots_after_a_subscription_are_no_news(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        fault(harness, "malformed")
        await client.next(NotUnderstood)
        assert client.heard == []


async def test_a_leverage_set_on_an_open_position_is_told_with_its_value(harness: SandboxHarness) -> None:
    adapter = harness.adapter()
    async with following(feed_of(harness)) as client:
        await client.live()
        await adapter.set_leverage(market(adapter, "BTC/USDT:USDT"), Decimal(7))
        await client.until(nudged(Why.SETTINGS))
        await client.until(evidence)
        assert evidence(client) == [Evidence("BTC/USDT:USDT", Decimal(7), MarginMode.CROSS)]


async def test_a_leverage_set_where_nothing_is_open_may_or_may_not_be_told(harness: SandboxHarness) -> None:
    adapter = harness.adapter()
    flat = market(adapter, "ETH/USDT:USDT")
    async with following(feed_of(harness)) as client:
        await client.live()
        await adapter.set_leverage(flat, Decimal(7))
        fault(harness, "malformed")
        await client.next(NotUnderstood)
        assert client.heard == []
        order(harness, "flat_leverage")
        await adapter.set_leverage(flat, Decimal(8))
        assert (await client.next(Nudge)).why is Why.SETTINGS


async def test_a_position_that_changes_or_closes_behind_our_back_is_told_once(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        for amount in ("9", "0"):
            await harness.change(positions=[{"instrument_id": BTC, "amount": amount, "entry_price": "98000"}])
            assert (await client.next(Nudge)).why is Why.POSITIONS
            fault(harness, "malformed")
            await client.next(NotUnderstood)
            assert client.heard == []


async def test_the_sides_of_an_isolated_market_have_a_leverage_each(harness: SandboxHarness) -> None:
    async with following(feed_of(harness, HEDGE)) as client:
        await client.live()
        await harness.change(
            HEDGE, leverages=[{"instrument_id": FLAT, "leverage": 12, "mode": "isolated", "side": "short"}]
        )
        await client.until(evidence)
        assert {(told.side, told.leverage) for told in evidence(client)} == {
            ("long", Decimal(10)),
            ("short", Decimal(12)),
        }
        assert {told.margin_mode for told in evidence(client)} == {MarginMode.ISOLATED}


async def test_a_transfer_and_funding_are_told(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        await harness.change(balances={"USDT": "11000"})
        await client.until(nudged(Why.BALANCE))
        await harness.change(bills=[{"type": "8", "instrument_id": BTC, "balance_change": "-1"}])
        await client.until(nudged(Why.FUNDING))


@pytest.mark.parametrize(("bill", "kind"), [("5", RiskKind.LIQUIDATION), ("9", RiskKind.AUTO_DELEVERAGING)])
async def test_a_liquidation_and_a_deleveraging_are_risks(harness: SandboxHarness, bill: str, kind: RiskKind) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        await harness.change(
            positions=[{"instrument_id": BTC, "amount": "0"}], bills=[{"type": bill, "instrument_id": BTC}]
        )
        risk = await client.next(RiskPush)
        assert (risk.kind, risk.symbols, risk.figures["pos"]) == (kind, ("BTC/USDT:USDT",), "0")


async def test_a_warning_of_a_liquidation_is_a_risk_with_its_figures(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client, following(feed_of(harness)) as other:
        await client.live()
        await other.live()
        order(harness, "liquidation_warning", instId=BTC)
        risk, again = await client.next(RiskPush), await other.next(RiskPush)
        assert (risk.kind, risk.symbols) == (RiskKind.LIQUIDATION_WARNING, ("BTC/USDT:USDT",))
        assert {"mgnRatio", "markPx", "lever"} <= set(risk.figures)
        assert risk.identity.startswith(f"liquidation_warning:{risk.at}:")
        assert again.identity.split(":")[2:] == risk.identity.split(":")[2:]


async def test_an_order_that_leaves_the_position_alone_is_no_news(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        await harness.change(open_orders={BTC: 1})
        await harness.change(balances={"USDT": "1"})
        await client.until(nudged(Why.BALANCE))
        assert {nudge.why for nudge in client.of(Nudge)} == {Why.BALANCE}


async def test_each_ping_is_answered_and_keeps_the_connection(harness: SandboxHarness) -> None:
    async with following(feed_of(harness), ping_s=0.05) as client:
        await client.live()
        order(harness, "idle_cut", after_ms=300)
        await client.more(20)  # pongs, over three times as long as an idle one lives
        assert not client.ended
        await harness.change(balances={"USDT": "1"})
        await client.until(nudged(Why.BALANCE))


async def test_a_connection_without_a_frame_is_cut_with_4004(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        order(harness, "idle_cut", after_ms=100)
        await client.until(lambda client: client.ended)
        assert client.close_code == 4004


async def test_a_restart_that_is_announced_opens_it_anew(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        order(harness, "notice")
        assert "64008" in (await client.next(Reopen)).reason


async def test_a_subscription_that_dies_of_too_many_connections_is_refused_for_long(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        order(harness, "conn_count_error", channel="positions")
        refusal = await client.next(Refusal)
        assert (refusal.lasts, "positions" in refusal.reason) == (True, True)


async def test_the_thirty_first_connection_gets_its_acknowledgement_and_then_nothing(
    harness: SandboxHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_session, "MOST_CONNECTIONS", 1)
    async with following(feed_of(harness)) as first:
        await first.live()
        async with following(feed_of(harness)) as second:
            assert (await second.next(Refusal)).lasts
            assert "balance_and_position" not in second.conversation.waiting_for


async def test_a_key_that_is_gone_closes_with_a_code_that_refuses_for_long(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        order(harness, "key_gone")
        await client.until(lambda client: client.ended)
        assert client.close_code == 4007
        assert feed_of(harness).rules.closes[4007].lasts


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"passphrase": "another"}, "60024"),
        ({"secret": "another"}, "60007"),
        ({"api_key": "no key"}, "60005"),
        ({"api_key": "00000000-0000-0000-0000-000000000000"}, "60032"),
    ],
    ids=["passphrase", "secret", "malformed key", "unknown key"],
)
async def test_credentials_that_are_wrong_are_refused_for_long(
    harness: SandboxHarness, changes: dict[str, str], code: str
) -> None:
    secrets: dict[str, Any] = {name: SecretStr(value) for name, value in changes.items()}
    async with following(feed_of(harness, **secrets)) as client:
        refusal = await client.next(Refusal)
        assert (refusal.lasts, refusal.reason.partition(":")[0]) == (True, code)
        await client.until(lambda client: client.ended)
        assert client.close_code == 4001


async def test_a_clock_that_is_wrong_is_refused_and_not_for_long(harness: SandboxHarness) -> None:
    harness.sandbox.desks["okx"].venue.clock.offset = 60_000
    async with following(feed_of(harness)) as client:
        refusal = await client.next(Refusal)
        assert (refusal.lasts, refusal.reason.partition(":")[0]) == (False, "60006")


async def test_an_acknowledgement_that_never_comes_is_waited_for(harness: SandboxHarness) -> None:
    fault(harness, "no_ack", times=1)
    async with following(feed_of(harness), ping_s=0.02) as client:
        await client.more(10)
        assert client.conversation.waiting_for == LIVE


# --- what any venue can do to us ---


async def test_a_push_may_come_before_rest_shows_what_it_tells(harness: SandboxHarness) -> None:
    adapter = harness.adapter()
    btc = market(adapter, "BTC/USDT:USDT")
    async with following(feed_of(harness)) as client:
        await client.live()
        fault(harness, "early", for_ms=60_000)
        await harness.change(leverages=[{"instrument_id": BTC, "leverage": 6}])
        await client.until(evidence)
        assert evidence(client)[0].leverage == 6
        assert (await adapter.terms(btc)).leverage == 10
        harness.sandbox.desks["okx"].venue.clock.offset = 60_001
        assert (await adapter.terms(btc)).leverage == 6


async def test_a_push_that_comes_twice_is_news_once(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        fault(harness, "duplicate", times=100)
        await harness.change(leverages=[{"instrument_id": BTC, "leverage": 6}])
        await client.until(evidence)
        fault(harness, "malformed")
        await client.next(NotUnderstood)
        assert len(evidence(client)) == 1


async def test_a_push_that_is_lost_is_made_up_for_by_the_next_one(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        await client.live()
        fault(harness, "lose", times=2)
        await harness.change(leverages=[{"instrument_id": BTC, "leverage": 6}])
        await harness.change(positions=[{"instrument_id": BTC, "amount": "9", "entry_price": "98000"}])
        await client.until(evidence)
        assert evidence(client) == [Evidence("BTC/USDT:USDT", Decimal(6), MarginMode.CROSS)]


# --- any client ---


def login(account: Account, stamp: int | str) -> dict[str, Any]:
    shown = {
        "apiKey": account.reveal("api_key"),
        "passphrase": account.reveal("passphrase"),
        "timestamp": stamp,
        "sign": signature_of(account.reveal("secret"), str(stamp)),
    }
    return {"op": "login", "args": [shown]}


@asynccontextmanager
async def dialled(harness: SandboxHarness) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = harness.sandbox.base_urls["okx"].replace("http", "ws") + PATH
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield socket


async def exchange(socket: aiohttp.ClientWebSocketResponse, *frames: Any) -> list[Any]:
    """What comes until the answer to a ping that is sent behind all frames."""
    for frame in frames:
        await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
    await socket.send_str("ping")
    answers = []
    while (text := await socket.receive_str(timeout=10)) != "pong":
        answers.append(json.loads(text))
    return answers


def now_s(harness: SandboxHarness) -> int:
    return harness.sandbox.desks["okx"].venue.clock.now() // 1000


@pytest.mark.parametrize("kind", [int, str])
async def test_a_login_takes_a_time_as_a_number_or_as_text_and_only_once(
    harness: SandboxHarness, kind: type[int | str]
) -> None:
    frame = login(harness.account(), kind(now_s(harness)))
    async with dialled(harness) as socket:
        first, second = await exchange(socket, frame, frame)
    assert (first["event"], first["code"]) == ("login", "0")
    assert (second["event"], second["code"]) == ("error", "60031")


async def test_each_argument_is_acknowledged_and_its_data_comes_before_the_next_one(harness: SandboxHarness) -> None:
    asked = [{"channel": "balance_and_position"}, {"channel": "positions", "instType": "ANY"}]
    async with dialled(harness) as socket:
        answers = await exchange(
            socket, login(harness.account(), now_s(harness)), {"id": "7", "op": "subscribe", "args": asked}
        )
    told = [(answer.get("event", "data"), (answer.get("arg") or answer).get("channel")) for answer in answers[1:]]
    assert told == [(what, arg["channel"]) for arg in asked for what in ("subscribe", "channel-conn-count", "data")]
    assert [answer["id"] for answer in answers if answer.get("event") == "subscribe"] == ["7", "7"]
    snapshot = answers[-1]
    assert (snapshot["eventType"], snapshot["curPage"], snapshot["lastPage"]) == ("snapshot", 1, True)
    assert {row["instId"] for row in snapshot["data"]} >= {BTC, "SOL-USDT-SWAP"}


async def test_a_large_snapshot_comes_in_pages(harness: SandboxHarness) -> None:
    subscribe = {"op": "subscribe", "args": [{"channel": "positions", "instType": "SWAP"}]}
    async with dialled(harness) as socket:
        await exchange(socket, login(harness.account(), now_s(harness)))
        order(harness, "page", rows=2)
        answers = await exchange(socket, subscribe)
    pages = [answer for answer in answers if "data" in answer]
    assert [(page["curPage"], page["lastPage"], len(page["data"])) for page in pages] == [(1, False, 2), (2, True, 1)]


@pytest.mark.parametrize(
    ("extra", "pushes"), [(None, True), ('{"updateInterval": "2000"}', True), ('{"updateInterval": "0"}', False)]
)
async def test_positions_are_pushed_regularly_unless_the_interval_is_nought(
    harness: SandboxHarness, extra: str | None, pushes: bool
) -> None:
    arg = {"channel": "positions", "instType": "ANY"} | ({"extraParams": extra} if extra else {})
    async with dialled(harness) as socket:
        await exchange(socket, login(harness.account(), now_s(harness)), {"op": "subscribe", "args": [arg]})
        order(harness, "regular")
        answers = await exchange(socket)
    assert any("data" in answer for answer in answers) is pushes


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{no json", "60012"),
        ({"op": "dance", "args": []}, "60019"),
        ({"op": "subscribe", "args": []}, "60013"),
        ({"op": "subscribe", "args": [{"channel": "nothing"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "positions"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "account", "extraParams": {"updateInterval": "0"}}]}, "60013"),
        ({"op": "subscribe", "args": [{"channel": "account", "extraParams": '{"updateInterval": "7"}'}]}, "60013"),
    ],
    ids=str,
)
async def test_what_is_asked_wrongly_is_refused_with_the_venues_code(
    harness: SandboxHarness, frame: Any, code: str
) -> None:
    async with dialled(harness) as socket:
        *_, answer = await exchange(socket, login(harness.account(), now_s(harness)), frame)
    assert (answer["event"], answer["code"]) == ("error", code)


async def test_nothing_is_subscribed_before_the_login(harness: SandboxHarness) -> None:
    async with dialled(harness) as socket:
        (answer,) = await exchange(socket, {"op": "subscribe", "args": [{"channel": "account"}]})
    assert (answer["event"], answer["code"]) == ("error", "60011")


async def test_what_is_no_longer_subscribed_to_is_not_pushed(harness: SandboxHarness) -> None:
    arg = {"channel": "account"}
    async with dialled(harness) as socket:
        await exchange(socket, login(harness.account(), now_s(harness)), {"op": "subscribe", "args": [arg]})
        (ended,) = await exchange(socket, {"op": "unsubscribe", "args": [arg]})
        await harness.change(balances={"USDT": "1"})
        assert ended["event"] == "unsubscribe"
        assert await exchange(socket) == []


async def test_there_are_streams_at_the_private_path_alone(harness: SandboxHarness) -> None:
    url = harness.sandbox.base_urls["okx"].replace("http", "ws") + "/ws/v5/nowhere"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url)
    assert refused.value.status == 404


def test_every_close_code_that_refuses_is_told_for_long() -> None:
    assert {code for code, refusal in CLOSES.items() if not refusal.lasts} == set()


# --- the official client, and ccxt.pro ---


@asynccontextmanager
async def over_tls(sandbox: Sandbox, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """The stand-in for OKX at a port with TLS, too, and the certificate that vouches for it."""
    authority = Authority(folder)
    pair = authority.issue("okx")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    runner = web.AppRunner(application(sandbox.desks["okx"]), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"wss://127.0.0.1:{runner.addresses[0][1]}{PATH}", authority.cert
    finally:
        await runner.cleanup()


async def test_the_official_client_hears_a_leverage_that_was_set(
    harness: SandboxHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    account = harness.account()
    keys = [account.reveal(name) for name in ("api_key", "passphrase", "secret")]
    asked = [{"channel": "balance_and_position"}, {"channel": "positions", "instType": "ANY"}, {"channel": "account"}]
    async with over_tls(harness.sandbox, tmp_path) as (url, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        client = WsPrivateAsync(*keys, url=url)
        consuming = await client.start()
        await client.subscribe(asked, lambda frame: heard.put_nowait(json.loads(frame)), id="1")
        async with asyncio.timeout(10):
            acknowledged: set[str] = set()
            while len(acknowledged) < len(asked):
                frame = await heard.get()
                if frame.get("event") == "subscribe":
                    acknowledged.add(frame["arg"]["channel"])
            await harness.change(leverages=[{"instrument_id": BTC, "leverage": 6}])
            while "event" in (frame := await heard.get()) or frame.get("eventType") != "event_update":
                pass
        await client.stop()
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)
    assert [(row["instId"], row["lever"]) for row in frame["data"]] == [(BTC, "6")]


async def test_ccxt_pro_watches_positions(harness: SandboxHarness) -> None:
    account, base_url = harness.account(), harness.sandbox.base_urls["okx"]
    keys = {"apiKey": "api_key", "secret": "secret", "password": "passphrase"}
    client = ccxt.pro.okx({"enableRateLimit": False, **{theirs: account.reveal(ours) for theirs, ours in keys.items()}})
    client.has["fetchCurrencies"] = False
    client.options["fetchMarkets"] = {"types": ["swap", "future"]}
    client.urls["api"] = rebase(client.urls["api"], base_url)
    client.urls["api"]["ws"] = base_url.replace("http", "ws") + "/ws/v5"
    try:
        await client.load_markets()
        async with asyncio.timeout(10):
            first = await client.watch_positions()
    finally:
        await client.close()
    assert {"BTC/USDT:USDT", "SOL/USDT:USDT"} <= {position["symbol"] for position in first}
