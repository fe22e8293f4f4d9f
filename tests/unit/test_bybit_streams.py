"""What frames of Bybit's private stream mean: those of the documents, and those of none."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from pybit._http_manager import generate_signature
from pydantic import SecretStr

from schemas.requests import MarketType
from worker.accounts.account import Account
from worker.venues.bybit.hosts import HOSTS, private_stream
from worker.venues.bybit.streams.feed import EXECUTIONS, RISKS, BybitConversation, BybitFeed, signed
from worker.venues.parsing.markets import Markets
from worker.venues.port.adapter import Market
from worker.venues.port.errors import AccessDenied
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

BTC = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
COIN = Market("BTC/USD:BTC", "BTCUSD", MarketType.SWAP, True, "BTC", "USD", "BTC", Decimal(1))
KEY, SECRET = "kEyOfNobody0000001", "sEcReTofNobody0000000000000000000001"
ACCOUNT = Account(id="a", exchange="bybit", api_key=SecretStr(KEY), secret=SecretStr(SECRET))
NOW = 1_780_000_000_000

ROW = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "size": "0.3",
    "positionIdx": 0,
    "leverage": "12",
    "tradeMode": 0,
    "entryPrice": "64000",
    "markPrice": "64100.5",
    "liqPrice": "",
    "positionStatus": "Normal",
    "seq": 912,
    "updatedTime": str(NOW),
}
EXECUTED = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "execId": "e-1",
    "execTime": str(NOW),
    "execType": "Trade",
    "execQty": "0.1",
}


def conversation() -> BybitConversation:
    return asyncio.run(BybitFeed(ACCOUNT, lambda: NOW, Markets((BTC, COIN))).converse())


TALK = conversation()


def pushed(topic: str, *rows: Any, **more: Any) -> list[Heard]:
    frame = {"id": "1", "topic": topic, "creationTime": NOW, "data": rows, **more}
    return list(TALK.hear(json.dumps(frame)))


class TestTheOpening:
    def test_a_login_is_signed_and_the_topics_follow_at_once(self) -> None:
        login, subscription = (json.loads(frame) for frame in conversation().opening)
        assert (login["op"], login["args"][:2]) == ("auth", [KEY, NOW + 20_000])
        assert len(login["args"][2]) == 64
        assert (subscription["op"], subscription["args"]) == ("subscribe", ["position", "wallet", "execution"])

    def test_a_login_is_signed_with_a_private_key_where_the_secret_is_one(self) -> None:
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        assert signed("GET/realtime1", pem) == generate_signature(True, pem, "GET/realtime1")

    def test_a_private_key_that_is_none_is_told_without_it(self) -> None:
        with pytest.raises(AccessDenied) as refused:
            signed("GET/realtime1", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----")
        assert "c2VjcmV0" not in refused.value.message
        assert refused.value.__context__ is None

    def test_no_representation_shows_what_is_secret(self) -> None:
        shown = repr(conversation())
        login = json.loads(conversation().opening[0])
        assert [secret for secret in (KEY, SECRET, login["args"][2]) if secret in shown] == []


class TestAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"},
            {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"},
            {"success": True, "ret_msg": "", "conn_id": "c", "request": {"op": "auth", "args": [KEY, "1", "ab"]}},
        ],
        ids=["op", "retCode", "request"],
    )
    def test_a_login_is_acknowledged_in_any_of_three_shapes(self, answer: dict[str, Any]) -> None:
        talk = conversation()
        assert talk.hear(json.dumps(answer)) == ()
        assert talk.waiting_for == {"position", "wallet", "execution"}

    def test_one_acknowledgement_is_that_of_all_topics(self) -> None:
        talk = conversation()
        talk.hear('{"success":true,"ret_msg":"","conn_id":"c","req_id":"perps-dma","op":"subscribe"}')
        assert talk.waiting_for == {"auth"}

    @pytest.mark.parametrize(
        "pong",
        [
            {"req_id": "", "op": "pong", "args": ["1"], "conn_id": "c"},
            {"success": True, "ret_msg": "pong", "conn_id": "c", "request": {"op": "ping", "args": None}},
            {"pong": 1},
        ],
    )
    def test_a_pong_means_nothing(self, pong: dict[str, Any]) -> None:
        assert conversation().hear(json.dumps(pong)) == ()

    @pytest.mark.parametrize(
        ("answer", "lasts"),
        [
            ({"success": False, "ret_msg": "no", "op": "auth"}, True),
            ({"success": False, "ret_msg": "no", "request": {"op": "auth", "args": [KEY, "1", "ab" * 32]}}, True),
            ({"retCode": 10003, "retMsg": "no", "op": "auth"}, True),
            ({"retCode": 10002, "retMsg": "no", "op": "auth"}, False),
            ({"retCode": 10016, "retMsg": "no", "op": "subscribe"}, False),
            ({"success": False, "ret_msg": "no", "op": "subscribe"}, True),
        ],
    )
    def test_a_refusal_lasts_unless_its_code_says_otherwise(self, answer: dict[str, Any], lasts: bool) -> None:
        talk = conversation()
        (refusal,) = talk.hear(json.dumps(answer))
        assert isinstance(refusal, Refusal)
        assert (refusal.lasts, "'no'" in refusal.reason) == (lasts, True)
        assert talk.waiting_for == {"auth", "position", "wallet", "execution"}

    def test_no_reason_repeats_what_is_secret(self) -> None:
        login = json.loads(conversation().opening[0])["args"]
        said = f"invalid {login[0]} {login[2]} {SECRET}"
        (refusal,) = conversation().hear(json.dumps({"success": False, "ret_msg": said, "op": "auth"}))
        assert isinstance(refusal, Refusal)
        assert [secret for secret in (KEY, SECRET, login[2]) if secret in refusal.reason] == []


class TestPositions:
    def test_a_row_states_its_leverage(self) -> None:
        assert pushed("position", ROW) == [Nudge(Why.POSITIONS, NOW, (Evidence(BTC.symbol, Decimal(12)),))]

    @pytest.mark.parametrize(("index", "side"), [(0, None), (1, "long"), (2, "short")])
    def test_the_side_is_that_of_the_index(self, index: int, side: str | None) -> None:
        (nudge,) = pushed("position", ROW | {"positionIdx": index})
        assert isinstance(nudge, Nudge)
        assert [stated.side for stated in nudge.evidence] == [side]

    @pytest.mark.parametrize(
        "row",
        [ROW | {"leverage": ""}, ROW | {"leverage": "0"}, ROW | {"symbol": "NEWUSDT"}, ROW | {"symbol": "BTCUSD"}],
        ids=["none in portfolio margin", "zero", "not listed", "not listed as linear"],
    )
    def test_what_states_no_leverage_of_a_known_market_nudges_alone(self, row: dict[str, Any]) -> None:
        assert pushed("position", row) == [Nudge(Why.POSITIONS, NOW)]

    def test_a_mode_of_trading_is_no_evidence(self) -> None:
        (nudge,) = pushed("position", ROW | {"tradeMode": 1})
        assert isinstance(nudge, Nudge)
        assert nudge.evidence[0].margin_mode is None

    @pytest.mark.parametrize(("status", "kind"), [("Liq", RiskKind.LIQUIDATION), ("Adl", RiskKind.AUTO_DELEVERAGING)])
    def test_a_position_that_is_taken_away_is_a_risk_told_once_by_its_time(self, status: str, kind: RiskKind) -> None:
        row = ROW | {"positionStatus": status}
        risk, nudge = pushed("position", row)
        assert isinstance(risk, RiskPush)
        assert (risk.kind, risk.level, risk.at, risk.symbols) == (kind, status, NOW, (BTC.symbol,))
        assert risk.figures == {
            "side": "Buy",
            "size": "0.3",
            "leverage": "12",
            "entryPrice": "64000",
            "markPrice": "64100.5",
        }
        assert isinstance(nudge, Nudge)
        again, _ = pushed("position", row | {"seq": 913})
        later, _ = pushed("position", row | {"updatedTime": str(NOW + 1)})
        assert isinstance(again, RiskPush)
        assert isinstance(later, RiskPush)
        assert again.identity == risk.identity != later.identity

    @pytest.mark.parametrize(
        "wrong",
        [
            {"leverage": "many"},
            {"leverage": "-3"},
            {"positionIdx": 3},
            {"positionIdx": None},
            {"category": "perpetual"},
            {"category": ["linear"]},
            {"symbol": 7},
            {"positionStatus": "Melting"},
            {"positionStatus": {}},
            {"positionStatus": "Liq", "updatedTime": "soon"},
            {"positionStatus": "Liq", "updatedTime": "9" * 5_000},
        ],
        ids=str,
    )
    def test_a_field_that_is_in_no_document_is_counted_and_the_other_rows_are_heard(
        self, wrong: dict[str, Any]
    ) -> None:
        inverse = ROW | {"category": "inverse", "symbol": "BTCUSD", "leverage": "5"}
        problem, nudge = pushed("position", ROW | wrong, inverse)
        assert isinstance(problem, NotUnderstood)
        assert isinstance(nudge, Nudge)
        assert nudge.evidence[-1] == Evidence(COIN.symbol, Decimal(5))

    def test_options_are_of_no_concern(self) -> None:
        assert pushed("position", ROW | {"category": "option"}) == []


class TestWalletAndExecutions:
    def test_the_wallet_is_about_the_balance(self) -> None:
        assert pushed("wallet", {"coin": []}) == [Nudge(Why.BALANCE, NOW)]

    @pytest.mark.parametrize("kind", EXECUTIONS)
    def test_every_documented_execution_nudges(self, kind: str) -> None:
        *risks, nudge = pushed("execution", EXECUTED | {"execType": kind})
        assert nudge == Nudge(EXECUTIONS[kind], NOW)
        assert [risk.kind for risk in risks if isinstance(risk, RiskPush)] == [RISKS[kind] for _ in risks]
        assert bool(risks) is (kind in RISKS)

    def test_several_executions_are_one_nudge_for_each_thing_they_change(self) -> None:
        rows = (EXECUTED, EXECUTED | {"execType": "Funding"}, EXECUTED)
        assert pushed("execution", *rows) == [Nudge(Why.POSITIONS, NOW), Nudge(Why.FUNDING, NOW)]

    def test_a_liquidation_goes_by_the_id_of_its_execution(self) -> None:
        risk, _ = pushed("execution", EXECUTED | {"execType": "BustTrade"})
        assert risk == RiskPush(RiskKind.LIQUIDATION, NOW, "e-1", "BustTrade", (BTC.symbol,), {"execQty": "0.1"})

    @pytest.mark.parametrize("wrong", [{"execType": "Melted"}, {"execType": None}, {"execType": []}], ids=str)
    def test_an_execution_of_no_documented_type_is_counted(self, wrong: dict[str, Any]) -> None:
        (problem,) = pushed("execution", EXECUTED | wrong)
        assert isinstance(problem, NotUnderstood)


WORDS = ("", "x", "-1", "1e5", "auth", "op", "success", "request", "retCode", "topic", "data", "Liq", "9" * 400)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


class TestWhatIsInNoDocument:
    @pytest.mark.parametrize("frame", ["", "{not json", "[]", "7", '"x"', "null", "[" * 10_000, '{"op":"order"}', "{}"])
    def test_a_frame_of_no_shape_is_counted(self, frame: str) -> None:
        assert [type(heard) for heard in conversation().hear(frame)] == [NotUnderstood]

    @pytest.mark.parametrize("topic", ["order", "orderbook.1.BTCUSDT", ""])
    def test_a_topic_that_nobody_asked_for_is_counted(self, topic: str) -> None:
        assert [type(heard) for heard in pushed(topic, ROW)] == [NotUnderstood]

    @pytest.mark.parametrize("data", [None, {}, "x", [7], [[]]], ids=str)
    def test_a_push_without_rows_is_counted(self, data: Any) -> None:
        assert [type(heard) for heard in pushed("position", data=data)] == [NotUnderstood]

    @given(
        st.sampled_from(("position", "wallet", "execution")),
        st.sampled_from((ROW, EXECUTED)),
        st.dictionaries(st.sampled_from((*ROW, *EXECUTED)), ANY_JSON, max_size=4),
    )
    def test_whatever_a_field_holds_is_heard_without_an_exception(
        self, topic: str, row: dict[str, Any], wrong: dict[str, Any]
    ) -> None:
        for heard in pushed(topic, row | wrong):
            assert isinstance(heard, Nudge | RiskPush | NotUnderstood)

    @given(ANY_JSON)
    def test_whatever_comes_is_heard_without_an_exception(self, content: Any) -> None:
        for heard in TALK.hear(json.dumps(content)):
            assert isinstance(heard, NotUnderstood | Refusal)


class TestWhereItIs:
    @pytest.mark.parametrize("region", HOSTS)
    def test_every_house_has_a_stream_of_its_own_or_that_of_the_main_one(self, region: str) -> None:
        url = private_stream(ACCOUNT.model_copy(update={"region": region}))
        assert url == HOSTS[region].stream + "/v5/private"

    @pytest.mark.parametrize(
        ("changes", "url"),
        [
            ({}, "wss://stream.bybit.com/v5/private"),
            ({"region": "kz"}, "wss://stream.bybit.kz/v5/private"),
            ({"network": "testnet"}, "wss://stream-testnet.bybit.com/v5/private"),
            ({"network": "demo"}, "wss://stream-demo.bybit.com/v5/private"),
            ({"base_url": "http://127.0.0.1:8081"}, "ws://127.0.0.1:8081/v5/private"),
            ({"base_url": "https://sandbox.example/"}, "wss://sandbox.example/v5/private"),
        ],
    )
    def test_it_is_at_the_house_and_on_the_network_of_the_key(self, changes: dict[str, str], url: str) -> None:
        assert private_stream(ACCOUNT.model_copy(update=changes)) == url
