"""The tables of limits: complete, named as ccxt names things, and no lighter than what the stand-ins charge."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ccxt.async_support.binance import binance
from ccxt.async_support.bybit import bybit
from ccxt.async_support.hyperliquid import hyperliquid
from ccxt.async_support.okx import okx
from ccxt.base.types import Entry

import worker.venues
from worker.sandbox.binance.families import FAMILIES
from worker.sandbox.bybit import endpoints as bybit_endpoints
from worker.sandbox.gate.limits import DOCUMENTED_LIMIT
from worker.sandbox.hyperliquid.info import QUESTIONS
from worker.sandbox.okx import endpoints as okx_endpoints
from worker.venues.binance.limits import FUTURES, PAPI, SAPI
from worker.venues.client.endpoint import implicit_name
from worker.venues.gate.client import BodySigningGate
from worker.venues.gate.limits import ACCOUNT, WALLET_REQUESTS
from worker.venues.hyperliquid.limits import INFO
from worker.venues.hyperliquid.streams.feed import SUBSCRIBED
from worker.venues.lifecycle.registry import METERED, limits_kept
from worker.venues.limits.tables import Penalty, Per, Scope, UnknownLimit, Unmetered, UsageReading, VenueLimits
from worker.venues.port.response import VenueResponse

CLASSES: Mapping[str, type] = {
    "binance": binance,
    "bybit": bybit,
    "gate": BodySigningGate,
    "hyperliquid": hyperliquid,
    "okx": okx,
}
each_venue = pytest.mark.parametrize("exchange", METERED)


def entry(exchange: str, name: str) -> Any:
    """What ccxt knows of an endpoint; its instances hide some of that behind functions of their own."""
    found = (vars(kind).get(name) for kind in CLASSES[exchange].__mro__)
    return next((one for one in found if isinstance(one, Entry)), None)


def texts(exchange: str) -> Iterator[str]:
    """Every text in the code of a venue but its table of limits."""
    folder = Path(next(iter(worker.venues.__path__))) / exchange
    for module in folder.glob("*.py"):
        if module.name != "limits.py":
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def weight_of(exchange: str, name: str, params: Mapping[str, Any] | None = None) -> int:
    """What it weighs in the first of its scopes."""
    return METERED[exchange].cost(name, params or {}).weights[0][1]


@each_venue
def test_every_endpoint_that_the_adapter_names_has_its_cost(exchange: str) -> None:
    named = {text for text in texts(exchange) if entry(exchange, text)}
    metered = {name.partition(" ")[0] for name in METERED[exchange].costs}
    assert named <= metered
    assert named or exchange == "hyperliquid"


def test_every_question_that_the_hyperliquid_adapter_asks_has_its_weight() -> None:
    asked = set(QUESTIONS) & set(texts("hyperliquid")) - set(SUBSCRIBED)  # streams weigh nothing
    assert asked > {"clearinghouseState", "userFunding"}
    for kind in asked:
        assert METERED["hyperliquid"].cost(INFO, {"type": kind})


@each_venue
def test_every_cost_is_of_an_endpoint_that_ccxt_has_under_this_name(exchange: str) -> None:
    for name in {name.partition(" ")[0] for name in METERED[exchange].costs}:
        found = entry(exchange, name)
        assert found, name
        api = found.api if isinstance(found.api, str) else tuple(found.api)
        assert implicit_name(found.path, api, found.method) == name


@each_venue
def test_what_is_in_no_table_is_named(exchange: str) -> None:
    with pytest.raises(Unmetered, match="privateGetNothing is in no table"):
        METERED[exchange].cost("privateGetNothing", {})


@each_venue
def test_scopes_have_names_of_their_own(exchange: str) -> None:
    scopes = METERED[exchange].scopes
    assert len({scope.name for scope in scopes}) == len(scopes)


def limits_by_name(venue: VenueLimits, per: Per) -> dict[str, int]:
    return {scope.name: scope.limit for scope in venue.scopes if scope.per is per}


def test_binance_weighs_as_the_stand_in_does_or_more() -> None:
    served = {
        (row.method, row.path): row.weight_of_all or row.weight for family in FAMILIES for row in family.endpoints
    }
    for name in (name for name in METERED["binance"].costs if " " not in name):
        found, family = entry("binance", name), name[:4]
        version = next((number for number in ("v2", "v3") if number.upper() in name), "v1")
        assert weight_of("binance", name) >= served[found.method, f"/{family}/{version}/{found.path}"], name
    counted = {family.name: family.limit for family in FAMILIES if family.counts_with is None}
    assert counted == {"fapi": FUTURES.limit, "papi": PAPI.limit, "sapi": SAPI.limit}


def test_binance_counts_usds_and_coin_together() -> None:
    scopes = {
        weight[0]
        for name, cost in METERED["binance"].costs.items()
        if name[:4] in ("fapi", "dapi")
        for weight in cost.weights
    }
    assert scopes == {FUTURES}


def test_binance_weighs_the_brackets_of_one_coin_margined_symbol_less() -> None:
    name = "dapiPrivateV2GetLeverageBracket"
    assert [weight_of("binance", name, params) for params in ({}, {"symbol": "BTCUSD_PERP"})] == [2, 1]


def test_bybits_limits_are_those_of_the_stand_in() -> None:
    signed = (row for row in bybit_endpoints.ENDPOINTS if isinstance(row, bybit_endpoints.BybitSignedEndpoint))
    served = {implicit_name(row.path.lstrip("/"), "private", row.method): row.limit for row in signed}
    assert limits_by_name(METERED["bybit"], Per.USER) == served
    assert limits_by_name(METERED["bybit"], Per.ADDRESS) == {"requests by address": 600}


def test_gates_limits_are_those_of_the_stand_in() -> None:
    limits = {scope.name: scope.limit for scope in METERED["gate"].scopes}
    assert {limit for name, limit in limits.items() if name not in ACCOUNT} == {DOCUMENTED_LIMIT}
    assert {limits[name] for name in ACCOUNT} == {WALLET_REQUESTS}


def test_okxs_limits_are_those_of_the_stand_in() -> None:
    access = {okx_endpoints.OkxPublicEndpoint: "public", okx_endpoints.OkxSignedEndpoint: "private"}
    served = {
        implicit_name(row.path.removeprefix("/api/v5/"), access[type(row)], row.method): row.limit
        for row in okx_endpoints.ENDPOINTS
    }
    ours = {scope.name: scope.limit for scope in METERED["okx"].scopes}
    assert ours == {name: served[name] for name in ours}


def test_hyperliquids_lists_are_settled_no_lighter_than_the_stand_in_charges(subtests: pytest.Subtests) -> None:
    for rows in [0, 1, 19, 20, 21, 500]:
        for kind in ["userFunding", "userFillsByTime"]:
            with subtests.test(kind=kind, rows=rows):
                cost = METERED["hyperliquid"].cost(INFO, {"type": kind})
                answer: list[dict[str, Any]] = [{}] * rows
                assert cost.settled
                assert QUESTIONS[kind].weight_of(answer) <= cost.settled(answer) <= cost.weights[0][1]


def test_hyperliquids_questions_weigh_as_the_stand_in_says(subtests: pytest.Subtests) -> None:
    for kind in ["clearinghouseState", "activeAssetData", "exchangeStatus", "meta", "spotMeta"]:
        with subtests.test(kind=kind):
            assert weight_of("hyperliquid", INFO, {"type": kind}) == QUESTIONS[kind].weight


def told(status: int = 200, body: Any = None, text: str = "", **headers: object) -> VenueResponse:
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return VenueResponse("/path", status, named, text, body)


LATER = {"retCode": 10006, "time": 1_000}
NO_ACTIONS = {"status": "err", "response": "Too many cumulative requests sent"}
EXCHANGE_INFO = {
    "rateLimits": [
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000},
    ]
}
OVER = {"code": -1003, "msg": "Too many requests; current limit is 30 requests per minute. Please use the websocket."}
OVER_AT_AN_ADDRESS = {
    "code": -1003,
    "msg": "Too many requests; current limit of IP(192.0.2.7) is 2400 requests per minute. Please use the websocket.",
}
BANNED = {"code": -1003, "msg": "Way too many requests; IP banned until 1700000000000."}


NOTHING_TOLD = UsageReading(None, None, Per.ADDRESS, of_everybody=True)
READINGS: list[tuple[str, VenueResponse, UsageReading | None]] = [
    ("binance", told(X_MBX_USED_WEIGHT_1M=77), NOTHING_TOLD._replace(used=77)),
    ("binance", told(body=EXCHANGE_INFO, X_MBX_USED_WEIGHT_1M=7), NOTHING_TOLD._replace(used=7, limit=6_000)),
    ("binance", told(body={"rateLimits": [{}]}), NOTHING_TOLD),
    ("binance", told(429, OVER, X_MBX_USED_WEIGHT_1M=31), UsageReading(31, 30, Per.ADDRESS)),
    ("binance", told(429, OVER_AT_AN_ADDRESS), UsageReading(None, 2_400, Per.ADDRESS)),
    ("binance", told(418, BANNED), NOTHING_TOLD),
    ("binance", told(429, {"code": -1003, "msg": "Too many requests queued."}), NOTHING_TOLD),
    ("bybit", told(X_Bapi_Limit=50, X_Bapi_Limit_Status=48), UsageReading(2, 50, Per.USER)),
    ("bybit", told(X_Bapi_Limit=50), UsageReading(None, 50, Per.USER)),
    ("bybit", told(), None),
    ("gate", told(X_Gate_RateLimit_Limit=200, X_Gate_RateLimit_Requests_Remain=0), UsageReading(200, 200)),
    ("gate", told(), None),
    ("okx", told(X_Bapi_Limit=50), None),
    ("hyperliquid", told(), None),
]  # fmt: skip


def test_what_answers_tell_of_limits_is_read(subtests: pytest.Subtests) -> None:
    for exchange, answer, reading in READINGS:
        with subtests.test(exchange=exchange, answer=answer):
            assert METERED[exchange].reading(answer) == reading


PENALTIES: list[tuple[str, VenueResponse, Penalty | None]] = [
    ("binance", told(200), None),
    ("binance", told(400, {"code": -1121}), None),
    ("binance", told(503, {"code": -1008}), None),
    ("binance", told(429, {"code": -1003}, Retry_After=30), Penalty(30_000, Per.ADDRESS)),
    ("binance", told(429), Penalty(None, Per.ADDRESS)),
    ("binance", told(400, {"code": -1003}), Penalty(None, Per.ADDRESS)),
    ("binance", told(403), Penalty(None, Per.ADDRESS)),
    ("binance", told(418, {"code": -1003}, Retry_After=600), Penalty(600_000, ban=True)),
    ("binance", told(418), Penalty(120_000, ban=True)),
    ("bybit", told(403), Penalty(600_000, ban=True)),
    ("bybit", told(200, {"retCode": 10018}), Penalty(None, Per.ADDRESS)),
    ("bybit", told(200, LATER, X_Bapi_Limit_Reset_Timestamp=1_400), Penalty(400, Per.USER)),
    ("bybit", told(200, {"retCode": 10006}), Penalty(None, Per.USER)),
    ("bybit", told(200, {"retCode": 10429}), Penalty(None, Per.USER)),
    ("bybit", told(429), Penalty(None, Per.USER)),
    ("bybit", told(200, {"retCode": 110043}), None),
    ("gate", told(429), Penalty(None)),
    ("gate", told(400, {"label": "TOO_FAST"}), Penalty(None)),
    ("gate", told(429, {"label": "TOO_MANY_REQUESTS"}, X_Gate_RateLimit_Reset_Timestamp=1), Penalty(None)),
    ("gate", told(400, {"label": "NO_CHANGE"}), None),
    ("okx", told(429, {"code": "50011", "data": []}), Penalty(2_000)),
    ("okx", told(200, {"code": "50061", "data": []}), Penalty(2_000)),
    ("okx", told(429), Penalty(2_000)),
    ("okx", told(200, {"code": "59000", "data": []}), None),
    ("hyperliquid", told(429), Penalty(None, Per.ADDRESS)),
    ("hyperliquid", told(429, Retry_After=4), Penalty(4_000, Per.ADDRESS)),
    ("hyperliquid", told(200, NO_ACTIONS), Penalty(10_000, Per.USER)),
    ("hyperliquid", told(200, {"status": "err", "response": "Invalid nonce"}), None),
]  # fmt: skip


def test_what_closes_a_limit_and_for_how_long(subtests: pytest.Subtests) -> None:
    for exchange, answer, penalty in PENALTIES:
        with subtests.test(exchange=exchange, answer=answer):
            assert METERED[exchange].penalty(answer) == penalty


def test_a_bybit_ban_closes_what_all_requests_need() -> None:
    venue = METERED["bybit"]
    assert all(venue.banned[0] in dict(cost.weights) for cost in venue.costs.values())


def test_a_binance_ban_closes_all_families() -> None:
    by_address: set[Scope] = {scope for scope in METERED["binance"].scopes if scope.per is Per.ADDRESS}
    assert set(METERED["binance"].banned) == by_address


@pytest.mark.parametrize(
    ("granted", "problem"),
    [
        ({"binance": {"spot weight": 1}}, "binance has no limit 'spot weight', only auto-collections, futures weight"),
        ({"kraken": {"weight": 1}}, "no limits are known of kraken, only of binance, bybit"),
    ],
)
def test_a_granted_limit_that_no_venue_has_is_refused(granted: dict[str, dict[str, int]], problem: str) -> None:
    with pytest.raises(UnknownLimit, match=problem):
        limits_kept(1.0, granted)


LISTEN_KEY = "ListenKey"
"""It opens a stream, and changes nothing of the account: whoever only follows one has no door to go through."""


def test_every_endpoint_that_changes_something_is_guarded() -> None:
    for exchange, table in METERED.items():
        for name, cost in table.costs.items():
            sends = re.search(r"Post|Put|Delete|Patch", name) is not None and not name.startswith(INFO)
            sends = sends and not name.endswith(LISTEN_KEY)
            assert cost.changes is sends, f"{exchange}: {name}"


def test_what_confirms_a_change_is_metered_and_changes_nothing() -> None:
    for table in METERED.values():
        for cost in table.costs.values():
            assert not any(table.costs[read].changes for read in cost.confirmed_by)
            assert cost.changes or not cost.confirmed_by
