"""The stand-in for Binance believes only what is signed, and refuses what Binance refuses, with its codes."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from worker.accounts.account import Account
from worker.sandbox.binance.auth import signature_of
from worker.sandbox.binance.venue import Binance
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.venue import ControlRefused

PERP, HEDGE, PM = "binance-perp-001", "binance-hedge-001", "binance-pm-001"
LEVERAGE, MARGIN_TYPE = "/fapi/v1/leverage", "/fapi/v1/marginType"


@pytest.fixture
def binance() -> Binance:
    return Binance()


def account_of(binance: Binance, account: str) -> Account:
    return next(known for known in binance.accounts("http://127.0.0.1") if known.id == account)


def send(
    binance: Binance, account: str, method: str, path: str, *, query: str = "", body: str = "", key: str | None = None
) -> HttpResponse:
    """Send a request as it stands."""
    headers = {"X-MBX-APIKEY": account_of(binance, account).reveal("api_key") if key is None else key}
    return binance.answer(Received(method, path, query, body, headers, "127.0.0.1"))


def signed(binance: Binance, account: str, **parameters: object) -> str:
    parameters.setdefault("timestamp", binance.clock.now())
    query = urlencode(parameters)
    signature = signature_of(account_of(binance, account).reveal("secret"), query, "")
    return f"{query}&signature={signature}"


def ask(binance: Binance, account: str, method: str, path: str, **parameters: object) -> Any:
    """Send a signed request and read its answer."""
    return json.loads(send(binance, account, method, path, query=signed(binance, account, **parameters)).body)


def code(binance: Binance, account: str, method: str, path: str, **parameters: object) -> int:
    answer: int = ask(binance, account, method, path, **parameters)["code"]
    return answer


# Who is believed


def test_a_request_may_be_signed_in_the_query_in_the_body_or_across_both(binance: Binance) -> None:
    secret = account_of(binance, PERP).reveal("secret")
    query, body = "symbol=BTCUSDT&leverage=10", f"timestamp={binance.clock.now()}"
    signature = signature_of(secret, query, body)
    across = send(binance, PERP, "POST", LEVERAGE, query=query, body=f"{body}&signature={signature}")
    in_body = send(binance, PERP, "POST", LEVERAGE, body=signed(binance, PERP, symbol="BTCUSDT", leverage=11))
    in_query = send(binance, PERP, "POST", LEVERAGE, query=signed(binance, PERP, symbol="BTCUSDT", leverage=12))
    assert [json.loads(answer.body)["leverage"] for answer in (across, in_body, in_query)] == [10, 11, 12]


@pytest.mark.parametrize(("key", "expected"), [("", -2014), ("short", -2014), ("A" * 64, -2015)])
def test_an_unknown_key_is_refused_with_401(binance: Binance, key: str, expected: int) -> None:
    answer = send(binance, PERP, "GET", "/fapi/v3/positionRisk", query=signed(binance, PERP), key=key)
    assert (answer.status, json.loads(answer.body)["code"]) == (401, expected)


def test_a_signature_over_anything_else_is_refused(binance: Binance) -> None:
    query = signed(binance, PERP, symbol="BTCUSDT", leverage=10).replace("leverage=10", "leverage=11")
    answer = send(binance, PERP, "POST", LEVERAGE, query=query)
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"code": -1022, "msg": "Signature for this request is not valid."},
    )


@pytest.mark.parametrize("missing", ["timestamp", "signature"])
def test_a_request_without_timestamp_or_signature_is_refused(binance: Binance, missing: str) -> None:
    pairs = signed(binance, PERP).split("&")
    query = "&".join(pair for pair in pairs if not pair.startswith(missing))
    refused = json.loads(send(binance, PERP, "GET", "/fapi/v3/positionRisk", query=query).body)
    assert refused["code"] == -1102
    assert f"'{missing}'" in refused["msg"]


@pytest.mark.parametrize(
    ("age", "window", "accepted"),
    [(4_000, 5_000, True), (6_000, 5_000, False), (6_000, 60_000, True), (-500, 5_000, True), (-2_000, 60_000, False)],
)
def test_a_timestamp_must_lie_within_the_window_and_not_a_second_ahead(
    binance: Binance, age: int, window: int, accepted: bool
) -> None:
    timestamp = binance.clock.now() - age
    answer = ask(binance, PERP, "GET", "/fapi/v1/positionSide/dual", timestamp=timestamp, recvWindow=window)
    assert answer.get("code") == (None if accepted else -1021)


def test_a_skewed_venue_clock_refuses_honest_timestamps(binance: Binance) -> None:
    honest = binance.clock.now()
    binance.clock.offset = 10_000
    assert code(binance, PERP, "GET", "/fapi/v3/positionRisk", timestamp=honest) == -1021


@pytest.mark.parametrize(
    ("account", "path"), [(PM, "/fapi/v3/positionRisk"), (PM, "/dapi/v1/positionRisk"), (PERP, "/papi/v1/balance")]
)
def test_portfolio_margin_accounts_and_others_keep_to_their_own_family(
    binance: Binance, account: str, path: str
) -> None:
    assert code(binance, account, "GET", path) == -2015


def test_a_parameter_given_twice_is_refused(binance: Binance) -> None:
    query = f"symbol=BTCUSDT&{signed(binance, PERP, symbol='ETHUSDT', leverage=5)}"
    assert json.loads(send(binance, PERP, "POST", LEVERAGE, query=query).body)["code"] == -1101


@pytest.mark.parametrize(("method", "path"), [("POST", "/papi/v1/um/marginType"), ("GET", "/fapi/v9/time")])
def test_an_unknown_path_is_not_found(binance: Binance, method: str, path: str) -> None:
    answer = send(binance, PM, method, path)
    assert (answer.status, json.loads(answer.body)["code"]) == (404, -5000)


# What is weighed


def test_answers_and_refusals_tell_the_weight_used_where_usds_and_coin_count_together(binance: Binance) -> None:
    first = send(binance, PERP, "GET", "/fapi/v3/positionRisk", query=signed(binance, PERP))
    refused = send(binance, PERP, "GET", "/fapi/v1/income", query="")
    coin = send(binance, PERP, "GET", "/dapi/v1/time")
    portfolio = send(binance, PM, "GET", "/papi/v1/ping")
    used = [answer.headers["X-MBX-USED-WEIGHT-1M"] for answer in (first, refused, coin, portfolio)]
    assert used == ["5", "35", "36", "1"]


def test_over_the_limit_it_is_429_with_retry_after_and_then_418(binance: Binance) -> None:
    binance.set_limits({"papi": 700})
    answers = [send(binance, PM, "POST", "/papi/v1/auto-collection", query=signed(binance, PM)) for _ in range(12)]
    assert {answer.status for answer in answers[:10]} == {429}
    assert 0 < int(answers[0].headers["Retry-After"]) <= MINUTE // 1000
    assert json.loads(answers[0].body)["code"] == -1003
    assert (answers[-1].status, "IP banned until" in json.loads(answers[-1].body)["msg"]) == (418, True)


def test_a_throttled_collection_moves_nothing(binance: Binance) -> None:
    binance.set_limits({"papi": 700})
    send(binance, PM, "POST", "/papi/v1/auto-collection", query=signed(binance, PM))
    assert ask(binance, PM, "GET", "/papi/v1/balance", asset="USDT")["code"] == -1003
    binance.set_limits({"papi": 100_000})
    assert ask(binance, PM, "GET", "/papi/v1/balance", asset="USDT")["umWalletBalance"] == "2500.00"


# What may be set


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"leverage": 10}, -1102),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "", "leverage": 10}, -1102),
        ({"symbol": "BTCUSDT", "leverage": "10.5"}, -1102),
        ({"symbol": "BTCUSDT", "leverage": "ten"}, -1102),
        ({"symbol": "NOPEUSDT", "leverage": 10}, -1121),
        ({"symbol": "BTCUSD_PERP", "leverage": 10}, -1121),
        ({"symbol": "BTCUSDT", "leverage": 0}, -4028),
        ({"symbol": "BTCUSDT", "leverage": -1}, -4028),
        ({"symbol": "BTCUSDT", "leverage": 126}, -4028),
        ({"symbol": "SOLUSDT", "leverage": 76}, -4028),
    ],
)
def test_impossible_leverage_is_refused_and_changes_nothing(
    binance: Binance, parameters: dict[str, object], expected: int
) -> None:
    before = ask(binance, PERP, "GET", "/fapi/v1/symbolConfig")
    assert code(binance, PERP, "POST", LEVERAGE, **parameters) == expected
    assert ask(binance, PERP, "GET", "/fapi/v1/symbolConfig") == before


def test_leverage_is_echoed_kept_and_idempotent(binance: Binance) -> None:
    expected = {"leverage": 20, "maxNotionalValue": "100000000", "symbol": "BTCUSDT"}
    for _ in range(2):
        assert ask(binance, PERP, "POST", LEVERAGE, symbol="BTCUSDT", leverage=20) == expected
    [terms] = ask(binance, PERP, "GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT")
    assert (terms["leverage"], terms["marginType"]) == (20, "CROSSED")


def test_coin_margined_leverage_names_a_quantity(binance: Binance) -> None:
    echo = ask(binance, PERP, "POST", "/dapi/v1/leverage", symbol="BTCUSD_PERP", leverage=50)
    assert echo == {"leverage": 50, "maxQty": "20", "symbol": "BTCUSD_PERP"}


def test_leverage_of_an_isolated_position_can_only_grow(binance: Binance) -> None:
    assert code(binance, HEDGE, "POST", LEVERAGE, symbol="ETHUSDT", leverage=9) == -4161
    assert ask(binance, HEDGE, "POST", LEVERAGE, symbol="ETHUSDT", leverage=11)["leverage"] == 11


def test_coin_margined_has_its_own_code_for_that(binance: Binance) -> None:
    isolated = {"BTCUSD_PERP": {"leverage": 10, "margin_type": "ISOLATED"}}
    binance.change_account(HEDGE, {"terms": isolated})
    assert code(binance, HEDGE, "POST", "/dapi/v1/leverage", symbol="BTCUSD_PERP", leverage=5) == -4150


def test_a_position_too_large_for_the_leverage_is_in_the_way(binance: Binance) -> None:
    binance.change_account(PERP, {"positions": [{"symbol": "BTCUSDT", "amount": "10", "entry_price": "98000"}]})
    assert code(binance, PERP, "POST", LEVERAGE, symbol="BTCUSDT", leverage=125) == -2027


@pytest.mark.parametrize(
    ("symbol", "margin_type", "expected"),
    [
        ("ETHUSDT", "ISOLATED", 200),
        ("ETHUSDT", "CROSSED", -4046),
        ("ETHUSDT", "PORTFOLIO", -1130),
        ("ETHUSDT", "", -1102),
        ("BTCUSDT", "ISOLATED", -4048),
        ("BTCUSDT", "CROSSED", -4046),
        ("NOPEUSDT", "ISOLATED", -1121),
    ],
)
def test_the_margin_type_changes_only_where_nothing_is_open(
    binance: Binance, symbol: str, margin_type: str, expected: int
) -> None:
    assert code(binance, PERP, "POST", MARGIN_TYPE, symbol=symbol, marginType=margin_type) == expected


def test_open_orders_are_in_the_way_of_another_margin_type(binance: Binance) -> None:
    binance.change_account(PERP, {"open_orders": {"ETHUSDT": 1}})
    assert code(binance, PERP, "POST", MARGIN_TYPE, symbol="ETHUSDT", marginType="ISOLATED") == -4047
    assert [row["symbol"] for row in ask(binance, PERP, "GET", "/fapi/v3/positionRisk")] == ["BTCUSDT", "ETHUSDT"]


def test_multi_assets_mode_knows_no_isolated_margin(binance: Binance) -> None:
    binance.change_account(PERP, {"multi_assets": True})
    assert code(binance, PERP, "POST", MARGIN_TYPE, symbol="ETHUSDT", marginType="ISOLATED") == -4168
    assert ask(binance, PERP, "GET", "/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": True}


def test_the_position_mode_is_shared_by_both_sides(binance: Binance) -> None:
    path = "positionSide/dual"
    assert code(binance, PERP, "POST", f"/fapi/v1/{path}", dualSidePosition="true") == -4068
    assert code(binance, HEDGE, "POST", f"/dapi/v1/{path}", dualSidePosition="true") == -4059
    binance.open_account({"id": "flat"})
    assert code(binance, "flat", "POST", f"/dapi/v1/{path}", dualSidePosition="true") == 200
    assert ask(binance, "flat", "GET", f"/fapi/v1/{path}") == {"dualSidePosition": True}
    binance.change_account("flat", {"open_orders": {"BTCUSDT": 1}})
    assert code(binance, "flat", "POST", f"/fapi/v1/{path}", dualSidePosition="false") == -4067


# What positions look like


def test_flat_symbols_are_listed_where_binance_lists_them(binance: Binance) -> None:
    def symbols(path: str, **parameters: object) -> set[str]:
        return {row["symbol"] for row in ask(binance, PERP, "GET", path, **parameters)}

    assert symbols("/fapi/v3/positionRisk") == {"BTCUSDT"}
    assert {"BTCUSDT", "ETHUSDT"} < symbols("/fapi/v2/positionRisk")
    assert {"BTCUSD_PERP", "ETHUSD_PERP"} < symbols("/dapi/v1/positionRisk")
    assert symbols("/dapi/v1/positionRisk", marginAsset="ETH") == {"ETHUSD_PERP"}


def test_coin_margined_contracts_that_do_not_trade_are_listed_only_when_they_are_asked_for(binance: Binance) -> None:
    held = {"symbol": "LTCUSD_PERP", "amount": "3", "entry_price": "100"}
    binance.change_account(PERP, {"positions": [held]})
    everything = ask(binance, PERP, "GET", "/dapi/v1/positionRisk")
    assert "LTCUSD_PERP" not in {row["symbol"] for row in everything}
    [row] = ask(binance, PERP, "GET", "/dapi/v1/positionRisk", pair="LTCUSD")
    assert row["positionAmt"] == "3"
    account = ask(binance, PERP, "GET", "/dapi/v1/account")
    assert "3" in {row["positionAmt"] for row in account["positions"] if row["symbol"] == "LTCUSD_PERP"}


def test_what_a_contract_is_its_type_says_and_not_its_date(binance: Binance) -> None:
    answer = send(binance, PERP, "GET", "/fapi/v1/exchangeInfo")
    listed = {row["symbol"]: row for row in json.loads(answer.body)["symbols"]}
    assert listed["TSLAUSDT"]["contractType"] == listed["XAUUSDT"]["contractType"] == "TRADIFI_PERPETUAL"
    assert listed["TSLAUSDT"]["deliveryDate"] < listed["XAUUSDT"]["deliveryDate"]
    assert (listed["ETHBTC"]["quoteAsset"], listed["ETHBTC"]["marginAsset"]) == ("BTC", "BTC")


def test_a_tradfi_contract_wants_its_agreement(binance: Binance) -> None:
    binance.change_account(PERP, {"tradfi_agreed": False})
    assert code(binance, PERP, "POST", LEVERAGE, symbol="XAUUSDT", leverage=5) == -4411
    assert code(binance, PERP, "POST", "/fapi/v1/stock/contract") == 200
    assert ask(binance, PERP, "POST", LEVERAGE, symbol="XAUUSDT", leverage=5)["leverage"] == 5


def test_a_contract_that_does_not_trade_takes_no_leverage(binance: Binance) -> None:
    assert code(binance, PERP, "POST", "/dapi/v1/leverage", symbol="LTCUSD_PERP", leverage=5) == -4108


def test_brackets_are_an_accounts_own_and_may_be_raised(binance: Binance) -> None:
    binance.change_account(PERP, {"max_leverage": {"SOLUSDT": 100}})
    assert (
        ask(binance, PERP, "GET", "/fapi/v1/leverageBracket", symbol="SOLUSDT")["brackets"][0]["initialLeverage"] == 100
    )
    assert ask(binance, PERP, "POST", LEVERAGE, symbol="SOLUSDT", leverage=100)["leverage"] == 100
    assert code(binance, HEDGE, "POST", LEVERAGE, symbol="SOLUSDT", leverage=100) == -4028


def test_income_of_any_type_can_be_added(binance: Binance) -> None:
    added = {"symbol": "BTCUSDT", "type": "NEW_FEE", "amount": "1.5", "asset": "USDT", "tran_id": 5}
    binance.change_account(PERP, {"income": [added, {**added, "coin_margined": True, "asset": "BTC"}]})
    assert ask(binance, PERP, "GET", "/fapi/v1/income", limit=1000)[-1]["incomeType"] == "NEW_FEE"
    assert ask(binance, PERP, "GET", "/dapi/v1/income", limit=1000)[-1]["asset"] == "BTC"


def test_a_pair_and_a_margin_asset_do_not_go_together(binance: Binance) -> None:
    assert code(binance, PERP, "GET", "/dapi/v1/positionRisk", pair="BTCUSD", marginAsset="BTC") == -1128
    assert code(binance, PERP, "GET", "/dapi/v1/positionRisk", pair="NOPE") == -4144


@pytest.mark.parametrize(
    ("path", "sides"),
    [
        ("/fapi/v3/positionRisk", ["LONG", "SHORT"]),
        ("/fapi/v2/positionRisk", ["BOTH", "LONG", "SHORT"]),
    ],
)
def test_hedged_accounts_have_a_row_for_each_side(binance: Binance, path: str, sides: list[str]) -> None:
    rows = ask(binance, HEDGE, "GET", path, symbol="BTCUSDT")
    assert [row["positionSide"] for row in rows] == sides
    assert [row["positionAmt"] for row in rows][-2:] == ["0.100", "-0.040"]
    assert Decimal(rows[-1]["notional"]) < 0


def test_isolated_positions_show_their_margin(binance: Binance) -> None:
    eth = ask(binance, HEDGE, "GET", "/fapi/v2/positionRisk", symbol="ETHUSDT")[1]
    assert (eth["marginType"], eth["isolatedWallet"], eth["isolatedMargin"]) == (
        "isolated",
        "650.00000000",
        "750.00000000",
    )


# Portfolio Margin


def test_the_seeded_portfolio_account_adds_up(binance: Binance) -> None:
    usdt, btc = ask(binance, PM, "GET", "/papi/v1/balance")
    assert (usdt["crossMarginAsset"], usdt["umUnrealizedPNL"], usdt["totalWalletBalance"]) == (
        "10000.00",
        "125.50",
        "12500.00",
    )
    assert (btc["cmWalletBalance"], btc["cmUnrealizedPNL"], btc["totalWalletBalance"]) == ("0.10", "0.005", "0.60")
    assets = {row["asset"]: row for row in ask(binance, PM, "GET", "/papi/v1/um/account")["assets"]}
    assert (assets["USDT"]["initialMargin"], assets["USDT"]["maintMargin"]) == ("1000.00", "200.00")
    assert ask(binance, PM, "GET", "/papi/v1/account")["totalAvailableBalance"] == "11500.00"


def test_an_auto_collection_moves_every_futures_balance_into_margin(binance: Binance) -> None:
    assert ask(binance, PM, "POST", "/papi/v1/auto-collection") == {"msg": "success"}
    usdt, btc = ask(binance, PM, "GET", "/papi/v1/balance")
    assert (usdt["umWalletBalance"], usdt["crossMarginAsset"], usdt["totalWalletBalance"]) == (
        "0",
        "12500.00",
        "12500.00",
    )
    assert (btc["cmWalletBalance"], btc["crossMarginFree"], btc["totalWalletBalance"]) == ("0", "0.55", "0.60")


def test_an_asset_collection_moves_that_asset_only(binance: Binance) -> None:
    assert ask(binance, PM, "POST", "/papi/v1/asset-collection", asset="USDT") == {"msg": "success"}
    usdt, btc = ask(binance, PM, "GET", "/papi/v1/balance")
    assert (usdt["umWalletBalance"], btc["cmWalletBalance"]) == ("0", "0.10")


def test_part_of_an_asset_can_be_collected_from_one_wallet(binance: Binance) -> None:
    part = {"asset": "USDT", "amount": "1000.5", "futureType": "UM"}
    assert ask(binance, PM, "POST", "/papi/v1/asset-collection", **part) == {"msg": "success"}
    assert ask(binance, PM, "GET", "/papi/v1/balance", asset="USDT")["umWalletBalance"] == "1499.50"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, -1102),
        ({"asset": "BNB"}, -1126),
        ({"asset": "NOPE"}, -1108),
        ({"asset": "USDT", "amount": "1"}, -1128),
        ({"asset": "USDT", "amount": "much", "futureType": "UM"}, -1130),
        ({"asset": "USDT", "amount": "-1", "futureType": "UM"}, -1130),
        ({"asset": "USDT", "amount": "1", "futureType": "SPOT"}, -1130),
        ({"asset": "USDT", "amount": "2500.01", "futureType": "UM"}, -2018),
    ],
)
def test_impossible_collections_are_refused_and_move_nothing(
    binance: Binance, parameters: dict[str, object], expected: int
) -> None:
    assert code(binance, PM, "POST", "/papi/v1/asset-collection", **parameters) == expected
    assert ask(binance, PM, "GET", "/papi/v1/balance", asset="USDT")["umWalletBalance"] == "2500.00"


# Accounts on request, and starting over


def test_an_account_can_be_opened_with_a_hundred_positions(binance: Binance) -> None:
    binance.open_account({"id": "many", "open_positions": 100})
    rows = ask(binance, "many", "GET", "/fapi/v3/positionRisk")
    assert len(rows) == len({row["symbol"] for row in rows}) == 100
    assert all(Decimal(row["positionAmt"]) > 0 for row in rows)


@pytest.mark.parametrize(
    "refused",
    [
        lambda binance: binance.open_account({"id": PERP}),
        lambda binance: binance.open_account({"id": "more", "open_positions": 1_000}),
        lambda binance: binance.open_account({"id": "more", "colour": "blue"}),
        lambda binance: binance.change_account("nobody", {}),
        lambda binance: binance.change_account(PERP, {"open_orders": {"NOPE": 1}}),
        lambda binance: binance.change_account(PERP, {"positions": [{"symbol": "BTCUSDT", "amount": "0.0001"}]}),
        lambda binance: binance.change_account(PERP, {"dual_side": True}),
        lambda binance: binance.change_account(PERP, {"status": "FINE"}),
        lambda binance: binance.set_limits({"eapi": 1}),
    ],
)
def test_impossible_control_is_refused(binance: Binance, refused: Callable[[Binance], None]) -> None:
    with pytest.raises(ControlRefused):
        refused(binance)


def test_a_reset_restores_the_seeds_and_keeps_the_keys(binance: Binance) -> None:
    keys = binance.accounts("http://127.0.0.1")
    ask(binance, PERP, "POST", LEVERAGE, symbol="BTCUSDT", leverage=33)
    ask(binance, PM, "POST", "/papi/v1/auto-collection")
    binance.reset()
    assert binance.accounts("http://127.0.0.1") == keys
    assert ask(binance, PERP, "GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT")[0]["leverage"] == 10
    assert ask(binance, PM, "GET", "/papi/v1/balance", asset="USDT")["umWalletBalance"] == "2500.00"


def test_keys_differ_from_start_to_start(binance: Binance) -> None:
    other = Binance()
    assert account_of(binance, PERP).api_key != account_of(other, PERP).api_key
    assert account_of(binance, PERP).secret != account_of(other, PERP).secret
