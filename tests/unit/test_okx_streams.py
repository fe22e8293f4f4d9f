"""What OKX's frames mean, over frames as its documents have them, with invented figures."""

import base64
import hashlib
import hmac
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
from worker.venues.okx.streams.feed import RULES, OkxConversation, OkxFeed
from worker.venues.port.adapter import Market
from worker.venues.port.streams import (
    Evidence,
    Heard,
    NotUnderstood,
    Nudge,
    Refusal,
    Reopen,
    RiskKind,
    RiskPush,
    Say,
    Why,
)

SECRETS = {"api_key": "the-key", "secret": "the-secret", "passphrase": "the-passphrase"}
BTC = Market("BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.01"))


class Calls:
    """A transport that knows the time."""

    def now(self) -> Milliseconds:
        return THEN

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        raise AssertionError(f"{name} is not needed")


def account(**changes: Any) -> Account:
    secrets = {name: SecretStr(value) for name, value in SECRETS.items()}
    return Account(id="okx-1", exchange="okx", **(secrets | changes))


async def conversation(**changes: Any) -> OkxConversation:
    return await OkxFeed(account(**changes), Calls(), {"BTC-USDT-SWAP": BTC}.get).converse()


@pytest.fixture
async def talk() -> OkxConversation:
    """A connection that is logged in and subscribed, and has told what is open: nothing."""
    talk = await conversation()
    hear(talk, {"event": "login", "code": "0", "msg": "", "connId": "a"})
    for channel in ("balance_and_position", "positions", "account", "liquidation-warning"):
        hear(talk, {"event": "subscribe", "arg": {"channel": channel}, "connId": "a"})
    hear(talk, positions([], eventType="snapshot", curPage=1, lastPage=True))
    hear(talk, balances("100", eventType="snapshot", curPage=1, lastPage=True))
    return talk


def hear(talk: OkxConversation, frame: Any) -> Sequence[Heard]:
    return talk.hear(frame if isinstance(frame, str) else json.dumps(frame))


def row(pos: str = "3", lever: str = "7", mode: str = "cross", side: str = "net", **more: Any) -> dict[str, Any]:
    return {
        "instId": "BTC-USDT-SWAP", "instType": "SWAP", "mgnMode": mode, "posSide": side, "pos": pos, "lever": lever,
        "avgPx": "64000", "margin": "", "uTime": "1780000000000", "pTime": "1780000000100", "markPx": "64001",
        "posId": "9",
    } | more  # fmt: skip


def positions(rows: list[dict[str, Any]], **beside: Any) -> dict[str, Any]:
    return {"arg": {"channel": "positions", "instType": "ANY", "uid": "77"}, "data": rows} | beside


def update(*rows: dict[str, Any]) -> dict[str, Any]:
    return positions(list(rows), eventType="event_update")


def balances(cash: str, **beside: Any) -> dict[str, Any]:
    details = [{"ccy": "USDT", "cashBal": cash, "eq": "1"}]
    return {"arg": {"channel": "account"}, "data": [{"uTime": "1780000000000", "details": details}]} | beside


