"""What frames of Gate's private streams mean: those of the documents, and those of none."""

import asyncio
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.requests import MarginMode, MarketType
from worker.accounts.account import Account
from worker.venues.gate.endpoints import PARTS, GatePart
from worker.venues.gate.errors import CODES
from worker.venues.gate.hosts import private_stream
from worker.venues.gate.instruments import Contracts, Lists
from worker.venues.gate.streams.feed import CONTRACTS, RISKS, RULES, GateConversation, GateFeed, StreamUser
from worker.venues.port.adapter import Market
from worker.venues.port.errors import ClockSkewed, PreconditionFailed, VenueError
from worker.venues.port.streams import (
    Evidence,
    Heard,
    NotUnderstood,
    Nudge,
    Refusal,
    RiskKind,
    RiskPush,
    Why,
)

USDT, COIN, USD1, DELIVERY = PARTS
BTC = Market("BTC/USDT:USDT", "BTC_USDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.0001"))
DATED = Market("BTC/USDT:USDT-261225", "BTC_USDT_20261225", MarketType.FUTURE, False, "BTC", "USDT", "USDT", Decimal(1))
LISTS = Lists({USDT: Contracts((BTC,), {}, ()), DELIVERY: Contracts((DATED,), {}, ())}, {})
KEY, SECRET = "0123456789abcdef0123456789abcde0", "fedcba9876543210" * 4
ACCOUNT = Account(id="a", exchange="gate", api_key=SecretStr(KEY), secret=SecretStr(SECRET))
NOW = 1_780_000_000_123


