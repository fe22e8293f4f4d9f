"""What a frame of Binance's private streams means, with invented figures, and that no key comes out of it."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.requests import MarginMode
from tests.support.canaries import Canaries
from worker.venues.binance.client import BinanceExchange
from worker.venues.binance.hosts import STREAMS, stream_url
from worker.venues.binance.streams.events import HEARERS, OF_NO_CONCERN, REASONS
from worker.venues.binance.streams.feed import RULES, BinanceConversation, BinanceFeed
from worker.venues.port.errors import Ambiguous, Refused, VenueError
from worker.venues.port.response import VenueResponse
from worker.venues.port.streams import (
    Evidence,
    Heard,
    NotUnderstood,
    Nudge,
    Refusal,
    Reopen,
    RiskKind,
    RiskPush,
    Why,
)

KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
CANARIES = Canaries.of({"listen key": KEY}, {})
SYMBOLS = {"BTCUSDT": "BTC/USDT:USDT", "BTCUSD_PERP": "BTC/USD:BTC"}
AT, TOLD_AT = 1_780_000_000_100, 1_780_000_000_101


class Venue:
    """Answers the requests for a key, one after the other; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def now(self) -> int:
        return AT

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append(name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def feed(name: str = "um", venue: Venue | None = None) -> BinanceFeed:
    return BinanceFeed(name, f"wss://host/{name}", venue or Venue(), SYMBOLS.get)


def conversation(name: str = "um") -> BinanceConversation:
    return BinanceConversation(feed(name), KEY)


def hear(event: Mapping[str, Any], name: str = "um") -> list[Heard]:
    frame = {"stream": KEY, "data": event}
    heard = list(conversation(name).hear(json.dumps(frame)))
    assert list(conversation(name).hear(json.dumps(event))) == heard, "a frame of the other mode means the same"
    return heard


def account_update(reason: str, *positions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    balances = [{"a": "USDT", "wb": "99.5", "cw": "99.5", "bc": "-0.5"}]
    update = {"m": reason, "B": balances, "P": list(positions), **more}
    return {"e": "ACCOUNT_UPDATE", "E": TOLD_AT, "T": AT, "a": update}


def position(symbol: str = "BTCUSDT", **more: str) -> dict[str, str]:
    return {"s": symbol, "pa": "0.3", "ep": "90000", "bep": "90010", "cr": "5", "up": "1", "ps": "BOTH", **more}


def test_a_leverage_is_evidence_with_its_symbol() -> None:
    event = {"e": "ACCOUNT_CONFIG_UPDATE", "E": TOLD_AT, "T": AT, "ac": {"s": "BTCUSDT", "l": 12}}
    assert hear(event) == [Nudge(Why.SETTINGS, AT, (Evidence("BTC/USDT:USDT", leverage=Decimal(12)),))]


def test_a_leverage_of_coin_m_is_evidence_on_the_stream_of_portfolio_margin_too() -> None:
    event = {"e": "ACCOUNT_CONFIG_UPDATE", "fs": "CM", "E": TOLD_AT, "T": AT, "ac": {"s": "BTCUSD_PERP", "l": 25}}
    assert hear(event, "pm") == [Nudge(Why.SETTINGS, AT, (Evidence("BTC/USD:BTC", leverage=Decimal(25)),))]


def test_a_leverage_of_a_contract_that_is_not_listed_only_nudges() -> None:
    event = {"e": "ACCOUNT_CONFIG_UPDATE", "E": TOLD_AT, "T": AT, "ac": {"s": "NEWUSDT", "l": 12}}
    assert hear(event) == [Nudge(Why.SETTINGS, AT)]


def test_the_multi_assets_mode_nudges() -> None:
    event = {"e": "ACCOUNT_CONFIG_UPDATE", "E": TOLD_AT, "T": AT, "ai": {"j": True}}
    assert hear(event) == [Nudge(Why.SETTINGS, AT)]


@pytest.mark.parametrize(("reason", "why"), REASONS.items())
def test_an_update_says_by_its_reason_what_has_changed(reason: str, why: Why) -> None:
    assert hear(account_update(reason)) == [Nudge(why, AT)]


@pytest.mark.parametrize(
    ("told", "mode"),
    [
        ("isolated", MarginMode.ISOLATED),
        ("ISOLATED", MarginMode.ISOLATED),
        ("cross", MarginMode.CROSS),
        ("crossed", MarginMode.CROSS),
        ("CROSSED", MarginMode.CROSS),
    ],
)
def test_a_margin_type_is_evidence_however_it_is_written(told: str, mode: MarginMode) -> None:
    event = account_update("MARGIN_TYPE_CHANGE", position(mt=told, iw="0"))
    assert hear(event) == [Nudge(Why.SETTINGS, AT, (Evidence("BTC/USDT:USDT", margin_mode=mode),))]


@pytest.mark.parametrize("row", [position(), position(mt="portfolio"), position("NEWUSDT", mt="cross")])
def test_where_no_margin_mode_is_known_there_is_no_evidence(row: dict[str, str]) -> None:
    assert hear(account_update("ORDER", row)) == [Nudge(Why.POSITIONS, AT)]


def test_an_unknown_reason_is_counted_and_the_positions_are_evidence_all_the_same() -> None:
    evidence = (Evidence("BTC/USDT:USDT", margin_mode=MarginMode.CROSS),)
    assert hear(account_update("MOON_LANDING", position(mt="cross"))) == [
        Nudge(Why.POSITIONS, AT, evidence),
        NotUnderstood("ACCOUNT_UPDATE because of MOON_LANDING"),
    ]


def test_a_margin_call_names_the_positions_and_is_the_same_for_whoever_hears_it() -> None:
    row = {"s": "BTCUSDT", "ps": "LONG", "pa": "1.5", "mt": "CROSSED", "iw": "0", "mp": "87", "up": "-1.1", "mm": "1.6"}
    event = {"e": "MARGIN_CALL", "E": TOLD_AT, "cw": "3.16", "p": [row]}
    [push] = hear(event)
    assert push == RiskPush(
        RiskKind.MARGIN_CALL,
        TOLD_AT,
        identity=f"MARGIN_CALL um {TOLD_AT} BTCUSDT:LONG",
        symbols=("BTC/USDT:USDT",),
        figures={
            "crossWalletBalance": "3.16",
            "BTCUSDT LONG positionAmt": "1.5",
            "BTCUSDT LONG marginType": "CROSSED",
            "BTCUSDT LONG isolatedWallet": "0",
            "BTCUSDT LONG markPrice": "87",
            "BTCUSDT LONG unrealizedPnl": "-1.1",
            "BTCUSDT LONG maintMargin": "1.6",
        },
    )
    assert hear({**event, "E": TOLD_AT + 1}) != [push]


def test_a_level_of_risk_is_told_with_its_figures() -> None:
    event = {"e": "riskLevelChange", "E": TOLD_AT, "u": "1.41", "s": "MARGIN_CALL", "eq": "50.1", "ae": "52", "m": "35"}
    figures = {"uniMMR": "1.41", "accountEquity": "50.1", "actualEquity": "52", "accountMaintMargin": "35"}
    identity = f"riskLevelChange {TOLD_AT} MARGIN_CALL"
    assert hear(event, "pm") == [RiskPush(RiskKind.RISK_LEVEL, TOLD_AT, identity, level="MARGIN_CALL", figures=figures)]


def order(client_id: str, **more: Any) -> dict[str, Any]:
    told = {"s": "BTCUSDT", "c": client_id, "S": "SELL", "q": "1", "z": "1", "ap": "9", "x": "TRADE", "X": "FILLED"}
    return {"e": "ORDER_TRADE_UPDATE", "E": TOLD_AT, "T": AT, "o": {**told, "i": 88, "t": 7, "ps": "BOTH", **more}}


@pytest.mark.parametrize(
    ("client_id", "kind"),
    [("autoclose-1624", RiskKind.LIQUIDATION), ("adl_autoclose", RiskKind.AUTO_DELEVERAGING)],
)
def test_an_order_by_which_the_venue_closes_a_position_is_a_risk_event(client_id: str, kind: RiskKind) -> None:
    [push] = hear(order(client_id))
    assert isinstance(push, RiskPush)
    assert (push.kind, push.at, push.symbols) == (kind, AT, ("BTC/USDT:USDT",))
    assert push.figures == {
        "side": "SELL",
        "positionSide": "BOTH",
        "origQty": "1",
        "executedQty": "1",
        "avgPrice": "9",
        "status": "FILLED",
    }
    [other] = hear(order(client_id, t=8))
    assert isinstance(other, RiskPush)
    assert other.identity != push.identity


def test_orders_of_the_account_itself_are_of_no_concern() -> None:
    assert hear(order("mine-1")) == []
    for name in OF_NO_CONCERN:
        assert hear({"e": name, "E": TOLD_AT, "T": AT, "s": "BTCUSDT"}) == []


@pytest.mark.parametrize(
    "event",
    [
        {
            "e": "liabilityChange",
            "E": TOLD_AT,
            "a": "BTC",
            "t": "BORROW",
            "T": 13_527_728,
            "p": "1",
            "i": "0",
            "l": "1",
        },
        {"e": "balanceUpdate", "E": TOLD_AT, "a": "BTC", "d": "100.0", "U": 1_027_053_479_517, "T": AT},
        {"e": "outboundAccountPosition", "E": TOLD_AT, "u": AT, "U": 1, "B": [{"a": "ETH", "f": "1", "l": "0"}]},
        {"e": "openOrderLoss", "E": TOLD_AT, "O": [{"a": "BTC", "o": "-0.1"}]},
    ],
)
def test_the_margin_side_of_portfolio_margin_nudges(event: dict[str, Any]) -> None:
    assert hear(event, "pm") == [Nudge(Why.BALANCE, TOLD_AT)]


def test_a_key_that_has_expired_and_a_server_that_shuts_down_are_reasons_to_open_anew() -> None:
    assert hear({"e": "listenKeyExpired", "E": TOLD_AT, "listenKey": KEY}) == [Reopen("the listen key has expired")]
    assert hear({"e": "listenKeyExpired", "E": TOLD_AT}, "pm") == [Reopen("the listen key has expired")]
    frame = json.dumps({"event": {"e": "serverShutdown", "E": TOLD_AT}})
    assert conversation().hear(frame) == (Reopen("the server is about to shut down", tells=True),)


def test_a_subscription_is_waited_for_until_it_is_acknowledged() -> None:
    talk = conversation()
    [text] = talk.opening
    assert json.loads(text) == {"method": "SUBSCRIBE", "params": [KEY], "id": 1}
    assert talk.hear(json.dumps({"stream": KEY, "data": account_update("ORDER")})) == (Nudge(Why.POSITIONS, AT),)
    assert talk.waiting_for == {"subscription"}
    assert talk.hear('{"result":null,"id":1}') == ()
    assert talk.waiting_for == frozenset()


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": 2, "msg": f"Invalid request: {KEY}"}, "id": 1},
        {"code": 2, "msg": f"Invalid request: {KEY}", "id": 1},
    ],
)
def test_a_subscription_that_is_refused_is_told_by_its_code_alone(answer: dict[str, Any]) -> None:
    talk = conversation()
    assert talk.hear(json.dumps(answer)) == (Refusal("Binance refuses the subscription (2)"),)
    assert talk.waiting_for == {"subscription"}


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        ("{not json", "a frame that is no JSON"),
        ("[]", "a frame that is no object"),
        ("null", "a frame that is no object"),
        ("{}", "an event without a name"),
        ('{"e":7}', "an event without a name"),
        ('{"data":[]}', "an event that is no object"),
        ('{"id":9,"result":null}', "an answer to nothing that was asked"),
        ('{"stream":"other","data":{"e":"ACCOUNT_UPDATE"}}', "an event of another stream"),
        ('{"e":"MARGIN_MAYBE"}', "an event MARGIN_MAYBE"),
        (json.dumps({"e": "x" * 64}), "an event with a strange name"),
        (json.dumps({"e": KEY}), "an event that repeats the listen key"),
        (json.dumps({"e": "MARGIN_CALL", "E": 7, "p": [{"s": KEY}]}), "an event that repeats the listen key"),
        ('{"e":"ACCOUNT_UPDATE","a":{"m":"ORDER","P":{}}}', "ACCOUNT_UPDATE: the answer to P is no list of objects"),
        ('{"e":"ACCOUNT_UPDATE"}', "ACCOUNT_UPDATE: the answer to a is no object"),
        (
            '{"e":"ACCOUNT_CONFIG_UPDATE","ac":{"s":"BTCUSDT"}}',
            "ACCOUNT_CONFIG_UPDATE: the field l of the venue's answer is missing",
        ),
        ('{"e":"riskLevelChange","s":"NORMAL"}', "riskLevelChange: the field E of the venue's answer is missing"),
    ],
)
def test_a_frame_that_is_not_as_documented_is_counted_by_what_it_is(frame: str, what: str) -> None:
    assert conversation().hear(frame) == (NotUnderstood(what),)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(KEY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*"aBPpmsleTEouc", "ac", "ai", "mt", KEY]), inner, max_size=4)
    ),
    max_leaves=12,
)
EVENTS = st.builds(
    lambda name, fields: {"e": name, **fields},
    st.sampled_from([*HEARERS, *OF_NO_CONCERN, KEY, "new"]),
    st.dictionaries(st.sampled_from(["a", "ac", "ai", "o", "p", "s", "T", "E", "cw", "u", KEY]), VALUES, max_size=6),
)
FRAMES = st.one_of(
    st.text(),
    VALUES.map(json.dumps),
    EVENTS.map(json.dumps),
    EVENTS.map(lambda event: json.dumps({"stream": KEY, "data": event})),
    st.dictionaries(st.sampled_from(["id", "result", "error", "code", "msg", "event"]), VALUES).map(json.dumps),
)