def event(kind: str, held: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    data = {"pTime": "1780000000000", "eventType": kind, "balData": [], "posData": held or []}
    return {"arg": {"channel": "balance_and_position", "uid": "77"}, "data": [data]}


async def test_the_login_is_signed_with_the_venues_time() -> None:
    (opening,) = (await conversation()).opening
    (shown,) = json.loads(opening)["args"]
    signed = f"{THEN // 1000}GET/users/self/verify".encode()
    expected = base64.b64encode(hmac.new(b"the-secret", signed, hashlib.sha256).digest()).decode()
    assert shown == {
        "apiKey": "the-key", "passphrase": "the-passphrase", "timestamp": str(THEN // 1000), "sign": expected
    }  # fmt: skip


async def test_a_login_that_is_taken_subscribes_to_events_alone() -> None:
    talk = await conversation()
    (said,) = hear(talk, {"event": "login", "code": "0", "msg": "", "connId": "a"})
    assert isinstance(said, Say)
    args = {arg["channel"]: arg for arg in json.loads(said.text)["args"]}
    assert set(args) == talk.waiting_for == {"balance_and_position", "positions", "account", "liquidation-warning"}
    assert [json.loads(args[name]["extraParams"]) for name in ("positions", "account")] == [{"updateInterval": "0"}] * 2
    assert args["positions"]["instType"] == args["liquidation-warning"]["instType"] == "ANY"


async def test_data_between_two_acknowledgements_is_heard() -> None:
    talk = await conversation()
    hear(talk, {"event": "login", "code": "0"})
    hear(talk, {"event": "subscribe", "arg": {"channel": "balance_and_position"}})
    assert hear(talk, {"event": "channel-conn-count", "channel": "balance_and_position", "connCount": "1"}) == ()
    (nudge,) = hear(talk, event("filled"))
    assert nudge == Nudge(Why.POSITIONS, 1780000000000)
    assert talk.waiting_for == {"positions", "account", "liquidation-warning"}


@pytest.mark.parametrize(
    ("network", "region", "base_url", "url"),
    [
        ("mainnet", None, None, "wss://ws.okx.com:8443/ws/v5/private"),
        ("mainnet", "eea", None, "wss://wseea.okx.com:8443/ws/v5/private"),
        ("mainnet", "us", None, "wss://wsus.okx.com:8443/ws/v5/private"),
        ("demo", None, None, "wss://wspap.okx.com:8443/ws/v5/private"),
        ("demo", "eea", None, "wss://wseeapap.okx.com:8443/ws/v5/private"),
        ("demo", "us", None, "wss://wsuspap.okx.com:8443/ws/v5/private"),
        ("mainnet", None, "http://127.0.0.1:8001", "ws://127.0.0.1:8001/ws/v5/private"),
        ("mainnet", None, "https://localhost:8001", "wss://localhost:8001/ws/v5/private"),
    ],
)
async def test_each_house_and_network_has_its_own_host(
    network: Network, region: str | None, base_url: str | None, url: str
) -> None:
    assert (await conversation(network=network, region=region, base_url=base_url)).url == url


def test_the_text_ping_is_sent_well_before_okx_cuts() -> None:
    assert RULES.ping == "ping"
    assert 15 <= RULES.ping_s <= 20 < RULES.silent_s == 30
    assert (RULES.dials, RULES.dials_in_s) == (3, 1)


async def test_a_pong_says_nothing(talk: OkxConversation) -> None:
    assert talk.hear("pong") == ()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("filled", Why.POSITIONS),
        ("set_leverage", Why.SETTINGS),
        ("funding_fee", Why.FUNDING),
        ("transferred", Why.BALANCE),
        ("interest_deduction", Why.BALANCE),
        ("adjust_margin", Why.POSITIONS),
        ("delivered", Why.POSITIONS),
    ],
)
async def test_an_event_says_what_to_read(talk: OkxConversation, kind: str, why: Why) -> None:
    assert hear(talk, event(kind, [row()])) == (Nudge(why, 1780000000000),)


async def test_a_snapshot_is_what_was_there_before(talk: OkxConversation) -> None:
    assert hear(talk, event("snapshot", [row()])) == ()


async def test_a_position_states_its_leverage_and_its_mode(talk: OkxConversation) -> None:
    (nudge,) = hear(talk, update(row(lever="7.5", mode="isolated")))
    assert nudge == Nudge(
        Why.POSITIONS, 1780000000100, (Evidence("BTC/USDT:USDT", Decimal("7.5"), MarginMode.ISOLATED),)
    )


async def test_a_cross_position_of_portfolio_margin_states_no_leverage(talk: OkxConversation) -> None:
    (nudge,) = hear(talk, update(row(lever="")))
    assert isinstance(nudge, Nudge)
    assert nudge.evidence == (Evidence("BTC/USDT:USDT", None, MarginMode.CROSS),)


