"""The stand-in for OKX by itself: whom it believes, what it counts, and the rules of its settings."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from worker.accounts.account import Account
from worker.sandbox.okx.instruments import OkxInstrument
from worker.sandbox.okx.venue import Okx
from worker.sandbox.server.http import Received
from worker.sandbox.server.venue import ControlRefused

PERP, HEDGE = "okx-perp-001", "okx-hedge-001"
CONFIG, SET_LEVERAGE = "/api/v5/account/config", "/api/v5/account/set-leverage"
LEVERAGE_INFO, POSITIONS = "/api/v5/account/leverage-info", "/api/v5/account/positions"
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


@pytest.fixture
def venue() -> Okx:
    return Okx()


def account_of(venue: Okx, account_id: str) -> Account:
    return next(account for account in venue.accounts("http://here") if account.id == account_id)


def stamp(now: int) -> str:
    return datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def request(
    venue: Okx, path: str, query: str = "", body: Any = None, account: str = PERP, **headers: str | None
) -> Received:
    """A signed request; `headers` replaces or, with None, leaves out one by the last word of its name."""
    owner, method = account_of(venue, account), "GET" if body is None else "POST"
    text = "" if body is None else body if isinstance(body, str) else orjson.dumps(body).decode()
    at = headers.get("timestamp") or stamp(venue.clock.now())
    signed = at + method + path + (f"?{query}" if query else "") + text
    digest = hmac.new(owner.reveal("secret").encode(), signed.encode(), hashlib.sha256).digest()
    usual: Mapping[str, str | None] = {
        "key": owner.reveal("api_key"),
        "passphrase": owner.reveal("passphrase"),
        "sign": base64.b64encode(digest).decode(),
        "timestamp": at,
    }
    sent = {f"OK-ACCESS-{name.upper()}": value for name, value in {**usual, **headers}.items() if value is not None}
    content = {"Content-Type": "application/json"} if body is not None else {}
    return Received(method, path, query, text, sent | content, "127.0.0.1")


def code_of(venue: Okx, received: Received) -> tuple[int, str]:
    answer = venue.answer(received)
    return answer.status, orjson.loads(answer.body)["code"]


def data_of(venue: Okx, received: Received) -> list[dict[str, Any]]:
    body = orjson.loads(venue.answer(received).body)
    assert body["code"] == "0", body
    data: list[dict[str, Any]] = body["data"]
    return data


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"key": None}, "50103"),
        ({"passphrase": None}, "50104"),
        ({"sign": None}, "50106"),
        ({"timestamp": None}, "50107"),
        ({"key": "a-key"}, "50111"),
        ({"key": "00000000-0000-4000-8000-000000000000"}, "50119"),
        ({"timestamp": "1706745600000"}, "50112"),
        ({"timestamp": "2024-99-01T00:00:00.000Z"}, "50112"),
        ({"timestamp": "2024-02-01T00:00:00.000Z"}, "50102"),
        ({"passphrase": "guessed"}, "50105"),
        ({"sign": "Z3Vlc3NlZA=="}, "50113"),
    ],
    ids=str,
)
def test_each_flaw_of_a_signature_has_its_own_refusal(venue: Okx, headers: dict[str, Any], code: str) -> None:
    assert code_of(venue, request(venue, CONFIG, **headers)) == (401, code)


@pytest.mark.parametrize(("offset", "code"), [(-29_000, "0"), (29_000, "0"), (-31_000, "50102"), (31_000, "50102")])
def test_a_timestamp_may_be_half_a_minute_off(venue: Okx, offset: int, code: str) -> None:
    assert code_of(venue, request(venue, CONFIG, timestamp=stamp(venue.clock.now() + offset)))[1] == code


def test_a_signature_covers_the_query_and_the_body(venue: Okx) -> None:
    asked = request(venue, POSITIONS, f"instId={BTC}")
    changed = Received("GET", asked.path, f"instId={ETH}", "", asked.headers, asked.address)
    assert code_of(venue, asked) == (200, "0")
    assert code_of(venue, changed) == (401, "50113")


@pytest.mark.parametrize(("body", "code"), [("", "50000"), ("{", "50002"), ("[]", "50002"), ({}, "50014")], ids=str)
def test_a_body_that_cannot_be_read_is_refused(venue: Okx, body: Any, code: str) -> None:
    assert code_of(venue, request(venue, SET_LEVERAGE, body=body)) == (400, code)


def test_a_body_must_be_said_to_be_json(venue: Okx) -> None:
    asked = request(venue, SET_LEVERAGE, body={"instId": BTC, "lever": "5", "mgnMode": "cross"})
    headers = {**asked.headers, "Content-Type": "text/plain"}
    plain = Received("POST", asked.path, "", asked.body, headers, "127.0.0.1")
    assert code_of(venue, plain) == (400, "50006")


def test_a_path_or_a_method_that_does_not_exist_is_said_so(venue: Okx) -> None:
    assert code_of(venue, request(venue, "/api/v5/account/everything")) == (404, "404")
    assert code_of(venue, request(venue, CONFIG, body={})) == (405, "50115")


def test_limits_are_kept_by_user_and_endpoint_until_the_next_two_seconds(venue: Okx) -> None:
    venue.clock.offset -= venue.clock.now() % 2_000
    codes = [code_of(venue, request(venue, CONFIG))[1] for _ in range(6)]
    assert codes == ["0"] * 5 + ["50011"]
    assert code_of(venue, request(venue, POSITIONS))[1] == "0"
    assert code_of(venue, request(venue, CONFIG, account=HEDGE))[1] == "0"
    venue.clock.offset += 2_000
    assert code_of(venue, request(venue, CONFIG))[1] == "0"


def test_an_empty_parameter_counts_as_left_out(venue: Okx) -> None:
    body = {"instId": BTC, "lever": 5, "mgnMode": "cross", "posSide": "", "ccy": ""}
    (row,) = data_of(venue, request(venue, SET_LEVERAGE, body=body))
    assert row == {"instId": BTC, "lever": "5", "mgnMode": "cross", "posSide": "net"}


def test_cross_and_isolated_leverage_of_an_instrument_are_two(venue: Okx) -> None:
    data_of(venue, request(venue, SET_LEVERAGE, body={"instId": ETH, "lever": "7", "mgnMode": "isolated"}))
    levers = [
        data_of(venue, request(venue, LEVERAGE_INFO, f"instId={ETH}&mgnMode={mode}"))[0]["lever"]
        for mode in ("cross", "isolated")
    ]
    assert levers == ["5", "7"]


def test_futures_of_one_index_share_their_cross_leverage_and_nothing_else(venue: Okx) -> None:
    near, far = [row["instId"] for row in futures(venue)]
    data_of(venue, request(venue, SET_LEVERAGE, body={"instId": near, "lever": "9", "mgnMode": "cross"}))
    data_of(venue, request(venue, SET_LEVERAGE, body={"instId": near, "lever": "8", "mgnMode": "isolated"}))
    told = [
        data_of(venue, request(venue, LEVERAGE_INFO, f"instId={far}&mgnMode={mode}"))[0]["lever"]
        for mode in ("cross", "isolated")
    ]
    assert told == ["9", "3"]


def futures(venue: Okx) -> list[dict[str, Any]]:
    return data_of(venue, request(venue, "/api/v5/public/instruments", "instType=FUTURES&uly=BTC-USDT"))


def test_a_lower_isolated_leverage_takes_further_margin_from_the_balance(venue: Okx) -> None:
    query, body = "instId=SOL-USDT-SWAP", {"instId": "SOL-USDT-SWAP", "lever": "2", "mgnMode": "isolated"}
    data_of(venue, request(venue, SET_LEVERAGE, body=body))
    (row,) = data_of(venue, request(venue, POSITIONS, query))
    assert (row["lever"], row["margin"]) == ("2", "1855")


def test_an_instrument_that_was_ever_held_is_listed_by_its_id_alone(venue: Okx) -> None:
    venue.change_account(PERP, {"positions": [{"instrument_id": BTC, "amount": "0"}]})
    (closed,) = data_of(venue, request(venue, POSITIONS, f"instId={BTC}"))
    assert (closed["pos"], closed["avgPx"]) == ("0", "")
    assert BTC not in {row["instId"] for row in data_of(venue, request(venue, POSITIONS))}
    assert data_of(venue, request(venue, POSITIONS, f"instId={ETH}")) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [("instId=XYZ-USDT-SWAP", "51001"), (f"instId={BTC}&instType=FUTURES", "51015"), ("instType=STOCK", "51000"),
     ("instId=" + ",".join([BTC] * 11), "50025")],
)  # fmt: skip
def test_positions_of_what_does_not_exist_are_refused(venue: Okx, query: str, code: str) -> None:
    assert code_of(venue, request(venue, POSITIONS, query))[1] == code


def test_a_reset_brings_the_seeds_back_and_keeps_the_keys(venue: Okx) -> None:
    before = account_of(venue, PERP)
    data_of(venue, request(venue, SET_LEVERAGE, body={"instId": ETH, "lever": "7", "mgnMode": "cross"}))
    venue.reset()
    assert account_of(venue, PERP) == before
    assert data_of(venue, request(venue, LEVERAGE_INFO, f"instId={ETH}&mgnMode=cross"))[0]["lever"] == "5"


@pytest.mark.parametrize(
    "content",
    [{"id": PERP}, {"id": "no spaces, please"}, {"id": "new", "open_positions": 5_000}, {"id": "new", "colour": "red"}],
    ids=str,
)
def test_an_account_that_cannot_be_opened_is_refused(venue: Okx, content: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused):
        venue.open_account(content)


@pytest.mark.parametrize("content", [{"colour": "red"}, {"open_orders": {"XYZ": 1}}], ids=str)
def test_a_change_that_cannot_be_made_is_refused(venue: Okx, content: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused):
        venue.change_account(PERP, content)
    with pytest.raises(ControlRefused, match="no account"):
        venue.change_account("nobody", {})
    with pytest.raises(ControlRefused, match="no endpoint"):
        venue.set_limits({"everything": 1})


def test_what_a_request_asks_for_is_noted_without_its_signature(venue: Okx) -> None:
    asked = request(venue, SET_LEVERAGE, body={"instId": BTC, "lever": 5, "ccy": ""})
    assert venue.parameters_of(asked) == {"instId": BTC, "lever": "5"}
    assert venue.account_of(asked) == PERP
    assert venue.parameters_of(request(venue, SET_LEVERAGE, body="{")) == {}


def test_an_inverse_contract_settles_in_its_base() -> None:
    swap = OkxInstrument(
        "BTC-USD-SWAP", "SWAP", "BTC", "USD", "BTC", Decimal(100), Decimal(98_500), Decimal("0.1"), 100
    )
    assert (swap.inverse, swap.underlying) == (True, "BTC-USD")


BILLS, ARCHIVE = "/api/v5/account/bills", "/api/v5/account/bills-archive"
INSTRUMENTS = "/api/v5/public/instruments"


def test_bills_can_be_written_for_an_account_many_of_them_in_one_instant(venue: Okx) -> None:
    now = venue.clock.now()
    written = {"type": "77", "instrument_id": BTC, "profit": "-1.5", "time": now - 60_000, "times": 130}
    venue.change_account(PERP, {"bills": [written]})
    page = data_of(venue, request(venue, ARCHIVE, "type=77"))
    rest = data_of(venue, request(venue, ARCHIVE, f"type=77&after={page[-1]['billId']}"))
    assert (len(page), len(rest), {row["ts"] for row in page + rest}) == (100, 30, {str(now - 60_000)})
    assert len({row["billId"] for row in page + rest}) == 130
    assert {(row["pnl"], row["ccy"], row["instType"]) for row in page + rest} == {("-1.5", "USDT", "SWAP")}


def test_the_types_of_bills_are_told(venue: Okx) -> None:
    assert [row["typeDesc"] for row in data_of(venue, request(venue, "/api/v5/account/subtypes", "type=14,24"))] == [
        "Block trade",
        "Spread trading",
    ]


def test_the_listing_has_what_is_suspended_and_what_is_only_announced(venue: Okx) -> None:
    rows = {row["instId"]: row for row in data_of(venue, request(venue, INSTRUMENTS, "instType=SWAP"))}
    assert {row["state"] for row in rows.values()} == {"live", "suspend", "preopen"}
    announced = rows["NEW-USD_UM-SWAP"]
    assert (announced["ctVal"], announced["lever"], announced["settleCcy"], announced["uly"]) == ("", "", "", "")


def test_x_perps_are_futures_with_a_rule_of_their_own(venue: Okx) -> None:
    (row,) = data_of(venue, request(venue, INSTRUMENTS, "instType=FUTURES&instFamily=BTC-USD_UM_XPERP"))
    assert (row["instId"], row["uly"], row["settleCcy"]) == ("BTC-USD_UM_XPERP-310404", "BTC-USD", "USD")
    assert (row["ruleType"], row["ctType"]) == ("xperp", "linear")
    funded = data_of(venue, request(venue, BILLS, "instType=FUTURES&type=8"))
    assert {bill["instId"] for bill in funded} == {"BTC-USD_UM_XPERP-310404"}


def test_the_initial_margin_of_a_cross_position_is_in_usd(venue: Okx) -> None:
    (row,) = data_of(venue, request(venue, POSITIONS, "instId=BTC-USD-SWAP"))
    assert (row["imr"], row["ccy"]) == ("300", "BTC")


def test_the_leverage_of_isolated_positions_is_told_in_portfolio_margin_too(venue: Okx) -> None:
    asked = {mode: request(venue, LEVERAGE_INFO, f"instId={ETH}&mgnMode={mode}", account="okx-portfolio-001")
             for mode in ("cross", "isolated")}  # fmt: skip
    assert code_of(venue, asked["cross"])[1] == "59111"
    assert data_of(venue, asked["isolated"])[0]["lever"] == "5"


def test_two_keys_of_one_user_are_one_account_and_share_its_limits(venue: Okx) -> None:
    second = venue.open_account({"id": "second-key", "key_of": PERP})
    venue.clock.offset -= venue.clock.now() % 2_000
    codes = [code_of(venue, request(venue, CONFIG, account=owner))[1] for owner in (PERP, second) * 3]
    assert codes == ["0"] * 5 + ["50011"]
    data_of(venue, request(venue, SET_LEVERAGE, body={"instId": ETH, "lever": "9", "mgnMode": "cross"}, account=second))
    assert data_of(venue, request(venue, LEVERAGE_INFO, f"instId={ETH}&mgnMode=cross"))[0]["lever"] == "9"
    venue.reset()
    assert (
        data_of(venue, request(venue, LEVERAGE_INFO, f"instId={ETH}&mgnMode=cross", account=second))[0]["lever"] == "5"
    )
    with pytest.raises(ControlRefused, match="no account nobody"):
        venue.open_account({"id": "third-key", "key_of": "nobody"})


@pytest.mark.parametrize(("mode", "code"), [("cross", "59669"), ("isolated", "59668")])
def test_orders_that_wait_for_a_trigger_are_in_the_way_of_a_leverage(venue: Okx, mode: str, code: str) -> None:
    venue.change_account(PERP, {"waiting_orders": {ETH: 1}})
    body = {"instId": ETH, "lever": "9", "mgnMode": mode}
    assert code_of(venue, request(venue, SET_LEVERAGE, body=body)) == (200, code)