@settings(max_examples=200, deadline=None)
@given(FRAMES)
def test_no_frame_ends_the_reading_and_none_gives_away_the_key_by_what_is_told_of_it(frame: str) -> None:
    for heard in conversation().hear(frame):
        assert CANARIES.found(repr(heard)) == set()


def test_neither_address_nor_representation_holds_the_key() -> None:
    talk = conversation()
    assert CANARIES.found(talk.url + repr(talk) + repr(talk.feed)) == set()


@pytest.mark.parametrize(
    ("name", "answer", "asked"),
    [
        ("um", {"listenKey": KEY}, ["fapiPrivatePostListenKey", "fapiPrivatePutListenKey"]),
        ("cm", {"listenKey": KEY}, ["dapiPrivatePostListenKey", "dapiPrivatePutListenKey"]),
        ("pm", {}, ["papiPostListenKey", "papiPutListenKey", "papiPostListenKey"]),
    ],
)
async def test_a_renewal_makes_sure_that_the_key_is_still_the_one(
    name: str, answer: dict[str, str], asked: list[str]
) -> None:
    venue = Venue({"listenKey": KEY}, answer, {"listenKey": KEY})
    talk = await feed(name, venue).converse()
    await talk.renew()
    assert venue.asked == asked


async def test_a_key_that_is_another_is_refused() -> None:
    talk = await feed("um", Venue({"listenKey": KEY}, {"listenKey": KEY[::-1]})).converse()
    with pytest.raises(Refused):
        await talk.renew()


