"""Bybit's private stream at the stand-in: the official client and ccxt.pro work against it unchanged, and so do we."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import pybit.unified_trading
import pytest

from tests.support.sandbox_harness import SWAP, SandboxHarness, harness_fixtures
from tests.support.stream_client import following
from worker.sandbox.bybit.streams import BybitSession
from worker.sandbox.server.streams import StreamFault
from worker.venues.bybit.streams.feed import RULES
from worker.venues.port.streams import (
    Evidence,
    Feed,
    NotUnderstood,
    Nudge,
    Refusal,
    RiskKind,
    RiskPush,
    Why,
)

PERP, HEDGE, CLASSIC = "bybit-perp-001", "bybit-hedge-001", "bybit-classic-001"
BTC, BTC_INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
PATIENCE_S = 60.0
VALID_S = 60
"""How long a login is valid after it was signed. The second that pybit has otherwise is over where much else runs."""

shared, harness = harness_fixtures("bybit")


def feed_of(harness: SandboxHarness, account_id: str = PERP, **changes: Any) -> Feed:
    (feed,) = harness.adapter(account_id, **changes).feeds()
    return feed


def order(harness: SandboxHarness, fault: Any, **more: Any) -> int:
    return harness.sandbox.desks["bybit"].streams.order(StreamFault(fault=fault, **more))


async def holds(harness: SandboxHarness, size: str, account_id: str = PERP, **more: Any) -> None:
    row = {"symbol": "BTCUSDT", "size": size, "entry_price": "98000", **more}
    await harness.change(account_id, positions=[row])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - threads of the clients bring it about
            await asyncio.sleep(0.01)


def sessions(harness: SandboxHarness, topics: int = 1) -> list[BybitSession]:
    """Who has subscribed to so many topics."""
    held = (link.session for link in harness.sandbox.desks["bybit"].streams.links)
    return [session for session in held if isinstance(session, BybitSession) and len(session.topics) >= topics]


class RawStream:
    """The stream in the venue's own words."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **content: Any) -> dict[str, Any]:
        await self.socket.send_json(content)
        return await self.heard()

    async def heard(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self.socket.receive_json(timeout=PATIENCE_S)
        return answer


@asynccontextmanager
async def raw_stream(harness: SandboxHarness, query: str = "") -> AsyncIterator[RawStream]:
    url = harness.sandbox.base_urls["bybit"] + "/v5/private" + query
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield RawStream(socket)


def login(
    harness: SandboxHarness, lead_ms: int = VALID_S * 1_000, secret: str | None = None, text: bool = False
) -> list[Any]:
    account = harness.account(PERP)
    expires = harness.sandbox.desks["bybit"].venue.clock.now() + lead_ms
    key = account.reveal("secret") if secret is None else secret
    signature = hmac.new(key.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    return [account.reveal("api_key"), str(expires) if text else expires, signature]


class TestTheOfficialClient:
    @pytest.fixture(autouse=True)
    def quiet(self) -> Iterator[None]:
        loggers = [logging.getLogger(name) for name in ("pybit._websocket_stream", "pybit._http_manager", "websocket")]
        before = [list(logger.handlers) for logger in loggers]
        yield
        for logger, handlers in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers

    @pytest.fixture
    async def client(self, harness: SandboxHarness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
        """pybit, unchanged but for its URL, in threads of its own: it blocks, and the sandbox lives in our loop."""
        account = harness.account(PERP)
        url = f"ws{harness.sandbox.base_urls['bybit'].removeprefix('http')}/v5/private"
        monkeypatch.setattr(pybit.unified_trading, "PRIVATE_WSS", url)
        client: Any = await asyncio.to_thread(
            pybit.unified_trading.WebSocket,
            "private",
            testnet=False,
            api_key=account.reveal("api_key"),
            api_secret=account.reveal("secret"),
            private_auth_expire=VALID_S,
        )
        yield client
        await asyncio.to_thread(client.exit)

    async def test_hears_positions_executions_and_the_wallet(self, harness: SandboxHarness, client: Any) -> None:
        told: dict[str, list[Any]] = {"position": [], "execution": [], "wallet": []}
        for subscribe, topic in (
            (client.position_stream, "position"),
            (client.execution_stream, "execution"),
            (client.wallet_stream, "wallet"),
        ):
            await asyncio.to_thread(subscribe, told[topic].append)
        await until(lambda: client.auth and sessions(harness, topics=3))
        await holds(harness, "0.07")
        await harness.change(PERP, paid_in={"USDT": "12.5"})
        await until(lambda: all(told.values()))
        (row,) = told["position"][0]["data"]
        assert (row["symbol"], row["size"], row["leverage"], row["entryPrice"]) == ("BTCUSDT", "0.07", "10", "98000")
        assert told["execution"][0]["data"][0]["execQty"] == "0.02"
        assert told["wallet"][0]["data"][0]["coin"][0]["walletBalance"] == "322.75"

    async def test_subscribes_anew_after_its_connection_was_cut(self, harness: SandboxHarness, client: Any) -> None:
        told: list[Any] = []
        await asyncio.to_thread(client.position_stream, told.append)
        await until(lambda: sessions(harness))
        before = sessions(harness)
        assert order(harness, "drop") == 1
        await until(lambda: [session for session in sessions(harness) if session not in before])
        await holds(harness, "0.08")
        await until(lambda: told)
        assert told[0]["data"][0]["size"] == "0.08"


async def test_ccxt_pro_hears_a_position(harness: SandboxHarness) -> None:
    account, base_url = harness.account(PERP), harness.sandbox.base_urls["bybit"]
    client = ccxt.pro.bybit(
        {
            "apiKey": account.reveal("api_key"),
            "secret": account.reveal("secret"),
            "enableRateLimit": False,
            "options": {
                "defaultType": "swap",
                "fetchMarkets": {"types": ["linear"]},
                "enableUnifiedMargin": False,
                "enableUnifiedAccount": True,
                "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
            },
        }
    )
    client.has["fetchCurrencies"] = False
    ws = client.urls["api"].pop("ws")
    client.urls["api"] = dict.fromkeys(client.urls["api"], base_url)
    url = f"ws{base_url.removeprefix('http')}/v5/private"
    client.urls["api"]["ws"] = ws | {"private": dict.fromkeys(("spot", "contract", "usdc", "trade"), url)}
    try:
        await client.load_markets()
        watching = asyncio.create_task(client.watch_positions())
        await until(lambda: sessions(harness))
        await holds(harness, "0.09")
        (position,) = await asyncio.wait_for(watching, PATIENCE_S)
    finally:
        await client.close()
    assert (position["symbol"], position["contracts"], position["leverage"]) == (BTC, 0.09, 10)


class TestOurFeed:
    async def test_a_traded_position_nudges_with_its_leverage(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            await holds(harness, "0.06")
            traded, moved = await client.next(Nudge), await client.next(Nudge)
        assert (traded.why, traded.evidence, traded.at is not None) == (Why.POSITIONS, (), True)
        assert moved.evidence == (Evidence(BTC, leverage=Decimal(10)),)

    async def test_each_side_of_a_hedged_market_has_a_leverage_of_its_own(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness, HEDGE)) as client:
            await client.live()
            await holds(harness, "-0.05", HEDGE, index=2)
            await client.next(Nudge)
            assert (await client.next(Nudge)).evidence == (Evidence(BTC, leverage=Decimal(5), side="short"),)

    async def test_a_closed_position_is_pushed_flat_and_still_states_its_leverage(
        self, harness: SandboxHarness
    ) -> None:
        async with following(feed_of(harness, CLASSIC)) as client:
            await client.live()
            await harness.change(CLASSIC, positions=[{"symbol": "BTCUSD", "size": "0"}])
            await client.next(Nudge)
            assert (await client.next(Nudge)).evidence == (Evidence(BTC_INVERSE, leverage=Decimal(10)),)

    async def test_a_bare_change_of_leverage_is_pushed_only_where_that_is_switched_on(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        (feed,) = adapter.feeds()
        market = adapter.market(BTC, SWAP)
        async with following(feed) as client:
            await client.live()
            await adapter.set_leverage(market, Decimal(7))
            await harness.change(PERP, pushes_leverage=True)
            await adapter.set_leverage(market, Decimal(8))
            assert (await client.next(Nudge)).evidence == (Evidence(BTC, leverage=Decimal(8)),)
            assert client.heard == []

    async def test_an_order_that_changes_nothing_nudges_all_the_same(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            assert order(harness, "order", name="no_change_push", account=PERP, content=["BTCUSDT"]) == 1
            assert (await client.next(Nudge)).evidence == (Evidence(BTC, leverage=Decimal(10)),)

    async def test_funding_and_money_nudge_by_their_names(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            await harness.change(PERP, records=[{"type": "SETTLEMENT", "symbol": "BTCUSDT", "funding": "-0.25"}])
            whys = [(await client.next(Nudge)).why for _ in range(2)]
            await harness.change(PERP, paid_in={"BTC": "0.1"})
            assert [*whys, (await client.next(Nudge)).why] == [Why.FUNDING, Why.BALANCE, Why.BALANCE]

    @pytest.mark.parametrize(
        ("cause", "status", "kind"),
        [
            ("BustTrade", "Liq", RiskKind.LIQUIDATION),
            ("AdlTrade", "Adl", RiskKind.AUTO_DELEVERAGING),
        ],
    )
    async def test_a_liquidation_and_an_auto_deleveraging_are_told_by_execution_and_by_status(
        self, harness: SandboxHarness, cause: str, status: str, kind: RiskKind
    ) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            await holds(harness, "0.03", cause=cause, status=status)
            executed, stands = await client.next(RiskPush), await client.next(RiskPush)
        assert (executed.kind, executed.level, executed.symbols) == (kind, cause, (BTC,))
        assert (executed.figures["execQty"], stands.figures["size"]) == ("0.02", "0.03")
        assert (stands.kind, stands.level, stands.symbols) == (kind, status, (BTC,))
        assert executed.identity != stands.identity

    async def test_a_ping_is_answered_and_means_nothing(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness), ping_s=0.05) as client:
            await client.live()
            await holds(harness, "0.06")
            await client.next(Nudge)
            await client.next(Nudge)
            assert client.heard == []

    @pytest.mark.parametrize(("credential", "reason"), [("api_key", "API key is invalid."), ("secret", "error sign!")])
    async def test_a_wrong_key_is_refused_for_good_and_is_in_no_reason(
        self, harness: SandboxHarness, credential: str, reason: str
    ) -> None:
        wrong = harness.account(HEDGE).secret
        async with following(feed_of(harness, PERP, **{credential: wrong})) as client:
            refusal = await client.next(Refusal)
            assert (refusal.lasts, reason in refusal.reason) == (True, True)
            assert wrong.get_secret_value() not in repr((refusal, client.conversation))
            assert (await client.next(Refusal)).lasts
            assert client.conversation.waiting_for == {"auth", "position", "wallet", "execution"}

    async def test_an_acknowledgement_that_never_comes_is_waited_for_by_its_name(self, harness: SandboxHarness) -> None:
        order(harness, "no_ack")
        async with following(feed_of(harness)) as client:
            await client.until(lambda client: client.conversation.waiting_for == {"auth"})
            order(harness, "order", name="no_change_push", content=["BTCUSDT"])
            await client.next(Nudge)
            assert client.conversation.waiting_for == {"auth"}

    async def test_what_is_no_json_is_counted_and_reading_goes_on(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            order(harness, "malformed")
            await client.next(NotUnderstood)
            await holds(harness, "0.06")
            await client.next(Nudge)

    async def test_a_push_may_come_before_the_reads_show_it(self, harness: SandboxHarness) -> None:
        order(harness, "early", account=PERP, for_ms=60_000)
        adapter = harness.adapter(PERP)
        market = adapter.market(BTC, SWAP)
        async with following(feed_of(harness)) as client:
            await client.live()
            await holds(harness, "0.06")
            await client.next(Nudge)
            (shown,) = (await adapter.positions(market=market)).positions
            assert shown.contracts == Decimal("0.05")

    async def test_a_lost_push_is_lost_and_the_next_one_tells(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            order(harness, "lose", account=PERP, times=2)
            await holds(harness, "0.06")
            await holds(harness, "0.07")
            await client.next(Nudge)
            await client.next(Nudge)
            assert client.heard == []

    async def test_other_accounts_are_told_nothing(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness, HEDGE)) as other, following(feed_of(harness)) as client:
            await asyncio.gather(other.live(), client.live())
            await holds(harness, "0.06")
            await client.next(Nudge)
            await holds(harness, "0.2", HEDGE, index=1)
            assert (await other.next(Nudge)).evidence == ()
            assert (await other.next(Nudge)).evidence == (Evidence(BTC, leverage=Decimal(10), side="long"),)

    def test_it_is_kept_as_the_documents_say(self, harness: SandboxHarness) -> None:
        assert feed_of(harness).rules is RULES
        assert (RULES.ping, RULES.ping_s, RULES.silent_s) == ('{"op":"ping"}', 20, 45)
        assert (RULES.dials, RULES.dials_in_s) == (500, 300)


class TestTheVenuesRules:
    async def test_frames_are_answered_in_their_order_with_what_they_asked(self, harness: SandboxHarness) -> None:
        async with raw_stream(harness) as stream:
            authenticated = await stream.say(op="auth", args=login(harness, text=True))
            subscribed = await stream.say(op="subscribe", req_id="7", args=["position.linear", "wallet"])
            pong = await stream.say(op="ping", req_id="8")
        assert (authenticated["success"], authenticated["op"]) == (True, "auth")
        assert (subscribed["success"], subscribed["op"], subscribed["req_id"]) == (True, "subscribe", "7")
        assert (pong["op"], pong["req_id"], len(pong["args"])) == ("pong", "8", 1)
        assert authenticated["conn_id"] == subscribed["conn_id"] == pong["conn_id"]

    async def test_a_topic_of_one_category_is_pushed_by_its_own_name(self, harness: SandboxHarness) -> None:
        async with raw_stream(harness) as stream:
            await stream.say(op="auth", args=login(harness))
            await stream.say(op="subscribe", args=["position.inverse"])
            await holds(harness, "0.06")
            await harness.change(PERP, positions=[{"symbol": "BTCUSD", "size": "1600", "entry_price": "97000"}])
            told = await stream.heard()
        assert (told["topic"], [row["symbol"] for row in told["data"]]) == ("position.inverse", ["BTCUSD"])

    @pytest.mark.parametrize(
        ("lead_ms", "secret"), [(-1, None), (VALID_S * 1_000, "another")], ids=["expired", "a wrong secret"]
    )
    async def test_a_login_that_proves_nothing_is_refused(
        self, harness: SandboxHarness, lead_ms: int, secret: str | None
    ) -> None:
        async with raw_stream(harness) as stream:
            answer = await stream.say(op="auth", args=login(harness, lead_ms, secret))
            assert (answer["success"], answer["op"]) == (False, "auth")
            assert not (await stream.say(op="subscribe", args=["position"]))["success"]

    @pytest.mark.parametrize(
        "args",
        [["orderbook.1.BTCUSDT"], ["position", "position.linear"], [], "position", [7]],
        ids=str,
    )
    async def test_a_subscription_that_is_none_is_refused(self, harness: SandboxHarness, args: Any) -> None:
        async with raw_stream(harness) as stream:
            await stream.say(op="auth", args=login(harness))
            assert not (await stream.say(op="subscribe", args=args))["success"]

    @pytest.mark.parametrize("frame", ["{", "[]", '{"op":"order.create"}', '{"op":["auth"]}'])
    async def test_what_is_no_request_is_told_so(self, harness: SandboxHarness, frame: str) -> None:
        async with raw_stream(harness) as stream:
            await stream.socket.send_str(frame)
            answer = await stream.heard()
        assert (answer["success"], answer["ret_msg"]) == (False, "error:invalid op")

    async def test_nothing_is_pushed_when_a_subscription_begins_or_after_it_ended(
        self, harness: SandboxHarness
    ) -> None:
        async with raw_stream(harness) as stream:
            await stream.say(op="auth", args=login(harness))
            await stream.say(op="subscribe", args=["position"])
            assert (await stream.say(op="unsubscribe", args=["position"]))["success"]
            await holds(harness, "0.06")
            assert (await stream.say(op="ping"))["op"] == "pong"

    async def test_an_idle_connection_is_cut_as_early_as_it_asked_for(self, harness: SandboxHarness) -> None:
        clock = harness.sandbox.desks["bybit"].venue.clock
        async with raw_stream(harness, "?max_active_time=1m") as asked, raw_stream(harness) as other:
            clock.offset += 61_000
            message = await asked.socket.receive(timeout=PATIENCE_S)
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert (await other.say(op="ping"))["op"] == "pong"

    async def test_an_address_that_opens_too_many_connections_is_turned_away(self, harness: SandboxHarness) -> None:
        await harness.limit({"streams": 1})
        async with raw_stream(harness):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with raw_stream(harness):
                    pass
        assert refused.value.status == 403

    async def test_there_is_no_stream_anywhere_else(self, harness: SandboxHarness) -> None:
        url = harness.sandbox.base_urls["bybit"] + "/v5/public/linear"
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
        assert refused.value.status == 404

    async def test_what_was_pushed_of_trades_can_be_read(self, harness: SandboxHarness) -> None:
        async with raw_stream(harness) as stream:
            await stream.say(op="auth", args=login(harness))
            await stream.say(op="subscribe", args=["execution"])
            await holds(harness, "0.03", cause="BustTrade")
            (pushed,) = (await stream.heard())["data"]
        account = harness.account(PERP)
        client = pybit.unified_trading.HTTP(api_key=account.reveal("api_key"), api_secret=account.reveal("secret"))
        client.endpoint = account.base_url
        answer = await asyncio.to_thread(client.get_executions, category="linear", symbol="BTCUSDT", limit=1)
        client.client.close()
        (read,) = answer["result"]["list"]
        assert {name: pushed[name] for name in read} == read
        assert read["execType"] == "BustTrade"
