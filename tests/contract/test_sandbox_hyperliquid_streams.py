"""Hyperliquid's streams at the stand-in: its official client and ccxt.pro work against them, and our feed hears all."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import pytest
from hyperliquid.info import Info

from schemas.requests import MarginMode
from tests.support.sandbox_harness import UNLIMITED, SandboxHarness, harness_fixtures, market
from tests.support.stream_client import StreamClient, following
from worker.sandbox.hyperliquid.stream_session import PATH, TOO_MANY_USERS
from worker.sandbox.server.streams import StreamFault, StreamFaultKind
from worker.venues.client.signing import rebase
from worker.venues.hyperliquid.streams.feed import SUBSCRIBED
from worker.venues.port.streams import Evidence, Feed, NotUnderstood, Nudge, Refusal, RiskKind, RiskPush, Terms, Why

PERP, VAULT = "hyperliquid-perp-001", "hyperliquid-vault-001"
THEN = 1_780_000_000_000

shared, harness = harness_fixtures("hyperliquid", {"api": UNLIMITED})


def feed_of(harness: SandboxHarness, account: str | None = None) -> Feed:
    (feed,) = harness.adapter(account).feeds()
    return feed


def fault(harness: SandboxHarness, kind: StreamFaultKind, **more: Any) -> None:
    harness.sandbox.desks["hyperliquid"].streams.order(StreamFault(fault=kind, **more))


def order(harness: SandboxHarness, name: str, **content: Any) -> None:
    fault(harness, "order", name=name, content=content)


def nudged(why: Why) -> Callable[[StreamClient], bool]:
    return lambda client: any(nudge.why is why for nudge in client.of(Nudge))


@asynccontextmanager
async def followed(harness: SandboxHarness, account: str | None = None) -> AsyncIterator[StreamClient]:
    """A connection that is live, and whose first state was heard and forgotten; the terms of coins are kept."""
    async with following(feed_of(harness, account)) as client:
        await client.live()
        await client.next(Nudge)
        client.heard[:] = client.of(Terms)
        yield client


def fill(**more: Any) -> dict[str, Any]:
    return {"time": THEN, "coin": "BTC", "direction": "Close Long", "tid": 7, "oid": 9} | more


# --- our feed ---

FLAT = "ETH/USDC:USDC"
"""What the account has filled orders in, and holds nothing of."""


def told_of(client: StreamClient) -> set[str]:
    return {told.symbol for terms in client.of(Terms) for told in terms.evidence}


async def test_a_feed_is_live_once_all_subscriptions_are_acknowledged(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        assert client.conversation.waiting_for == set(SUBSCRIBED)
        await client.live()
        (link,) = harness.sandbox.desks["hyperliquid"].streams.links
        assert link.account == PERP


async def test_the_first_state_tells_the_terms_of_all_that_is_open(harness: SandboxHarness) -> None:
    async with following(feed_of(harness)) as client:
        told = (await client.next(Nudge)).evidence
        assert Evidence("BTC/USDC:USDC", Decimal(10), MarginMode.CROSS) in told
        assert Evidence("SOL/USDC:USDC", Decimal(5), MarginMode.ISOLATED) in told
        assert len(told) == 3


async def test_a_vaults_positions_are_heard_of_under_its_own_address(harness: SandboxHarness) -> None:
    async with followed(harness, VAULT) as client:
        await harness.change(VAULT, positions=[{"coin": "ETH", "size": "3", "entry_price": "3000"}])
        nudge = await client.next(Nudge)
        assert {told.symbol for told in nudge.evidence} == {"ETH/USDC:USDC"}


async def test_the_states_that_come_every_few_seconds_are_no_news(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        order(harness, "cadence", each_ms=50)
        await client.until(lambda client: FLAT in told_of(client))
        await client.more(20)
        assert len(client.heard) == 1


async def test_a_leverage_set_on_an_open_position_is_told_with_its_value(harness: SandboxHarness) -> None:
    adapter = harness.adapter()
    async with followed(harness) as client:
        await adapter.set_leverage(market(adapter, "BTC/USDC:USDC"), Decimal(12))
        nudge = await client.next(Nudge)
        assert nudge.evidence == (Evidence("BTC/USDC:USDC", Decimal(12), MarginMode.CROSS),)


async def test_a_leverage_set_where_nothing_is_open_any_more_is_told_with_its_value(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        await client.until(lambda client: FLAT in told_of(client))
        await harness.change(positions=[{"coin": "BTC", "size": "0"}])
        await client.next(Nudge)
        assert not client.of(Nudge)
        await harness.change(terms={"BTC": {"leverage": 7}})
        nudge = await client.next(Nudge)
        assert nudge == Nudge(Why.SETTINGS, evidence=(Evidence("BTC/USDC:USDC", Decimal(7), MarginMode.CROSS),))


async def test_of_a_coin_that_a_command_of_ours_has_changed_it_is_told_too(harness: SandboxHarness) -> None:
    (feed,) = harness.adapter().feeds(lambda: ["CANTO/USDC:USDC", "NIL/USDC:USDC"])
    async with following(feed) as client:
        await client.until(lambda client: "CANTO/USDC:USDC" in told_of(client))
        await harness.change(terms={"CANTO": {"leverage": 3}})
        await client.until(lambda client: any(nudge.why is Why.SETTINGS for nudge in client.of(Nudge)))


async def test_of_a_coin_that_nothing_happened_to_nothing_is_told(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        await client.until(lambda client: FLAT in told_of(client))
        await harness.change(terms={"CANTO": {"leverage": 3}})
        fault(harness, "malformed")
        await client.next(NotUnderstood)
        assert not client.of(Nudge)


async def test_a_position_on_another_dex_that_closes_is_news(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        await harness.change(positions=[{"coin": "xyz:GOLD", "size": "0"}])
        assert (await client.next(Nudge)).evidence == ()


async def test_fills_funding_and_what_comes_in_are_told(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        await harness.change(fills=[fill()])
        await client.until(nudged(Why.POSITIONS))
        assert not client.of(RiskPush)
        await harness.change(payments=[{"time": THEN, "coin": "BTC", "usdc": "-1"}])
        await client.until(nudged(Why.FUNDING))
        await harness.change(balances={"": "2000"})
        await client.until(nudged(Why.BALANCE))


async def test_a_liquidation_is_a_risk_by_fills_event_and_ledger(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        await harness.change(fills=[fill(direction="Liquidated Cross Long")], positions=[{"coin": "BTC", "size": "0"}])
        await client.until(lambda client: len(client.of(RiskPush)) >= 4)
        risks = client.of(RiskPush)
        assert {risk.kind for risk in risks} == {RiskKind.LIQUIDATION}
        assert {risk.identity.partition(":")[0] for risk in risks} == {"fill", "event", "ledger"}
        assert len({risk.identity for risk in risks}) == 3  # userFills and userEvents tell of the same fill


async def test_a_deleveraging_is_a_risk(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        await harness.change(fills=[fill(direction="Auto-Deleveraging")])
        risk = await client.next(RiskPush)
        assert (risk.kind, risk.symbols) == (RiskKind.AUTO_DELEVERAGING, ("BTC/USDC:USDC",))


async def test_the_eleventh_user_of_an_address_is_refused_for_long_and_a_place_comes_free(
    harness: SandboxHarness,
) -> None:
    for number in range(10):
        account = f"seat-{number}-{time.monotonic_ns()}"
        harness.sandbox.open_account("hyperliquid", id=account)
        harness.adapters[f"seat-{number}"] = harness.adapter(account)
    async with AsyncExitStack() as seats:
        for number in range(9):
            client = await seats.enter_async_context(following(harness.adapters[f"seat-{number}"].feeds()[0]))
            await client.live()
        async with AsyncExitStack() as tenth:
            client = await tenth.enter_async_context(following(harness.adapters["seat-9"].feeds()[0]))
            await client.live()
            async with following(feed_of(harness)) as eleventh:
                refusal = await eleventh.next(Refusal)
                assert (refusal.lasts, "10 total users" in refusal.reason) == (True, True)
        await settled(harness, 9)
        async with following(feed_of(harness)) as client:
            await client.live()


async def settled(harness: SandboxHarness, links: int) -> None:
    async with asyncio.timeout(10):
        while len(harness.sandbox.desks["hyperliquid"].streams.links) != links:  # noqa: ASYNC110 - it is the server's
            await asyncio.sleep(0.01)


async def test_users_that_are_taken_back_are_refused_for_long(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        order(harness, "user_limit")
        assert (await client.next(Refusal)).lasts


async def test_a_connection_that_nothing_is_sent_to_is_cut_without_a_word(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        order(harness, "cadence", each_ms=60_000)
        order(harness, "idle_cut", after_ms=100)
        await client.until(lambda client: client.ended)
        assert client.close_code in (None, 1006)


async def test_each_ping_is_answered_and_keeps_the_connection(harness: SandboxHarness) -> None:
    async with following(feed_of(harness), ping_s=0.05) as client:
        await client.live()
        order(harness, "cadence", each_ms=60_000)
        order(harness, "idle_cut", after_ms=300)
        await client.more(20)  # pongs, over three times as long as an idle one lives
        assert not client.ended


# --- what any venue can do to us ---


async def test_a_push_may_come_before_rest_shows_what_it_tells(harness: SandboxHarness) -> None:
    adapter = harness.adapter()
    btc = market(adapter, "BTC/USDC:USDC")
    async with followed(harness) as client:
        fault(harness, "early", for_ms=60_000)
        await harness.change(terms={"BTC": {"leverage": 6}})
        assert (await client.next(Nudge)).evidence[0].leverage == 6
        assert (await adapter.terms(btc)).leverage == 10
        harness.sandbox.desks["hyperliquid"].venue.clock.offset = 60_001
        assert (await adapter.terms(btc)).leverage == 6


async def test_a_push_that_comes_twice_is_news_once(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        fault(harness, "duplicate", times=100)
        await harness.change(terms={"BTC": {"leverage": 6}})
        await client.next(Nudge)
        fault(harness, "malformed")
        await client.next(NotUnderstood)
        assert not client.of(Nudge)


async def test_a_push_that_is_lost_is_made_up_for_by_the_next_state(harness: SandboxHarness) -> None:
    async with followed(harness) as client:
        fault(harness, "lose")
        await harness.change(terms={"BTC": {"leverage": 6}})
        order(harness, "cadence", each_ms=50)
        assert (await client.next(Nudge)).evidence[0].leverage == 6


# --- any client ---


@asynccontextmanager
async def dialled(harness: SandboxHarness) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = harness.sandbox.base_urls["hyperliquid"].replace("http", "ws") + PATH
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield socket


async def exchange(socket: aiohttp.ClientWebSocketResponse, *frames: Any) -> list[Any]:
    """What comes until the answer to a ping that is sent behind all frames."""
    for frame in frames:
        await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
    await socket.send_str('{"method": "ping"}')
    answers = []
    while (answer := json.loads(await socket.receive_str(timeout=10))) != {"channel": "pong"}:
        answers.append(answer)
    return answers


def subscribe(kind: str, user: str, **more: Any) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": {"type": kind, "user": user, **more}}


@pytest.fixture
def owner(harness: SandboxHarness) -> str:
    return harness.account().account_address or ""


async def test_a_subscription_is_repeated_in_its_acknowledgement_before_its_snapshot(
    harness: SandboxHarness, owner: str
) -> None:
    async with dialled(harness) as socket:
        answer, snapshot = await exchange(socket, subscribe("userFills", owner, aggregateByTime=False))
    assert answer == {
        "channel": "subscriptionResponse",
        "data": {
            "method": "subscribe",
            "subscription": {"type": "userFills", "user": owner, "aggregateByTime": False},
        },
    }
    assert (snapshot["channel"], snapshot["data"]["isSnapshot"], snapshot["data"]["user"]) == ("userFills", True, owner)
    assert snapshot["data"]["fills"]


async def test_events_have_no_snapshot_and_come_on_a_channel_of_another_name(
    harness: SandboxHarness, owner: str
) -> None:
    async with dialled(harness) as socket:
        (answer,) = await exchange(socket, subscribe("userEvents", owner))
        await harness.change(fills=[fill()])
        (event,) = await exchange(socket)
    assert answer["channel"] == "subscriptionResponse"
    assert (event["channel"], set(event["data"])) == ("user", {"fills"})


async def test_the_terms_of_a_flat_coin_are_told_by_its_own_subscription(harness: SandboxHarness, owner: str) -> None:
    async with dialled(harness) as socket:
        _, first = await exchange(socket, subscribe("activeAssetData", owner, coin="ETH"))
        await harness.change(terms={"ETH": {"leverage": 3, "cross": False}})
        (changed,) = await exchange(socket)
    assert first["data"]["leverage"]["type"] == "cross"
    assert (changed["data"]["leverage"]["type"], changed["data"]["leverage"]["value"]) == ("isolated", 3)


async def test_the_state_of_one_dex_can_be_had_alone(harness: SandboxHarness, owner: str) -> None:
    async with dialled(harness) as socket:
        _, state = await exchange(socket, subscribe("clearinghouseState", owner, dex="xyz"))
    assert (state["channel"], state["data"]["dex"]) == ("clearinghouseState", "xyz")
    held = state["data"]["clearinghouseState"]["assetPositions"]
    assert [row["position"]["coin"] for row in held] == ["xyz:GOLD"]


async def test_what_is_unsubscribed_is_told_no_more_and_frees_its_place(harness: SandboxHarness, owner: str) -> None:
    harness.sandbox.desks["hyperliquid"].venue.set_limits({"users": 1})
    other = "0x" + "1" * 40
    asked = subscribe("userEvents", owner)
    async with dialled(harness) as socket:
        _, refused = await exchange(socket, asked, subscribe("userEvents", other))
        assert refused == {"channel": "error", "data": TOO_MANY_USERS}
        await exchange(socket, asked | {"method": "unsubscribe"})
        (answer,) = await exchange(socket, subscribe("userEvents", other))
        assert answer["channel"] == "subscriptionResponse"
        await harness.change(fills=[fill()])
        assert await exchange(socket) == []


async def test_what_is_asked_wrongly_is_answered_by_an_error(harness: SandboxHarness, owner: str) -> None:
    events = subscribe("userEvents", owner)
    wrong = ["{no json", subscribe("nothing", owner), subscribe("userEvents", "0x1"), {"method": "dance"}, [1]]
    async with dialled(harness) as socket:
        answers = await exchange(socket, *wrong, events, events, subscribe("activeAssetData", owner, coin="NIL"))
    errors = [answer["data"] for answer in answers if answer["channel"] == "error"]
    assert all(error.startswith("Error parsing JSON") for error in errors[: len(wrong)])
    assert [error.split()[0] for error in errors[len(wrong) :]] == ["Already", "Invalid"]


# --- the official client, and ccxt.pro ---


async def test_the_official_client_hears_snapshots_fills_funding_and_terms(harness: SandboxHarness, owner: str) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def take(frame: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, frame)

    client = await asyncio.to_thread(Info, harness.sandbox.base_urls["hyperliquid"])
    try:
        for kind in ("userFills", "userFundings", "userNonFundingLedgerUpdates", "userEvents"):
            client.subscribe({"type": kind, "user": owner}, take)
        client.subscribe({"type": "activeAssetData", "user": owner, "coin": "ETH"}, take)
        async with asyncio.timeout(10):
            first = [await heard.get() for _ in range(4)]
            await harness.change(
                fills=[fill()],
                payments=[{"time": THEN, "coin": "BTC", "usdc": "-1"}],
                terms={"ETH": {"leverage": 3}},
                balances={"": "1400"},
            )
            then = [await heard.get() for _ in range(6)]
    finally:
        await asyncio.to_thread(client.disconnect_websocket)
        client.session.close()
    assert {frame["channel"] for frame in first} == {
        "userFills", "userFundings", "userNonFundingLedgerUpdates", "activeAssetData"
    }  # fmt: skip
    assert [frame["channel"] for frame in then] == [
        "userFills", "userFundings", "userNonFundingLedgerUpdates", "user", "user", "activeAssetData"
    ]  # fmt: skip
    assert then[-1]["data"]["leverage"]["value"] == 3
    assert then[2]["data"]["nonFundingLedgerUpdates"][0]["delta"]["type"] == "withdraw"


async def test_ccxt_pro_watches_positions(harness: SandboxHarness, owner: str) -> None:
    base_url = harness.sandbox.base_urls["hyperliquid"]
    client = ccxt.pro.hyperliquid({"enableRateLimit": False, "walletAddress": owner})
    rest = {name: url for name, url in client.urls["api"].items() if name != "ws"}
    client.urls["api"] = rebase(rest, base_url) | {"ws": {"public": base_url.replace("http", "ws") + PATH}}
    try:
        await client.load_markets()
        async with asyncio.timeout(10):
            first = await client.watch_positions()
    finally:
        await client.close()
    assert {"BTC/USDC:USDC", "SOL/USDC:USDC"} <= {position["symbol"] for position in first}