async def test_what_a_market_is_set_to_is_said_by_all_its_positions_together(talk: OkxConversation) -> None:
    hear(talk, update(row("30", "8")))
    (nudge,) = hear(talk, update(row("2", "3", "isolated")))
    assert isinstance(nudge, Nudge)
    assert nudge.evidence == (Evidence("BTC/USDT:USDT", Decimal(8), MarginMode.CROSS),)


async def test_isolated_sides_have_a_leverage_each(talk: OkxConversation) -> None:
    hear(talk, update(row("3", "8", "isolated", "long")))
    (nudge,) = hear(talk, update(row("3", "5", "isolated", "short")))
    assert isinstance(nudge, Nudge)
    assert set(nudge.evidence) == {
        Evidence("BTC/USDT:USDT", Decimal(8), MarginMode.ISOLATED, "long"),
        Evidence("BTC/USDT:USDT", Decimal(5), MarginMode.ISOLATED, "short"),
    }


async def test_a_position_that_nothing_has_happened_to_is_no_news(talk: OkxConversation) -> None:
    hear(talk, update(row()))
    assert hear(talk, update(row(markPx="65000", pTime="1780000009999"))) == ()
    assert hear(talk, positions([row()], eventType="snapshot", curPage=1, lastPage=True)) == ()


async def test_a_trade_that_both_channels_tell_is_news_once(talk: OkxConversation) -> None:
    hear(talk, update(row("2", uTime="1")))
    assert hear(talk, event("filled", [row("3")])) == (Nudge(Why.POSITIONS, 1780000000000),)
    assert hear(talk, update(row("3"))) == ()
    hear(talk, event("filled", [row("0", uTime="2")]))
    assert hear(talk, update(row("0", uTime="2"))) == ()


async def test_a_leverage_that_only_one_channel_states_is_news_though_the_other_told_of_it(
    talk: OkxConversation,
) -> None:
    hear(talk, update(row()))
    hear(talk, event("set_leverage", [row()]))
    (nudge,) = hear(talk, update(row(lever="9")))
    assert isinstance(nudge, Nudge)
    assert nudge.evidence == (Evidence("BTC/USDT:USDT", Decimal(9), MarginMode.CROSS),)


async def test_a_position_that_has_changed_since_the_other_channel_told_of_it_is_news(talk: OkxConversation) -> None:
    hear(talk, event("filled", [row("3")]))
    assert len(hear(talk, update(row("4")))) == 1
    assert len(hear(talk, update(row("4", uTime="1780000000001", margin="7")))) == 1


async def test_a_closed_position_is_news_once_and_states_nothing(talk: OkxConversation) -> None:
    hear(talk, update(row()))
    assert hear(talk, update(row("0"))) == (Nudge(Why.POSITIONS, 1780000000100),)
    assert hear(talk, update(row("0"))) == ()


async def test_a_position_in_a_market_that_is_not_known_is_news_and_states_nothing(talk: OkxConversation) -> None:
    assert hear(talk, update(row(instId="NEW-USDT-SWAP"))) == (Nudge(Why.POSITIONS, 1780000000100),)


async def test_all_pages_of_the_first_snapshot_are_remembered_and_no_news() -> None:
    talk = await conversation()
    page = positions([row("30", "8")], eventType="snapshot", curPage=1, lastPage=False)
    assert hear(talk, page) == ()
    assert hear(talk, positions([row("1", "3", "isolated")], eventType="snapshot", curPage=2, lastPage=True)) == ()
    (nudge,) = hear(talk, update(row("2", "3", "isolated")))
    assert isinstance(nudge, Nudge)
    assert nudge.evidence == (Evidence("BTC/USDT:USDT", Decimal(8), MarginMode.CROSS),)


async def test_a_first_push_that_is_no_snapshot_is_news() -> None:
    (nudge,) = hear(await conversation(), positions([row()]))
    assert isinstance(nudge, Nudge)


async def test_a_regular_push_that_differs_is_news(talk: OkxConversation) -> None:
    (nudge,) = hear(talk, positions([row()], eventType="snapshot", curPage=1, lastPage=True))
    assert isinstance(nudge, Nudge)


