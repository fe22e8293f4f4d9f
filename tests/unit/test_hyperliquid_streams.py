"""What Hyperliquid's frames mean, over frames as its documents have them, with invented figures."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.base import Milliseconds
from schemas.control import Network
from schemas.requests import MarginMode, MarketType
from tests.support.memory_venue import THEN
from tests.support.spoilt_frames import spoilt
from worker.accounts.account import Account
from worker.venues.hyperliquid.streams.coins import MOST_COINS, WatchedCoins
from worker.venues.hyperliquid.streams.feed import RULES, SUBSCRIBED, HyperliquidConversation, HyperliquidFeed
from worker.venues.port.adapter import Market
from worker.venues.port.streams import (
    Evidence,
    Heard,
    NotUnderstood,
    Nudge,
    Refusal,
    RiskKind,
    RiskPush,
    Say,
    Terms,
    WatchedMarkets,
    Why,
    nothing_watched,
)

OWNER, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 20
BTC = Market("BTC/USDC:USDC", "BTC", MarketType.SWAP, False, "BTC", "USDC", "USDC", Decimal(1))
GOLD = Market("XYZ-GOLD/USDC:USDC", "xyz:GOLD", MarketType.SWAP, False, "GOLD", "USDC", "USDC", Decimal(1))
MARKETS = {"BTC": BTC, "xyz:GOLD": GOLD}
AT = 1_780_000_000_000


class Calls:
    """A transport that knows the time."""

    def now(self) -> Milliseconds:
        return THEN

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        raise AssertionError(f"{name} is not needed")


async def conversation(
    network: Network = "mainnet", base_url: str | None = None, coins: WatchedMarkets = nothing_watched
) -> HyperliquidConversation:
    account = Account(
        id="hl-1",
        exchange="hyperliquid",
        network=network,
        base_url=base_url,
        secret=SecretStr("0x" + "1" * 64),
        account_address=OTHER,
        vault_address=OWNER,
    )
    return await HyperliquidFeed(account, OWNER, Calls(), MARKETS.get, coins=coins).converse()


@pytest.fixture
async def talk() -> HyperliquidConversation:
    """A connection that is subscribed, and has told what is open: three BTC."""
    talk = await conversation()
    for kind in SUBSCRIBED:
        hear(talk, acknowledged(kind))
    hear(talk, states(state(position())))
    return talk


def hear(talk: HyperliquidConversation, frame: Any) -> Sequence[Heard]:
    """What a frame means, but for what is asked for then."""
    return tuple(one for one in all_of(talk, frame) if not isinstance(one, Say))


def all_of(talk: HyperliquidConversation, frame: Any) -> Sequence[Heard]:
    return talk.hear(frame if isinstance(frame, str) else json.dumps(frame))


def asked_for(talk: HyperliquidConversation, frame: Any) -> list[tuple[str, str, str]]:
    """What is said then: method, subscription and coin."""
    said = (json.loads(one.text) for one in all_of(talk, frame) if isinstance(one, Say))
    return [(row["method"], row["subscription"]["type"], row["subscription"]["coin"]) for row in said]


def asset(coin: str = "BTC", leverage: int = 7, mode: str = "cross", **more: Any) -> dict[str, Any]:
    told = {"user": OWNER, "coin": coin, "leverage": {"type": mode, "value": leverage}, "markPx": "64000.0"}
    return {"channel": "activeAssetData", "data": told | more}


def acknowledged(kind: str, method: str = "subscribe") -> dict[str, Any]:
    subscription = {"type": kind, "user": OWNER}
    return {"channel": "subscriptionResponse", "data": {"method": method, "subscription": subscription}}


def position(
    coin: str = "BTC", size: str = "3.0", leverage: int = 7, mode: str = "cross", **more: Any
) -> dict[str, Any]:
    told = {"coin": coin, "szi": size, "leverage": {"type": mode, "value": leverage}, "positionValue": "9", **more}
    return {"type": "oneWay", "position": told}


def state(*held: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"assetPositions": list(held), "withdrawable": "1.0", "time": AT} | more


def states(main: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    pairs = [["", main], *([dex, told] for dex, told in others.items())]
    return {"channel": "allDexsClearinghouseState", "data": {"user": OWNER, "clearinghouseStates": pairs}}


def fills(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"channel": "userFills", "data": {"user": OWNER, "fills": list(rows)} | more}


def fill(**more: Any) -> dict[str, Any]:
    return {"coin": "BTC", "px": "64000.0", "sz": "1.0", "dir": "Close Long", "time": AT, "tid": 5, "oid": 6,
            "closedPnl": "-3.0"} | more  # fmt: skip


def ledger(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    rows = [{"time": AT, "hash": "0xff", "delta": delta}]
    return {"channel": "userNonFundingLedgerUpdates", "data": {"user": OWNER, "nonFundingLedgerUpdates": rows} | more}


def event(**content: Any) -> dict[str, Any]:
    return {"channel": "user", "data": content}


def the_nudge(heard: Sequence[Heard]) -> Nudge:
    (nudge,) = heard
    assert isinstance(nudge, Nudge)
    return nudge


async def test_the_owner_of_the_positions_is_subscribed_to_and_never_the_signer() -> None:
    opening = [json.loads(frame) for frame in (await conversation()).opening]
    assert [frame["subscription"]["type"] for frame in opening] == list(SUBSCRIBED)
    assert {frame["subscription"]["user"] for frame in opening} == {OWNER}
    assert {frame["method"] for frame in opening} == {"subscribe"}


@pytest.mark.parametrize(
    ("network", "base_url", "url"),
    [
        ("mainnet", None, "wss://api.hyperliquid.xyz/ws"),
        ("testnet", None, "wss://api.hyperliquid-testnet.xyz/ws"),
        ("mainnet", "http://127.0.0.1:8002", "ws://127.0.0.1:8002/ws"),
    ],
)
async def test_each_network_has_its_own_host(network: Network, base_url: str | None, url: str) -> None:
    assert (await conversation(network, base_url)).url == url


def test_the_rules_are_the_venues() -> None:
    assert json.loads(RULES.ping or "") == {"method": "ping"}
    assert RULES.ping_s * 2 < RULES.silent_s == 65
    assert (RULES.dials, RULES.dials_in_s, RULES.seats) == (30, 60, 10)


async def test_each_subscription_is_waited_for_by_what_its_acknowledgement_repeats() -> None:
    talk = await conversation()
    assert hear(talk, acknowledged("userFills")) == ()
    assert talk.waiting_for == set(SUBSCRIBED) - {"userFills"}
    assert hear(talk, acknowledged("userFundings", "unsubscribe")) == ()
    assert talk.waiting_for == set(SUBSCRIBED) - {"userFills"}


@pytest.mark.parametrize("frame", ['{"channel": "pong"}', "Websocket connection established."])
async def test_a_pong_and_the_greeting_say_nothing(talk: HyperliquidConversation, frame: str) -> None:
    assert hear(talk, frame) == ()


async def test_the_first_state_nudges_and_tells_the_terms_of_all_that_is_open() -> None:
    nudge = the_nudge(hear(await conversation(), states(state(position()), xyz=state(position("xyz:GOLD", "1.0", 5)))))
    assert nudge == Nudge(
        Why.POSITIONS,
        AT,
        (
            Evidence("BTC/USDC:USDC", Decimal(7), MarginMode.CROSS),
            Evidence("XYZ-GOLD/USDC:USDC", Decimal(5), MarginMode.CROSS),
        ),
    )


async def test_a_state_in_which_only_prices_moved_is_no_news(talk: HyperliquidConversation) -> None:
    moved = position(positionValue="12", unrealizedPnl="3", marginUsed="2", liquidationPx="1", returnOnEquity="2")
    assert hear(talk, states(state(moved, withdrawable="9.0", time=AT + 5_000))) == ()


@pytest.mark.parametrize(
    ("held", "evidence"),
    [
        (position(leverage=8), Evidence("BTC/USDC:USDC", Decimal(8), MarginMode.CROSS)),
        (position(mode="isolated"), Evidence("BTC/USDC:USDC", Decimal(7), MarginMode.ISOLATED)),
        (position(size="-3.0"), Evidence("BTC/USDC:USDC", Decimal(7), MarginMode.CROSS)),
    ],
)
async def test_a_state_with_another_size_leverage_or_mode_is_news(
    talk: HyperliquidConversation, held: dict[str, Any], evidence: Evidence
) -> None:
    assert the_nudge(hear(talk, states(state(held)))).evidence == (evidence,)
    assert hear(talk, states(state(held))) == ()


async def test_what_was_added_to_an_isolated_position_is_news(talk: HyperliquidConversation) -> None:
    held = position(mode="isolated")
    held["position"]["leverage"]["rawUsd"] = "-5.0"
    hear(talk, states(state(held)))
    held["position"]["leverage"]["rawUsd"] = "-4.0"
    assert the_nudge(hear(talk, states(state(held)))).why is Why.POSITIONS


async def test_coins_that_open_or_close_on_any_dex_are_news(talk: HyperliquidConversation) -> None:
    opened = states(state(position()), xyz=state(position("xyz:GOLD", "1.0", 5)))
    assert [told.symbol for told in the_nudge(hear(talk, opened)).evidence] == ["XYZ-GOLD/USDC:USDC"]
    assert the_nudge(hear(talk, states(state(), xyz=state(position("xyz:GOLD", "1.0", 5))))).evidence == ()
    assert the_nudge(hear(talk, states(state(), xyz=state(position("xyz:GOLD", "0.0", 5))))).evidence == ()


PONG = {"channel": "pong"}


def of_coin(coin: str, method: str = "subscribe") -> dict[str, Any]:
    subscription = {"type": "activeAssetData", "user": OWNER, "coin": coin}
    return {"channel": "subscriptionResponse", "data": {"method": method, "subscription": subscription}}


async def test_coins_that_are_held_traded_or_changed_by_a_command_are_subscribed_to_once_each() -> None:
    changed: list[str] = []
    talk = await conversation(coins=lambda: changed)
    hear(talk, states(state(position())))
    for kind in SUBSCRIBED[:-1]:
        assert asked_for(talk, acknowledged(kind)) == []
    assert asked_for(talk, acknowledged(SUBSCRIBED[-1])) == [("subscribe", "activeAssetData", "BTC")]
    changed.append("xyz:GOLD")
    assert asked_for(talk, PONG) == [("subscribe", "activeAssetData", "xyz:GOLD")]
    assert asked_for(talk, states(state(), xyz=state(position("xyz:GOLD")))) == []
    assert talk.waiting_for == frozenset()


@pytest.mark.parametrize("more", [{}, {"isSnapshot": True}])
async def test_coins_of_fills_are_watched_and_spot_is_not(more: dict[str, Any]) -> None:
    talk = await conversation()
    for kind in SUBSCRIBED:
        hear(talk, acknowledged(kind))
    asked = asked_for(talk, fills(fill(coin="@107"), fill(coin="xyz:GOLD", time=AT + 1), fill(), **more))
    assert sorted(coin for _, _, coin in asked) == ["BTC", "xyz:GOLD"]


async def test_a_subscription_that_is_not_acknowledged_is_asked_for_again_and_one_that_is_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 0.0
    monkeypatch.setattr("worker.venues.hyperliquid.streams.coins.monotonic", lambda: moment)
    talk = await conversation(coins=lambda: ["BTC", "xyz:GOLD"])
    for kind in SUBSCRIBED:
        hear(talk, acknowledged(kind))
    assert asked_for(talk, of_coin("BTC")) == []
    moment = 10.0
    assert asked_for(talk, PONG) == [("subscribe", "activeAssetData", "xyz:GOLD")]


def test_no_more_coins_are_watched_than_the_limit_of_an_address_allows_ten_users() -> None:
    assert RULES.seats is not None
    assert RULES.seats * (len(SUBSCRIBED) + MOST_COINS) < 1_000
    coins = WatchedCoins(OWNER, most=2)
    coins.note(["A", "B"])
    assert len(list(coins.due())) == 2
    coins.note(["A", "C"])
    said = [json.loads(say.text) for say in coins.due()]
    assert [(row["method"], row["subscription"]["coin"]) for row in said] == [("unsubscribe", "B"), ("subscribe", "C")]


async def test_what_a_coin_shows_first_is_in_force_and_then_only_its_terms_are_news(
    talk: HyperliquidConversation,
) -> None:
    first = Evidence("XYZ-GOLD/USDC:USDC", Decimal(5), MarginMode.CROSS)
    assert hear(talk, asset("xyz:GOLD", 5)) == (Terms((first,)),)
    assert hear(talk, asset("xyz:GOLD", 5, markPx="1.0", availableToTrade=["1", "2"])) == ()
    for leverage, mode in ((6, "cross"), (6, "isolated")):
        stated = Evidence("XYZ-GOLD/USDC:USDC", Decimal(leverage), MarginMode(mode))
        assert hear(talk, asset("xyz:GOLD", leverage, mode)) == (Nudge(Why.SETTINGS, evidence=(stated,)),)


async def test_a_coin_that_is_refused_does_not_end_the_connection(talk: HyperliquidConversation) -> None:
    refused = {"channel": "error", "data": 'Invalid subscription {"type": "activeAssetData", "coin": "NIL"}'}
    (heard,) = hear(talk, refused)
    assert isinstance(heard, NotUnderstood)


async def test_a_coin_that_is_not_listed_is_news_and_states_nothing(talk: HyperliquidConversation) -> None:
    assert the_nudge(hear(talk, states(state(position(), position("NEW"))))).evidence == ()


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("userFills", "fills"),
        ("userFundings", "fundings"),
        ("userNonFundingLedgerUpdates", "nonFundingLedgerUpdates"),
    ],
)
async def test_a_snapshot_is_what_was_there_before(talk: HyperliquidConversation, channel: str, name: str) -> None:
    rows = [fill(dir="Auto-Deleveraging")]
    assert hear(talk, {"channel": channel, "data": {"isSnapshot": True, "user": OWNER, name: rows}}) == ()


async def test_a_fill_a_funding_and_a_deposit_say_what_to_read(talk: HyperliquidConversation) -> None:
    payment = {"time": AT, "coin": "BTC", "usdc": "-1", "szi": "3", "fundingRate": "0.1", "nSamples": None}
    funded = {"channel": "userFundings", "data": {"isSnapshot": False, "user": OWNER, "fundings": [payment]}}
    assert hear(talk, fills(fill(), fill(time=AT + 1))) == (Nudge(Why.POSITIONS, AT + 1),)
    assert hear(talk, funded) == (Nudge(Why.FUNDING, AT),)
    assert hear(talk, ledger({"type": "deposit", "usdc": "5"})) == (Nudge(Why.BALANCE, AT),)


@pytest.mark.parametrize(
    ("content", "nudge"),
    [
        ({"fills": [fill()]}, Nudge(Why.POSITIONS, AT)),
        ({"funding": {"time": AT, "coin": "BTC", "usdc": "1"}}, Nudge(Why.FUNDING, AT)),
        ({"nonUserCancel": [{"coin": "BTC", "oid": 1}]}, Nudge(Why.ORDERS)),
    ],
)
async def test_an_event_says_what_to_read(talk: HyperliquidConversation, content: dict[str, Any], nudge: Nudge) -> None:
    assert hear(talk, event(**content)) == (nudge,)


async def test_what_two_subscriptions_tell_is_news_once_in_either_order(talk: HyperliquidConversation) -> None:
    payment = {"time": AT, "coin": "BTC", "usdc": "-1"}
    funded = {"channel": "userFundings", "data": {"user": OWNER, "fundings": [payment]}}
    assert len(hear(talk, fills(fill()))) == 1
    assert hear(talk, event(fills=[fill()])) == ()
    assert len(hear(talk, event(funding=payment))) == 1
    assert hear(talk, funded) == ()
    assert len(hear(talk, fills(fill(), fill(oid=7)))) == 1
    assert len(hear(talk, event(fills=[fill(time=AT + 1)]))) == 1


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"dir": "Liquidated Cross Long", "liquidation": {"liquidatedUser": OWNER}}, RiskKind.LIQUIDATION),
        ({"liquidation": {"liquidatedUser": OWNER.upper().replace("X", "x")}}, RiskKind.LIQUIDATION),
        ({"liquidation": {"markPx": "1"}}, RiskKind.LIQUIDATION),
        ({"dir": "Auto-Deleveraging"}, RiskKind.AUTO_DELEVERAGING),
        ({"liquidation": {"liquidatedUser": OTHER}}, None),
        ({}, None),
    ],
)
async def test_a_fill_is_a_risk_where_we_were_liquidated_or_deleveraged(
    talk: HyperliquidConversation, fields: dict[str, Any], kind: RiskKind | None
) -> None:
    risks = [heard for heard in hear(talk, fills(fill(**fields))) if isinstance(heard, RiskPush)]
    assert [risk.kind for risk in risks] == ([kind] if kind else [])


async def test_the_same_fill_is_the_same_risk_wherever_it_is_told(talk: HyperliquidConversation) -> None:
    liquidated = fill(liquidation={"liquidatedUser": OWNER, "markPx": "64000.0", "method": "market"})
    first, _ = hear(talk, fills(liquidated))
    (second,) = hear(talk, event(fills=[liquidated]))
    assert isinstance(first, RiskPush)
    assert first == second
    assert (first.at, first.level, first.symbols) == (AT, "market", ("BTC/USDC:USDC",))
    assert first.figures == {"px": "64000.0", "sz": "1.0", "dir": "Close Long", "closedPnl": "-3.0"}


async def test_a_liquidation_event_is_a_risk_of_the_time_it_was_heard_unless_it_is_somebody_elses(
    talk: HyperliquidConversation,
) -> None:
    told = {"lid": 9, "liquidator": OTHER, "liquidated_user": OWNER, "liquidated_ntl_pos": "7.0",
            "liquidated_account_value": "1.0"}  # fmt: skip
    risk, nudge = hear(talk, event(liquidation=told))
    assert isinstance(risk, RiskPush)
    assert (risk.kind, risk.at, risk.identity) == (RiskKind.LIQUIDATION, THEN, "event:9")
    assert nudge == Nudge(Why.RISK)
    assert hear(talk, event(liquidation=told | {"liquidated_user": OTHER, "liquidator": OWNER})) == (Nudge(Why.RISK),)


async def test_a_liquidation_in_the_ledger_is_a_risk_with_its_figures(talk: HyperliquidConversation) -> None:
    delta = {"type": "liquidation", "liquidatedNtlPos": "7.0", "accountValue": "1.0", "leverageType": "Cross",
             "liquidatedPositions": [{"coin": "BTC", "szi": "3.0"}, {"coin": "NEW", "szi": "1.0"}]}  # fmt: skip
    risk, nudge = hear(talk, ledger(delta))
    assert isinstance(risk, RiskPush)
    assert (risk.at, risk.symbols) == (AT, ("BTC/USDC:USDC", "NEW"))
    assert risk.figures == {"liquidatedNtlPos": "7.0", "accountValue": "1.0", "leverageType": "Cross"}
    assert nudge == Nudge(Why.BALANCE, AT)


@pytest.mark.parametrize(
    "text",
    ["Cannot track more than 10 total users.", "Invalid subscription {}", "Error parsing JSON into valid request"],
)
async def test_an_error_that_trying_again_does_not_mend_is_refused_for_long(text: str) -> None:
    (refusal,) = hear(await conversation(), {"channel": "error", "data": text})
    assert isinstance(refusal, Refusal)
    assert refusal.lasts


async def test_of_an_error_only_what_is_known_is_told(talk: HyperliquidConversation) -> None:
    assert hear(talk, {"channel": "error", "data": "Already subscribed: {}"}) == ()
    (heard,) = hear(talk, {"channel": "error", "data": "a text of which nobody knows what it holds"})
    assert isinstance(heard, NotUnderstood)
    assert "nobody knows" not in heard.what


async def test_what_is_about_another_user_is_not_taken_for_ours(talk: HyperliquidConversation) -> None:
    (heard,) = hear(talk, fills(fill(), user=OTHER))
    assert isinstance(heard, NotUnderstood)


@pytest.mark.parametrize(
    "frame",
    [
        "{no json",
        "[]",
        "null",
        "{}",
        '{"channel": 7}',
        '{"channel": "error"}',
        '{"channel": "l2Book", "data": {}}',
        '{"channel": "activeAssetData", "data": {"coin": "BTC"}}',
        '{"channel": "activeAssetData", "data": {"coin": "BTC", "leverage": {"type": "odd", "value": 3}}}',
        '{"channel": "subscriptionResponse"}',
        '{"channel": "subscriptionResponse", "data": {"method": "subscribe"}}',
        '{"channel": "userFills"}',
        '{"channel": "userFills", "data": {"fills": 7}}',
        '{"channel": "userFills", "data": {"fills": [{"dir": "Auto-Deleveraging"}]}}',
        '{"channel": "userFundings", "data": {"fundings": [7]}}',
        '{"channel": "userNonFundingLedgerUpdates", "data": {"nonFundingLedgerUpdates": [{"time": 1}]}}',
        '{"channel": "user", "data": []}',
        '{"channel": "user", "data": {"a new one": []}}',
        '{"channel": "user", "data": {"liquidation": {}}}',
        '{"channel": "allDexsClearinghouseState", "data": {}}',
        '{"channel": "allDexsClearinghouseState", "data": {"clearinghouseStates": 7}}',
        '{"channel": "allDexsClearinghouseState", "data": {"clearinghouseStates": [7]}}',
        '{"channel": "allDexsClearinghouseState", "data": {"clearinghouseStates": [["", {"time": 1}]]}}',
        json.dumps(states(state(position(size="NaN")))),
        json.dumps(states(state(position(mode="odd")))),
        json.dumps(states(state(position(mode=[])))),  # type: ignore[arg-type]
        json.dumps(states(state(position(coin={})))),  # type: ignore[arg-type]
        json.dumps(states(state(time="soon"))),
    ],
)
async def test_what_is_not_as_documented_is_counted_and_never_an_error(
    talk: HyperliquidConversation, frame: str
) -> None:
    (heard,) = hear(talk, frame)
    assert isinstance(heard, NotUnderstood)
    assert talk.waiting_for == frozenset()


async def test_whatever_stands_in_a_frame_reading_it_raises_nothing() -> None:
    documented = [
        states(state(position()), xyz=state(position("xyz:GOLD", "1.0", 5))),
        fills(fill(liquidation={"liquidatedUser": OWNER, "markPx": "1.0", "method": "market"})),
        ledger({"type": "liquidation", "liquidatedPositions": [{"coin": "BTC", "szi": "1.0"}]}),
        event(liquidation={"lid": 1, "liquidated_user": OWNER}),
        event(fills=[fill(dir="Auto-Deleveraging")]),
        acknowledged("userFills"),
        asset(),
        {"channel": "error", "data": "Cannot track more than 10 total users."},
        {"channel": "pong"},
    ]
    talk = await conversation()
    heard = [one for frame in spoilt(documented) for one in talk.hear(frame)]
    assert {type(one) for one in heard} == {Nudge, Terms, RiskPush, Refusal, NotUnderstood}