class Answers:
    """A transport that answers from a list, by the names of calls."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"privateFuturesGetSettleAccounts": {}, "privateDeliveryGetSettleAccounts": {}} | answers
        self.asked: list[str] = []

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append(name)
        answer = self._answers[name]
        if isinstance(answer, VenueError):
            raise answer
        return answer


def feed(part: GatePart = USDT, transport: Answers | None = None, user: str | None = "77") -> GateFeed:
    return GateFeed(ACCOUNT, transport or Answers(), part, LISTS, StreamUser(user))


def conversation(part: GatePart = USDT) -> GateConversation:
    talk = asyncio.run(feed(part).converse())
    assert talk is not None
    return talk


TALKS = {part: conversation(part) for part in (USDT, DELIVERY)}

ROW = {
    "contract": "BTC_USDT",
    "cross_leverage_limit": 12,
    "entry_price": 64000.5,
    "leverage": 0,
    "leverage_max": 125,
    "liq_price": 0.1,
    "margin": 4.5,
    "mode": "single",
    "size": 3,
    "time": NOW // 1_000,
    "time_ms": NOW,
    "user": "77",
    "update_id": 9,
}
DELIVERED = {name: value for name, value in ROW.items() if name not in ("mode", "cross_leverage_limit", "update_id")}
LIQUIDATED = {
    "contract": "BTC_USDT",
    "entry_price": 209,
    "fill_price": 215.1,
    "left": 0,
    "leverage": 0.0,
    "order_id": 4093362,
    "size": -124,
    "time": NOW // 1_000,
    "time_ms": NOW,
    "user": "77",
}


def pushed(channel: str, *rows: Any, part: GatePart = USDT, **more: Any) -> list[Heard]:
    frame = {"time": NOW // 1_000, "time_ms": NOW, "channel": channel, "event": "update", "result": rows, **more}
    return list(TALKS[part].hear(json.dumps(frame)))


class TestTheOpening:
    def test_each_channel_is_subscribed_to_with_a_signature_of_its_own(self) -> None:
        frames = [json.loads(frame) for frame in conversation().opening]
        assert [frame["channel"] for frame in frames] == list(CONTRACTS)
        for frame in frames:
            text = f"channel={frame['channel']}&event=subscribe&time={NOW // 1_000}"
            signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()
            assert frame["auth"] == {"method": "api_key", "KEY": KEY, "SIGN": signature}
            assert frame["payload"] == ["77", *CONTRACTS[frame["channel"]]]
        assert len({frame["id"] for frame in frames}) == len(frames)

    def test_no_representation_shows_what_is_secret(self) -> None:
        shown = repr(conversation())
        auths = [json.loads(frame)["auth"] for frame in conversation().opening]
        assert [secret for auth in auths for secret in (KEY, SECRET, auth["SIGN"]) if secret in shown] == []

    def test_a_part_without_an_account_has_nothing_to_follow(self) -> None:
        nothing = PreconditionFailed("transfer funds", venue_code="USER_NOT_FOUND")
        assert asyncio.run(feed(COIN, Answers(privateFuturesGetSettleAccounts=nothing)).converse()) is None

    def test_a_part_that_can_not_be_read_is_another_matter(self) -> None:
        trouble = PreconditionFailed("an abnormal state", venue_code="ACCOUNT_EXCEPTION")
        with pytest.raises(PreconditionFailed):
            asyncio.run(feed(COIN, Answers(privateFuturesGetSettleAccounts=trouble)).converse())

    @pytest.mark.parametrize(
        ("registered", "wallet", "asked", "user"),
        [("77", {}, 1, "77"), (None, {"user": 78}, 1, "78"), (None, {}, 2, "79")],
        ids=["registered", "told with the wallet", "asked for"],
    )
    def test_the_user_is_the_registered_one_or_asked_for(
        self, registered: str | None, wallet: dict[str, Any], asked: int, user: str
    ) -> None:
        answers = Answers(privateFuturesGetSettleAccounts=wallet, privateAccountGetDetail={"user_id": 79})
        talk = asyncio.run(feed(transport=answers, user=registered).converse())
        assert talk is not None
        assert (json.loads(talk.opening[0])["payload"][0], len(answers.asked)) == (user, asked)

    def test_a_ping_is_of_now_and_the_rest_is_the_same_for_all(self) -> None:
        rules = feed().rules
        assert json.loads(rules.ping or "") == {"time": NOW // 1_000, "channel": "futures.ping"}
        assert (rules.silent_s, rules.seats, rules.connections) == (45, 300, 300) == (RULES.silent_s, 300, 300)

    @pytest.mark.parametrize(
        ("part", "name"), [(USDT, "usdt"), (COIN, "btc"), (USD1, "usd1"), (DELIVERY, "delivery-usdt")]
    )
    def test_a_feed_is_named_after_its_part(self, part: GatePart, name: str) -> None:
        assert feed(part).name == name


class TestAnswers:
    def test_each_channel_is_acknowledged_by_itself(self) -> None:
        talk = conversation()
        for channel in CONTRACTS:
            answer = {"id": 1, "channel": channel, "event": "subscribe", "error": None, "result": {"status": "success"}}
            assert channel in talk.waiting_for
            assert talk.hear(json.dumps(answer)) == ()
        assert talk.waiting_for == set()

    @pytest.mark.parametrize("channel", ["futures.pong", "futures.ping"])
    def test_a_ping_or_a_pong_means_nothing(self, channel: str) -> None:
        assert TALKS[USDT].hear(json.dumps({"time": 1, "channel": channel, "event": "", "result": None})) == ()

    @pytest.mark.parametrize(
        ("error", "lasts", "words"),
        [
            (
                {"code": 1, "message": "invalid struct"},
                True,
                "the structure of the request is invalid ('invalid struct')",
            ),
            ({"code": 2, "message": "unknown contract X"}, True, "an argument is invalid ('unknown contract X')"),
            ({"code": 3, "message": "busy"}, False, "an error of Gate's ('busy')"),
            ({"code": 4, "message": '{"label":"INVALID_KEY","message":"no"}\n'}, True, CODES["INVALID_KEY"].advice),
            ({"code": 4, "message": '{"label":"REQUEST_EXPIRED","message":"no"}\n'}, False, "REQUEST_EXPIRED"),
            ({"code": 9, "message": "new"}, True, "for a reason that is in no document"),
            ({"message": None}, True, "no reason is told"),
            ("no", True, "without a code"),
        ],
    )
    def test_a_refusal_lasts_unless_it_is_gates_own_fault_or_the_clocks(
        self, error: Any, lasts: bool, words: str
    ) -> None:
        talk = conversation()
        answer = {"channel": "futures.positions", "event": "subscribe", "error": error, "result": None}
        (refusal,) = talk.hear(json.dumps(answer))
        assert isinstance(refusal, Refusal)
        assert (refusal.lasts, words in refusal.reason) == (lasts, True)
        assert "futures.positions" in talk.waiting_for

    @pytest.mark.parametrize("result", [None, {"status": "fail"}, "success"], ids=str)
    def test_an_answer_without_an_error_and_without_success_is_a_refusal(self, result: Any) -> None:
        answer = {"channel": "futures.balances", "event": "subscribe", "error": None, "result": result}
        assert [type(heard) for heard in conversation().hear(json.dumps(answer))] == [Refusal]

    def test_no_reason_repeats_what_is_secret(self) -> None:
        auth = json.loads(conversation().opening[0])["auth"]
        said = {"code": 4, "message": f"bad {KEY} {auth['SIGN']} {SECRET}"}
        answer = {"channel": "futures.positions", "event": "subscribe", "error": said}
        (refusal,) = conversation().hear(json.dumps(answer))
        assert isinstance(refusal, Refusal)
        assert [secret for secret in (KEY, SECRET, auth["SIGN"]) if secret in refusal.reason] == []

    def test_every_label_of_a_skewed_clock_passes(self) -> None:
        assert [label for label, rule in CODES.items() if rule.error is ClockSkewed] == ["REQUEST_EXPIRED"]


class TestPositions:
    @pytest.mark.parametrize(
        ("terms", "evidence"),
        [
            ({}, Evidence(BTC.symbol, Decimal(12), MarginMode.CROSS)),
            ({"cross_leverage_limit": 0}, Evidence(BTC.symbol, None, MarginMode.CROSS)),
            ({"leverage": 5, "cross_leverage_limit": 0}, Evidence(BTC.symbol, Decimal(5), MarginMode.ISOLATED)),
            ({"mode": "dual_long"}, Evidence(BTC.symbol, Decimal(12), MarginMode.CROSS, "long")),
            ({"mode": "dual_short"}, Evidence(BTC.symbol, Decimal(12), MarginMode.CROSS, "short")),
            ({"leverage": "5", "size": 0}, Evidence(BTC.symbol, Decimal(5), MarginMode.ISOLATED)),
        ],
        ids=["cross", "cross without a limit", "isolated", "long", "short", "flat, in texts"],
    )
    def test_a_row_states_leverage_and_mode_where_0_is_cross(self, terms: dict[str, Any], evidence: Evidence) -> None:
        assert pushed("futures.positions", ROW | terms) == [Nudge(Why.POSITIONS, NOW, (evidence,))]

    @pytest.mark.parametrize(
        ("leverage", "evidence"),
        [
            (0, Evidence(DATED.symbol, None, MarginMode.CROSS)),
            (5, Evidence(DATED.symbol, Decimal(5), MarginMode.ISOLATED)),
        ],
    )
    def test_a_delivery_in_cross_margin_tells_no_leverage(self, leverage: int, evidence: Evidence) -> None:
        row = DELIVERED | {"contract": DATED.id, "leverage": leverage}
        assert pushed("futures.positions", row, part=DELIVERY) == [Nudge(Why.POSITIONS, NOW, (evidence,))]

    def test_a_market_that_is_not_listed_here_nudges_alone(self) -> None:
        assert pushed("futures.positions", ROW | {"contract": "NEW_USDT"}) == [Nudge(Why.POSITIONS, NOW)]

    @pytest.mark.parametrize(
        "wrong",
        [{"leverage": None}, {"leverage": "x"}, {"leverage": -1}, {"mode": "split"}, {"mode": []}, {"contract": 7}],
        ids=str,
    )
    def test_a_field_that_is_in_no_document_is_counted_and_the_other_rows_are_heard(
        self, wrong: dict[str, Any]
    ) -> None:
        problem, nudge = pushed("futures.positions", ROW | wrong, ROW)
        assert isinstance(problem, NotUnderstood)
        assert isinstance(nudge, Nudge)
        assert [stated.symbol for stated in nudge.evidence] == [BTC.symbol]

    def test_where_there_are_no_milliseconds_seconds_do(self) -> None:
        (nudge,) = pushed("futures.position_closes", {}, time_ms=None)
        assert nudge == Nudge(Why.POSITIONS, NOW // 1_000 * 1_000)


class TestOtherChannels:
    @pytest.mark.parametrize(("kind", "why"), [("fund", Why.FUNDING), ("fee", Why.BALANCE), ("new", Why.BALANCE)])
    def test_balances_are_funding_or_not(self, kind: str, why: Why) -> None:
        assert pushed("futures.balances", {"type": kind, "change": -0.1}) == [Nudge(why, NOW)]

    @pytest.mark.parametrize(
        ("channel", "row", "kind", "figures"),
        [
            (
                "futures.liquidates",
                LIQUIDATED,
                RiskKind.LIQUIDATION,
                {
                    "size": "-124",
                    "left": "0",
                    "entry_price": "209",
                    "fill_price": "215.1",
                    "leverage": "0.0",
                },
            ),
            (
                "futures.auto_deleverages",
                {"contract": "BTC_USDT", "position_size": 10, "trade_size": 10, "time": NOW // 1_000, "time_ms": NOW},
                RiskKind.AUTO_DELEVERAGING,
                {"position_size": "10", "trade_size": "10"},
            ),
            (
                "futures.reduce_risk_limits",
                {"contract": "BTC_USDT", "risk_limit": 450, "leverage_max": 10, "cancel_orders": 0, "time_ms": NOW},
                RiskKind.RISK_LIMIT_REDUCED,
                {"risk_limit": "450", "leverage_max": "10", "cancel_orders": "0"},
            ),
        ],
    )
    def test_risks_are_told_with_their_figures(
        self, channel: str, row: dict[str, Any], kind: RiskKind, figures: dict[str, str]
    ) -> None:
        risk, nudge = pushed(channel, row)
        again, _ = pushed(channel, row)
        other, _ = pushed(channel, row | {"time_ms": NOW + 1})
        assert isinstance(risk, RiskPush)
        assert isinstance(again, RiskPush)
        assert isinstance(other, RiskPush)
        assert (risk.kind, risk.at, risk.symbols, risk.figures) == (kind, NOW, (BTC.symbol,), figures)
        assert again.identity == risk.identity != other.identity
        assert nudge == Nudge(RISKS[channel].why, NOW)

    @pytest.mark.parametrize("wrong", [{"contract": None}, {"time_ms": "soon"}, {"time_ms": None}], ids=str)
    def test_a_risk_that_can_not_be_read_is_counted_and_nudges(self, wrong: dict[str, Any]) -> None:
        problem, nudge = pushed("futures.liquidates", LIQUIDATED | wrong)
        assert isinstance(problem, NotUnderstood)
        assert nudge == Nudge(Why.POSITIONS, NOW)


WORDS = ("", "x", "-1", "1e5", "fund", "channel", "event", "update", "subscribe", "result", "error", "code", "9" * 400)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


class TestWhatIsInNoDocument:
    @pytest.mark.parametrize(
        "frame",
        [
            *("", "{not json", "[]", "7", "null", "{}", '{"channel":["futures.positions"]}'),
            '{"channel":"futures.orders","event":"update","result":[]}',
            '{"channel":"futures.positions","event":"all","result":[]}',
        ],
    )
    def test_a_frame_of_no_shape_is_counted(self, frame: str) -> None:
        assert [type(heard) for heard in TALKS[USDT].hear(frame)] == [NotUnderstood]

    @pytest.mark.parametrize("result", [None, {}, "x", [7], [[]]], ids=str)
    @pytest.mark.parametrize("channel", CONTRACTS)
    def test_a_push_without_rows_is_counted(self, channel: str, result: Any) -> None:
        assert [type(heard) for heard in pushed(channel, result=result)] == [NotUnderstood]

    @given(
        st.sampled_from(tuple(CONTRACTS)),
        st.sampled_from((ROW, DELIVERED, LIQUIDATED)),
        st.dictionaries(st.sampled_from((*ROW, *LIQUIDATED)), ANY_JSON, max_size=4),
    )
    def test_whatever_a_field_holds_is_heard_without_an_exception(
        self, channel: str, row: dict[str, Any], wrong: dict[str, Any]
    ) -> None:
        for heard in pushed(channel, row | wrong):
            assert isinstance(heard, Nudge | RiskPush | NotUnderstood)

    @given(st.sampled_from((*CONTRACTS, "x")), st.dictionaries(st.sampled_from(WORDS), ANY_JSON, max_size=5))
    def test_whatever_comes_is_heard_without_an_exception(self, channel: str, content: dict[str, Any]) -> None:
        for heard in TALKS[USDT].hear(json.dumps({"channel": channel} | content)):
            assert isinstance(heard, NotUnderstood | Refusal | Nudge | RiskPush)


class TestWhereItIs:
    @pytest.mark.parametrize(
        ("changes", "part", "url"),
        [
            ({}, USDT, "wss://fx-ws.gateio.ws/v4/ws/usdt"),
            ({}, COIN, "wss://fx-ws.gateio.ws/v4/ws/btc"),
            ({}, DELIVERY, "wss://fx-ws.gateio.ws/v4/ws/delivery/usdt"),
            ({"network": "testnet"}, USDT, "wss://ws-testnet.gate.com/v4/ws/futures/usdt"),
            ({"base_url": "http://127.0.0.1:8081"}, DELIVERY, "ws://127.0.0.1:8081/v4/ws/delivery/usdt"),
        ],
    )
    def test_it_is_at_the_path_of_its_part(self, changes: dict[str, str], part: GatePart, url: str) -> None:
        assert private_stream(ACCOUNT.model_copy(update=changes), part.path) == url