async def test_of_the_account_only_its_cash_is_news(talk: OkxConversation) -> None:
    assert hear(talk, balances("100")) == ()
    assert hear(talk, balances("99")) == (Nudge(Why.BALANCE, 1780000000000),)


async def test_a_warning_is_a_risk_that_is_the_same_whenever_it_is_pushed_again(talk: OkxConversation) -> None:
    frame = {"arg": {"channel": "liquidation-warning", "instType": "ANY"}, "data": [row(mgnRatio="1.1")]}
    (risk,) = hear(talk, frame)
    assert isinstance(risk, RiskPush)
    assert (risk.kind, risk.at, risk.symbols) == (
        RiskKind.LIQUIDATION_WARNING, 1780000000100, ("BTC/USDT:USDT",)
    )  # fmt: skip
    assert risk.figures == {"mgnRatio": "1.1", "markPx": "64001", "pos": "3", "lever": "7", "mgnMode": "cross"}
    (again,) = hear(talk, frame)
    assert isinstance(again, RiskPush)
    assert again.identity == risk.identity


@pytest.mark.parametrize(("kind", "risk"), [("liquidation", RiskKind.LIQUIDATION), ("adl", RiskKind.AUTO_DELEVERAGING)])
async def test_a_liquidation_is_a_risk_for_each_position_and_a_nudge(
    talk: OkxConversation, kind: str, risk: RiskKind
) -> None:
    first, second, nudge = hear(talk, event(kind, [row("0"), row("0", posId="10", mode="isolated")]))
    assert isinstance(first, RiskPush)
    assert isinstance(second, RiskPush)
    assert (first.kind, first.symbols) == (risk, ("BTC/USDT:USDT",))
    assert first.identity != second.identity
    assert nudge == Nudge(Why.RISK, 1780000000000)


async def test_a_liquidation_is_a_risk_whatever_its_position_says(talk: OkxConversation) -> None:
    risk, nudge = hear(talk, event("liquidation", [row("", avgPx=None, mgnMode={})]))
    assert isinstance(risk, RiskPush)
    assert isinstance(nudge, Nudge)


async def test_a_liquidation_that_tells_no_position_is_a_risk_too(talk: OkxConversation) -> None:
    risk, _ = hear(talk, event("liquidation"))
    assert isinstance(risk, RiskPush)
    assert risk.symbols == ()


@pytest.mark.parametrize(
    ("code", "lasts"),
    [("60005", True), ("60007", True), ("60024", True), ("60032", True), ("60018", True),
     ("60004", False), ("60006", False), ("60009", False), ("60014", False), ("99999", False)],
)  # fmt: skip
async def test_a_refusal_lasts_where_trying_again_is_of_no_use(code: str, lasts: bool) -> None:
    talk = await conversation()
    (refusal,) = hear(talk, {"event": "error", "code": code, "msg": "no", "connId": "a"})
    assert isinstance(refusal, Refusal)
    assert (refusal.lasts, refusal.reason[:5]) == (lasts, code)


async def test_a_refusal_that_repeats_the_login_tells_nothing_of_it() -> None:
    talk = await conversation()
    (opening,) = talk.opening
    heard = [
        *hear(talk, {"event": "error", "code": "60012", "msg": f"Invalid request: {opening}"}),
        *hear(talk, {"event": "error", "code": opening, "msg": opening}),
        *hear(talk, {"event": opening}),
        *hear(talk, {"event": "notice", "code": opening, "msg": opening}),
        *hear(talk, {"event": "channel-conn-count-error", "channel": opening}),
        *hear(talk, {"arg": {"channel": opening}, "data": [{}]}),
        *hear(talk, {"arg": {"channel": "positions"}, "data": [{"instId": opening, "pos": opening}]}),
    ]
    assert len(heard) == 7
    told = repr(heard)
    assert [secret for secret in SECRETS.values() if secret in told] == []