@pytest.mark.parametrize(
    "amiss",
    [
        {"listen_key": KEY},
        {"listenKey": [KEY]},
        [KEY],
    ],
)
async def test_of_an_answer_that_names_no_key_nothing_is_told(amiss: Any) -> None:
    with pytest.raises(Ambiguous) as caught:
        await feed("um", Venue(amiss)).converse()
    assert CANARIES.found(f"{caught.value!r} {caught.value.raw} {caught.value.details}") == set()


@pytest.mark.parametrize("status", [200, 300, 400, 401, 418, 451, 503])
@pytest.mark.parametrize(
    "body",
    [{"code": -1125, "msg": f"This listenKey {KEY} does not exist."}, {"code": -9999, "msg": KEY}, KEY, [KEY]],
)
def test_a_refusal_that_repeats_a_key_is_told_without_it(status: int, body: Any) -> None:
    text = json.dumps(body)
    answer = VenueResponse("/fapi/v1/listenKey", status, {}, text, None if body is KEY else body)
    request: Any = {"url": "https://host/fapi/v1/listenKey", "method": "PUT", "headers": {}, "body": None}
    error: VenueError | None = None
    try:
        BinanceExchange({"enableRateLimit": False}).raise_for(answer, request)
    except VenueError as caught:
        error = caught
    assert (error is None) is (status == 200 and body == [KEY])
    if error is not None:
        assert CANARIES.found(f"{error!r} {error.raw} {error.details} {error.__context__!r}") == set()


def test_streams_are_opened_on_hosts_of_their_own_and_no_address_has_a_query() -> None:
    for (network, name), address in STREAMS.items():
        url = stream_url(network, name, None)
        assert url == address.origin + address.path
        assert url.startswith("wss://")
        assert not set("?&=") & set(url)
    assert stream_url("demo", "pm", None) is None
    assert stream_url("mainnet", "pm", "https://127.0.0.1:1") == "wss://127.0.0.1:1/pm/stream"


def test_a_connection_is_renewed_and_opened_anew_before_the_venue_ends_it() -> None:
    assert RULES.renew_s is not None
    assert RULES.longest_s is not None
    assert RULES.renew_s * 2 <= 3_600
    assert RULES.longest_s < 24 * 3_600
    assert RULES.silent_s > 2 * 180
    assert RULES.dials < 300
    assert RULES.dials_in_s == 300
