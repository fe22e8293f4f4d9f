"""Gate's private streams at the stand-in: gate-ws and ccxt.pro work against them unchanged, and so do we."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import pytest
from gate_ws import Configuration, Connection
from gate_ws.client import WebSocketResponse
from gate_ws.futures import (
    FuturesADLChannel,
    FuturesBalanceChannel,
    FuturesLiquidatesChannel,
    FuturesPositionClosesChannel,
    FuturesPositionsChannel,
    FuturesReduceRiskLimitChannel,
)

from schemas.requests import MarginMode
from tests.support.sandbox_harness import FUTURE, SWAP, SandboxHarness, harness_fixtures
from tests.support.stream_client import following
from worker.sandbox.gate.streams import GateSession
from worker.sandbox.server.streams import StreamFault
from worker.venues.client.signing import rebase
from worker.venues.gate.streams.feed import CONTRACTS
from worker.venues.port.errors import AccessDenied
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

PERP, HEDGE = "gate-perp-001", "gate-hedge-001"
BTC, SOL, COIN = "BTC/USDT:USDT", "SOL/USDT:USDT", "BTC/USD:BTC"
PARTS = ("usdt", "btc", "usd1", "delivery-usdt")
PATIENCE_S = 10.0

shared, harness = harness_fixtures("gate")


def feed_of(harness: SandboxHarness, name: str = "usdt", account_id: str = PERP, **changes: Any) -> Feed:
    return next(feed for feed in harness.adapter(account_id, **changes).feeds() if feed.name == name)


def order(harness: SandboxHarness, fault: Any, **more: Any) -> int:
    return harness.sandbox.desks["gate"].streams.order(StreamFault(fault=fault, **more))


def sessions(harness: SandboxHarness, channels: int = 1) -> list[GateSession]:
    """Who has subscribed to so many channels."""
    held = (link.session for link in harness.sandbox.desks["gate"].streams.links)
    return [one for one in held if isinstance(one, GateSession) and len(one.channels) >= channels]


async def holds(
    harness: SandboxHarness, size: int, contract: str = "BTC_USDT", account_id: str = PERP, **more: Any
) -> None:
    row = {"contract": contract, "size": size, "entry_price": "98000", **more}
    await harness.change(account_id, positions=[row])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - tasks of the clients bring it about
            await asyncio.sleep(0.01)


class RawStream:
    """A stream in the venue's own words."""

    def __init__(self, harness: SandboxHarness, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._harness = harness
        self.socket = socket

    async def say(self, **content: Any) -> dict[str, Any]:
        await self.socket.send_json(content)
        return await self.heard()

    async def heard(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self.socket.receive_json(timeout=PATIENCE_S)
        return answer

    async def subscribe(self, channel: str, *payload: str, late_s: int = 0, **auth: str) -> dict[str, Any]:
        """Subscribe with a signature of an account, and other credentials where a test has them."""
        account = self._harness.account(PERP)
        time = self._harness.sandbox.desks["gate"].venue.clock.now() // 1_000 - late_s
        text = f"channel={channel}&event=subscribe&time={time}"
        signature = hmac.new(account.reveal("secret").encode(), text.encode(), hashlib.sha512).hexdigest()
        signed = {"method": "api_key", "KEY": account.reveal("api_key"), "SIGN": signature} | auth
        return await self.say(id=7, time=time, channel=channel, event="subscribe", payload=list(payload), auth=signed)


@asynccontextmanager
async def raw_stream(harness: SandboxHarness, path: str = "/v4/ws/usdt") -> AsyncIterator[RawStream]:
    url = harness.sandbox.base_urls["gate"] + path
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield RawStream(harness, socket)


class TestTheOfficialClient:
    CHANNELS = (
        (FuturesPositionsChannel, "10001", "!all"),
        (FuturesBalanceChannel, "10001"),
        (FuturesPositionClosesChannel, "10001", "!all"),
        (FuturesLiquidatesChannel, "10001", "!all"),
        (FuturesADLChannel, "10001", "!all"),
        (FuturesReduceRiskLimitChannel, "10001", "!all"),
    )

    @asynccontextmanager
    async def running(
        self, harness: SandboxHarness, told: list[WebSocketResponse], path: str = "/v4/ws/usdt"
    ) -> AsyncIterator[None]:
        """gate-ws, unchanged but for its URL, with all private channels of positions and money."""
        account = harness.account(PERP)

        async def hear(_connection: Connection, response: WebSocketResponse) -> None:
            told.append(response)

        connection = Connection(
            Configuration(
                app="futures",
                host=f"ws{harness.sandbox.base_urls['gate'].removeprefix('http')}{path}",
                api_key=account.reveal("api_key"),
                api_secret=account.reveal("secret"),
                ping_interval=1,
            )
        )
        for channel, *payload in self.CHANNELS:
            channel(connection, hear).subscribe(payload)
        running = asyncio.create_task(connection.run())
        try:
            await until(lambda: sessions(harness, channels=len(self.CHANNELS)))
            yield
        finally:
            connection.close()
            await asyncio.gather(running, return_exceptions=True)

    async def test_hears_every_private_channel(self, harness: SandboxHarness) -> None:
        told: list[WebSocketResponse] = []
        async with self.running(harness, told):
            await until(lambda: [one.event for one in told].count("subscribe") == len(self.CHANNELS))
            assert [one.error for one in told] == [None] * len(self.CHANNELS)
            await holds(harness, 300, cause="auto_deleveraging")
            await holds(harness, 0, cause="liquidation")
            await harness.change(PERP, paid_in={"futures usdt": "12.5"}, risk_limits={"BTC_USDT": "500000"})
            channels = {channel.name for channel, *_ in self.CHANNELS}
            await until(lambda: {one.channel for one in told if one.event == "update"} == channels)
        row = next(one.result[0] for one in told if one.event == "update" and one.channel == "futures.positions")
        assert (row["contract"], row["size"], row["leverage"], row["user"]) == ("BTC_USDT", 300, 0, "10001")

    async def test_signs_and_subscribes_anew_after_its_connection_was_cut(self, harness: SandboxHarness) -> None:
        told: list[WebSocketResponse] = []
        async with self.running(harness, told):
            before = sessions(harness)
            assert order(harness, "drop") == 1
            await until(lambda: [one for one in sessions(harness, 6) if one not in before])
            await holds(harness, 300)
            await until(lambda: [one for one in told if one.event == "update"])

    async def test_hears_deliveries_at_their_own_path(self, harness: SandboxHarness) -> None:
        told: list[WebSocketResponse] = []
        async with self.running(harness, told, "/v4/ws/delivery/usdt"):
            await holds(harness, 300)
            await holds(harness, -200, "BTC_USDT_CURRENT")
            await until(lambda: [one for one in told if one.event == "update"])
        (row,) = next(one.result for one in told if one.event == "update")
        assert row["contract"].startswith("BTC_USDT_2")
        assert not {"mode", "cross_leverage_limit", "update_id"} & row.keys()


def ccxt_pro(harness: SandboxHarness, kind: str, path: str) -> Any:
    """ccxt.pro, unchanged but for its URLs; it tells kinds of markets apart by their text."""
    account, base_url = harness.account(PERP), harness.sandbox.base_urls["gate"]
    client = ccxt.pro.gate(
        {
            "apiKey": account.reveal("api_key"),
            "secret": account.reveal("secret"),
            "uid": "10001",
            "enableRateLimit": False,
            "options": {
                "defaultType": kind,
                "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
            },
        }
    )
    client.has["fetchCurrencies"] = False
    for access in ("public", "private"):
        client.urls["api"][access] = rebase(client.urls["api"][access], base_url)
    client.urls["api"][kind] = {"usdt": f"ws{base_url.removeprefix('http')}{path}"}
    return client


@pytest.mark.parametrize(
    ("kind", "path", "contract"),
    [("swap", "/fx/v4/ws/usdt", "BTC_USDT"), ("future", "/v4/ws/delivery/usdt", "BTC_USDT_CURRENT")],
)
async def test_ccxt_pro_hears_a_position(harness: SandboxHarness, kind: str, path: str, contract: str) -> None:
    client = ccxt_pro(harness, kind, path)
    try:
        client.set_markets(await getattr(client, f"fetch_{kind}_markets")())
        watching = asyncio.create_task(client.watch_positions())
        await until(lambda: sessions(harness))
        await holds(harness, 300, contract)
        (position,) = await asyncio.wait_for(watching, PATIENCE_S)
    finally:
        await client.close()
    assert position["symbol"].startswith(BTC)
    assert (position["contracts"], position["side"]) == (300, "long")


class TestOurFeeds:
    def test_there_is_one_for_each_part_that_the_adapter_reads(self, harness: SandboxHarness) -> None:
        assert tuple(feed.name for feed in harness.adapter(PERP).feeds()) == PARTS

    async def test_a_part_into_which_nothing_was_paid_has_nothing_to_follow_until_something_is(
        self, harness: SandboxHarness
    ) -> None:
        followed = {feed.name for feed in harness.adapter(PERP).feeds() if await feed.converse() is not None}
        assert followed == {"usdt", "btc", "delivery-usdt"}
        assert await feed_of(harness, "usd1").converse() is None
        await harness.change(PERP, paid_in={"futures usd1": "100"})
        async with following(feed_of(harness, "usd1")) as client:
            await client.live()

    async def test_the_user_is_asked_for_once(self, harness: SandboxHarness) -> None:
        for feed in harness.adapter(PERP).feeds():
            await feed.converse()
        assert (await harness.paths()).count("/api/v4/account/detail") == 1

    async def test_a_registered_user_is_not_asked_for(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness, user_id="10001")) as client:
            await client.live()
        assert "/api/v4/account/detail" not in await harness.paths()

    async def test_a_part_that_can_not_be_read_is_no_part_without_money(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, key={"perms": {"account": True}})
        with pytest.raises(AccessDenied):
            await feed_of(harness).converse()

    @pytest.mark.parametrize(
        ("name", "contract", "size", "evidence"),
        [
            ("usdt", "BTC_USDT", 30, Evidence(BTC, Decimal(12), MarginMode.CROSS)),
            ("usdt", "SOL_USDT", -30, Evidence(SOL, Decimal(12), MarginMode.ISOLATED)),
            ("btc", "BTC_USD", 30, Evidence(COIN, Decimal(12), MarginMode.CROSS)),
        ],
    )
    async def test_a_traded_position_nudges_with_its_leverage_and_mode(
        self, harness: SandboxHarness, name: str, contract: str, size: int, evidence: Evidence
    ) -> None:
        async with following(feed_of(harness, name)) as client:
            await client.live()
            await holds(harness, size, contract, margin_mode=evidence.margin_mode, leverage="12")
            nudge = await client.next(Nudge)
        assert (nudge.why, nudge.evidence, nudge.at is not None) == (Why.POSITIONS, (evidence,), True)

    @pytest.mark.parametrize(
        ("mode", "leverage", "stated"),
        [("isolated", "5", Decimal(5)), ("cross", "10", None)],
        ids=["isolated", "cross, of which deliveries do not tell the leverage"],
    )
    async def test_a_delivery_states_what_its_rows_have(
        self, harness: SandboxHarness, mode: str, leverage: str, stated: Decimal | None
    ) -> None:
        async with following(feed_of(harness, "delivery-usdt")) as client:
            await client.live()
            await holds(harness, -50, "BTC_USDT_CURRENT", margin_mode=mode, leverage=leverage)
            (evidence,) = (await client.next(Nudge)).evidence
        adapter = harness.adapter(PERP)
        assert adapter.market(evidence.symbol, FUTURE).settle == "USDT"
        assert (evidence.leverage, evidence.margin_mode) == (stated, MarginMode(mode))

    async def test_each_side_of_a_hedged_market_has_a_leverage_of_its_own(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness, account_id=HEDGE)) as client:
            await client.live()
            await holds(harness, -300, account_id=HEDGE, side="dual_short", leverage="7")
            (evidence,) = (await client.next(Nudge)).evidence
        assert evidence == Evidence(BTC, Decimal(7), MarginMode.CROSS, "short")

    async def test_a_bare_change_of_leverage_is_pushed_only_where_that_is_switched_on(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        market = adapter.market(SOL, SWAP)
        async with following(feed_of(harness)) as client:
            await client.live()
            await adapter.set_leverage(market, Decimal(7))
            await harness.change(PERP, pushes_leverage=True)
            await adapter.set_leverage(market, Decimal(8))
            assert (await client.next(Nudge)).evidence == (Evidence(SOL, Decimal(8), MarginMode.ISOLATED),)
            assert client.heard == []

    async def test_terms_that_were_changed_elsewhere_are_pushed_only_where_that_is_switched_on(
        self, harness: SandboxHarness
    ) -> None:
        adapter = harness.adapter(PERP)
        async with following(feed_of(harness)) as client:
            await client.live()
            await harness.change(PERP, terms={"BTC_USDT": {"leverage": "9"}})
            shown = await adapter.terms(adapter.market(BTC, SWAP))
            await harness.change(PERP, pushes_leverage=True)
            await harness.change(PERP, terms={"BTC_USDT": {"margin_mode": "isolated"}})
            assert (await client.next(Nudge)).evidence == (Evidence(BTC, Decimal(9), MarginMode.ISOLATED),)
            assert (client.heard, shown.leverage, shown.margin_mode) == ([], Decimal(9), MarginMode.CROSS)

    async def test_an_order_that_changes_nothing_nudges_all_the_same(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            assert order(harness, "order", name="no_change_push", account=PERP, content=["SOL_USDT"]) == 1
            assert (await client.next(Nudge)).evidence == (Evidence(SOL, Decimal(5), MarginMode.ISOLATED),)

    async def test_funding_and_money_nudge_by_their_names(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            await harness.change(PERP, book=[{"type": "fund", "change": "-0.5", "contract": "BTC_USDT"}])
            funded = await client.next(Nudge)
            await harness.change(PERP, paid_in={"futures usdt": "5"})
            assert (funded.why, (await client.next(Nudge)).why) == (Why.FUNDING, Why.BALANCE)

    async def test_money_of_another_part_is_that_parts_own(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client, following(feed_of(harness, "btc")) as other:
            await asyncio.gather(client.live(), other.live())
            await harness.change(PERP, paid_in={"futures btc": "0.1"})
            assert (await other.next(Nudge)).why is Why.BALANCE
            await holds(harness, 300)
            assert (await client.next(Nudge)).why is Why.POSITIONS

    @pytest.mark.parametrize(
        ("cause", "size", "kind", "figure"),
        [
            ("liquidation", 0, RiskKind.LIQUIDATION, ("size", "-500")),
            ("auto_deleveraging", 200, RiskKind.AUTO_DELEVERAGING, ("trade_size", "-300")),
        ],
    )
    async def test_what_is_taken_away_is_a_risk(
        self, harness: SandboxHarness, cause: str, size: int, kind: RiskKind, figure: tuple[str, str]
    ) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            await holds(harness, size, cause=cause)
            risk = await client.next(RiskPush)
            await client.next(Nudge)
        assert (risk.kind, risk.symbols, risk.figures[figure[0]]) == (kind, (BTC,), figure[1])

    async def test_a_reduced_risk_limit_is_a_risk_and_reads_show_it(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            await harness.change(PERP, risk_limits={"BTC_USDT": "500000"})
            risk = await client.next(RiskPush)
            assert (await client.next(Nudge)).why is Why.SETTINGS
        assert (risk.kind, risk.symbols) == (RiskKind.RISK_LIMIT_REDUCED, (BTC,))
        assert (risk.figures["risk_limit"], risk.figures["leverage_max"]) == ("500000", "125")

    async def test_a_ping_is_answered_and_means_nothing(self, harness: SandboxHarness) -> None:
        ping = json.loads(feed_of(harness).rules.ping or "")
        assert (ping["channel"], ping.keys()) == ("futures.ping", {"time", "channel"})
        async with following(feed_of(harness), ping_s=0.05) as client:
            await client.live()
            await holds(harness, 300)
            await client.next(Nudge)
            assert client.heard == []

    async def test_a_wrong_secret_is_refused_for_good_on_each_channel_and_is_in_no_reason(
        self, harness: SandboxHarness
    ) -> None:
        feed = feed_of(harness, user_id="10001")
        conversation = await feed.converse()
        assert conversation is not None
        forged = [frame.replace('"SIGN":"', '"SIGN":"0') for frame in conversation.opening]
        async with raw_stream(harness) as stream:
            refusals = []
            for frame in forged:
                await stream.socket.send_str(frame)
                (refusal,) = conversation.hear(await stream.socket.receive_str(timeout=PATIENCE_S))
                refusals.append(refusal)
        account = harness.account(PERP)
        assert all(isinstance(refusal, Refusal) and refusal.lasts for refusal in refusals)
        assert "the signature is wrong" in repr(refusals)
        assert conversation.waiting_for == set(CONTRACTS)
        secrets = [account.reveal("api_key"), account.reveal("secret"), json.loads(forged[0])["auth"]["SIGN"]]
        assert [secret for secret in secrets if secret in repr((refusals, conversation))] == []

    async def test_a_wrong_user_is_refused_for_good(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness, user_id="99")) as client:
            assert (await client.next(Refusal)).lasts
            await client.until(lambda client: len(client.of(Refusal)) == 4)
            assert "futures.positions" not in client.conversation.waiting_for

    async def test_an_acknowledgement_that_never_comes_is_waited_for_by_its_name(self, harness: SandboxHarness) -> None:
        order(harness, "no_ack")
        async with following(feed_of(harness)) as client:
            await client.until(lambda client: client.conversation.waiting_for == {"futures.positions"})
            await holds(harness, 300)
            await client.next(Nudge)
            assert client.conversation.waiting_for == {"futures.positions"}

    async def test_what_is_no_json_is_counted_and_reading_goes_on(self, harness: SandboxHarness) -> None:
        async with following(feed_of(harness)) as client:
            await client.live()
            order(harness, "malformed")
            await client.next(NotUnderstood)
            await holds(harness, 300)
            await client.next(Nudge)

    async def test_a_push_may_come_before_the_reads_show_it(self, harness: SandboxHarness) -> None:
        order(harness, "early", account=PERP, for_ms=60_000)
        adapter = harness.adapter(PERP)
        async with following(feed_of(harness)) as client:
            await client.live()
            await holds(harness, 300)
            await client.next(Nudge)
            (shown,) = (await adapter.positions(market=adapter.market(BTC, SWAP))).positions
            assert shown.contracts == Decimal(500)


class TestTheVenuesRules:
    async def test_an_acknowledgement_repeats_what_was_asked(self, harness: SandboxHarness) -> None:
        async with raw_stream(harness) as stream:
            answer = await stream.subscribe("futures.balances", "10001")
        assert (answer["id"], answer["channel"], answer["event"]) == (7, "futures.balances", "subscribe")
        assert (answer["error"], answer["result"]) == (None, {"status": "success"})

    async def test_the_user_of_positions_is_a_placeholder(self, harness: SandboxHarness) -> None:
        async with raw_stream(harness) as stream:
            assert (await stream.subscribe("futures.positions", "anybody", "!all"))["error"] is None

    @pytest.mark.parametrize(
        ("payload", "more", "code", "label"),
        [
            (("10001", "!all"), {"KEY": "nobody's"}, 4, "INVALID_KEY"),
            (("10001", "!all"), {"SIGN": "00"}, 4, "INVALID_SIGNATURE"),
            (("10001", "!all"), {"late_s": 90}, 4, "REQUEST_EXPIRED"),
            (("10002", "!all"), {}, 2, None),
            (("10001", "DOGE_EUR"), {}, 2, None),
            (("10001",), {}, 2, None),
            ((), {}, 2, None),
        ],
    )
    async def test_a_subscription_that_is_not_in_order_is_refused_with_a_code(
        self, harness: SandboxHarness, payload: tuple[str, ...], more: dict[str, Any], code: int, label: str | None
    ) -> None:
        async with raw_stream(harness) as stream:
            answer = await stream.subscribe("futures.liquidates", *payload, **more)
        assert (answer["error"]["code"], answer["result"]) == (code, None)
        if label is not None:
            assert json.loads(answer["error"]["message"])["label"] == label

    async def test_a_key_without_the_right_hears_nothing(self, harness: SandboxHarness) -> None:
        await harness.change(PERP, key={"perms": {"account": True, "delivery": True}})
        async with raw_stream(harness) as stream, raw_stream(harness, "/v4/ws/delivery/usdt") as delivery:
            assert (await stream.subscribe("futures.positions", "10001", "!all"))["error"]["code"] == 4
            assert (await delivery.subscribe("futures.positions", "10001", "!all"))["error"] is None

    async def test_only_the_contracts_that_were_asked_for_are_pushed(self, harness: SandboxHarness) -> None:
        async with raw_stream(harness) as stream:
            await stream.subscribe("futures.positions", "10001", "SOL_USDT")
            await holds(harness, 300)
            await holds(harness, -20, "SOL_USDT")
            told = await stream.heard()
        assert (told["event"], [row["contract"] for row in told["result"]]) == ("update", ["SOL_USDT"])

    async def test_nothing_is_pushed_when_a_subscription_begins_or_after_it_ended(
        self, harness: SandboxHarness
    ) -> None:
        async with raw_stream(harness) as stream:
            await stream.subscribe("futures.positions", "10001", "!all")
            ended = await stream.say(
                time=1, channel="futures.positions", event="unsubscribe", payload=["10001", "!all"]
            )
            await holds(harness, 300)
            assert ended["result"] == {"status": "success"}
            assert (await stream.say(time=1, channel="futures.ping"))["channel"] == "futures.pong"

    @pytest.mark.parametrize("frame", ["{", "[]", "{}", '{"channel":"futures.login","event":"api"}'])
    async def test_what_is_no_request_is_refused(self, harness: SandboxHarness, frame: str) -> None:
        async with raw_stream(harness) as stream:
            await stream.socket.send_str(frame)
            assert (await stream.heard())["error"]["code"] in (1, 2)

    async def test_an_address_that_has_too_many_connections_open_gets_no_more_until_one_ends(
        self, harness: SandboxHarness
    ) -> None:
        await harness.limit({"connections": 1})
        async with raw_stream(harness):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with raw_stream(harness):
                    pass
        await until(lambda: not harness.sandbox.desks["gate"].streams.links)
        async with raw_stream(harness, "/v4/ws") as stream:
            assert (await stream.subscribe("futures.positions", "10001", "BTC_USD"))["error"] is None

    async def test_there_is_no_stream_anywhere_else(self, harness: SandboxHarness) -> None:
        url = harness.sandbox.base_urls["gate"] + "/v4/ws/doge"
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
        assert refused.value.status == 404