async def test_the_announced_restart_opens_anew_and_any_other_notice_does_not(talk: OkxConversation) -> None:
    (reopen,) = hear(talk, {"event": "notice", "code": "64008", "msg": "soon", "connId": "a"})
    assert isinstance(reopen, Reopen)
    assert reopen.tells, "the server goes on for half a minute"
    (other,) = hear(talk, {"event": "notice", "code": "1", "msg": "", "connId": "a"})
    assert isinstance(other, NotUnderstood)


async def test_a_subscription_that_is_dead_is_refused_for_long(talk: OkxConversation) -> None:
    (refusal,) = hear(talk, {"event": "channel-conn-count-error", "channel": "positions", "connCount": "31"})
    assert isinstance(refusal, Refusal)
    assert refusal.lasts


def test_the_close_code_of_a_key_that_is_gone_lasts() -> None:
    assert RULES.closes[4007].lasts
    assert 4004 not in RULES.closes


@pytest.mark.parametrize(
    "frame",
    [
        "{no json",
        "",
        "[]",
        "7",
        "null",
        "{}",
        '{"event": null}',
        '{"event": ["subscribe"]}',
        '{"arg": "positions", "data": []}',
        '{"arg": {"channel": ["positions"]}, "data": []}',
        '{"arg": {"channel": "orders"}, "data": [{}]}',
        '{"arg": {"channel": "positions"}, "data": {}}',
        '{"arg": {"channel": "positions"}, "data": [7]}',
        '{"arg": {"channel": "positions"}, "data": [{"instId": "BTC-USDT-SWAP"}]}',
        '{"arg": {"channel": "positions"}, "data": [{"instId": "BTC-USDT-SWAP", "pos": "NaN"}]}',
        '{"arg": {"channel": "positions"}, "data": [{"instId": {}, "pos": "1"}]}',
        json.dumps(update(row(mode="odd"))),
        json.dumps(update(row(mgnMode=[]))),
        json.dumps(update(row(pTime="1e999999999"))),
        json.dumps(update(row(lever="1/2"))),
        '{"arg": {"channel": "account"}, "data": [{"details": [{"ccy": "USDT"}]}]}',
        '{"arg": {"channel": "account"}, "data": [{"details": {"ccy": "USDT"}}]}',
        '{"arg": {"channel": "balance_and_position"}, "data": [{"pTime": "1"}]}',
        '{"arg": {"channel": "balance_and_position"}, "data": [{"pTime": "soon", "eventType": "filled"}]}',
        '{"arg": {"channel": "balance_and_position"}, "data": [{"pTime": "1", "eventType": "a new one"}]}',
        '{"arg": {"channel": "balance_and_position"}, "data": [{"pTime": "1", "eventType": "adl", "posData": 7}]}',
        '{"arg": {"channel": "liquidation-warning"}, "data": [{}]}',
    ],
)  # fmt: skip
async def test_what_is_not_as_documented_is_counted_and_never_an_error(talk: OkxConversation, frame: str) -> None:
    (heard,) = talk.hear(frame)
    assert isinstance(heard, NotUnderstood)
    assert talk.waiting_for == frozenset()


async def test_whatever_stands_in_a_frame_reading_it_raises_nothing() -> None:
    documented = [
        update(row(), row("3", "8", "isolated", "long"), row("0")),
        positions([row()], eventType="snapshot", curPage=1, lastPage=True),
        balances("5"),
        event("filled", [row()]),
        event("adl", [row()]),
        {"arg": {"channel": "liquidation-warning"}, "data": [row(mgnRatio="1")]},
        {"event": "login", "code": "0", "msg": "", "connId": "a"},
        {"event": "error", "code": "60012", "msg": "no", "connId": "a"},
        {"event": "notice", "code": "64008", "msg": "soon", "connId": "a"},
        {"event": "subscribe", "arg": {"channel": "positions"}, "connId": "a"},
        {"event": "channel-conn-count-error", "channel": "positions", "connCount": "31"},
    ]
    talk = await conversation()
    heard = [one for frame in spoilt(documented) for one in talk.hear(frame)]
    assert {type(one) for one in heard} == {Nudge, RiskPush, Say, Refusal, Reopen, NotUnderstood}
