"""What ccxt does with Binance that this code is built around. A failure here after an upgrade: read the code again.

Each promise is about the version that is pinned; most are faults, and none of them is wanted.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest
from ccxt.async_support.binance import binance

from tests.support.scripted_venue import Answering, ScriptedVenue, answers, hangs_up_half_way
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import rebase

HTML = b"<html>We will be back soon.</html>"
LINEAR, INVERSE, DELIVERY = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT:USDT-301227"
COMMON: dict[str, Any] = {
    "baseAsset": "BTC",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "status": "TRADING",
    "contractStatus": "TRADING",
    "filters": [],
    "orderTypes": [],
    "timeInForce": [],
    "deliveryDate": 4133404800000,
    "onboardDate": 1569398400000,
    "contractSize": 100,
}
USDT = COMMON | {"pair": "BTCUSDT", "quoteAsset": "USDT", "marginAsset": "USDT", "underlyingType": "COIN"}
MARKETS = {
    "/fapi/v1/exchangeInfo": {
        "symbols": [
            USDT | {"symbol": "BTCUSDT", "contractType": "PERPETUAL"},
            USDT | {"symbol": "BTCUSDT_301227", "contractType": "CURRENT_QUARTER", "deliveryDate": 1924588800000},
        ]
    },
    "/dapi/v1/exchangeInfo": {
        "symbols": [
            COMMON
            | {
                "symbol": "BTCUSD_PERP",
                "pair": "BTCUSD",
                "contractType": "PERPETUAL",
                "quoteAsset": "USD",
                "marginAsset": "BTC",
            }
        ]
    },
}
POSITION = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "0.05",
    "entryPrice": "98000",
    "markPrice": "98505",
    "unRealizedProfit": "25.25",
    "liquidationPrice": "88200",
    "isolatedMargin": "0",
    "isolatedWallet": "0",
    "notional": "4925.25",
    "marginAsset": "USDT",
    "initialMargin": "492.525",
    "maintMargin": "19.7",
    "positionInitialMargin": "492.525",
    "updateTime": 1706745600000,
}


class Bench:
    """ccxt's binance, pointed at a scripted venue."""

    def __init__(self, venue: ScriptedVenue, connections: VenueConnections) -> None:
        self.venue = venue
        self.exchange: Any = binance(
            {
                "apiKey": "the-key",
                "secret": "the-secret",
                "session": connections.session,
                "ssl_context": connections.tls,
                "enableRateLimit": False,
                "options": {
                    "defaultType": "swap",
                    "fetchMarkets": {"types": ["linear", "inverse"]},
                    "fetchCurrencies": False,
                    "leverageBrackets": {},
                },
            }
        )
        self.exchange.has["fetchCurrencies"] = False
        self.exchange.urls["api"] = rebase(self.exchange.urls["api"], venue.url)

    def on(self, path: str, *answering: Answering) -> None:
        self.venue.on(path, *answering)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.venue.asked if not asked.path.endswith("exchangeInfo")]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        for path, body in MARKETS.items():
            venue.on(path, answers(body))
        bench = Bench(venue, connections)
        yield bench
        bench.exchange.session = None  # it is shared; ccxt's own close() would sleep


def raised(code: int, family: str, status: int = 400, body: str | None = None) -> type[Exception]:
    """What ccxt makes of an error answer of Binance's own hosts."""
    text = json.dumps({"code": code, "msg": "What the venue says."}) if body is None else body
    parsed = json.loads(text) if body is None else None
    url = f"https://{family}.binance.com/{family}/v1/leverage"
    exchange = binance()
    try:
        exchange.handle_errors(status, "Bad", url, "POST", {}, text, parsed, {}, "")
        exchange.handle_http_status_code(status, "Bad", url, "POST", text)
    except ccxt.BaseError as error:
        return type(error)
    raise AssertionError("no error at all")


def test_the_version_is_the_one_these_facts_are_about() -> None:
    assert ccxt.__version__ == "4.5.90"


@pytest.mark.parametrize("body", [HTML, b""])
async def test_a_200_without_json_passes_for_success(bench: Bench, body: bytes) -> None:
    bench.on("/fapi/v1/leverage", answers(body))
    assert await bench.exchange.set_leverage(10, LINEAR) == body.decode()


@pytest.mark.parametrize("body", [HTML, b"", {}])
async def test_a_200_without_a_list_passes_for_no_positions(bench: Bench, body: Any) -> None:
    bench.on("/fapi/v3/positionRisk", answers(body))
    assert await bench.exchange.fetch_positions() == []


async def test_positions_of_an_inverse_symbol_are_looked_for_among_the_linear_ones(bench: Bench) -> None:
    bench.on("/fapi/v3/positionRisk", answers([POSITION]))
    assert await bench.exchange.fetch_positions([INVERSE]) == []
    assert bench.paths() == ["/fapi/v3/positionRisk"]


async def test_positions_come_without_their_leverage(bench: Bench) -> None:
    bench.on("/fapi/v3/positionRisk", answers([POSITION]))
    (position,) = await bench.exchange.fetch_positions([LINEAR])
    assert position["leverage"] is None


async def test_a_symbol_is_not_sent_with_a_query_for_its_positions(bench: Bench) -> None:
    bench.on("/fapi/v3/positionRisk", answers([POSITION]))
    await bench.exchange.fetch_positions([LINEAR])
    assert "symbol" not in bench.venue.asked_for("/fapi/v3/positionRisk")[0].params


async def test_a_fraction_of_a_leverage_is_sent(bench: Bench) -> None:
    bench.on("/fapi/v1/leverage", answers({"leverage": 10}))
    await bench.exchange.set_leverage(10.5, LINEAR)
    assert bench.venue.asked_for("/fapi/v1/leverage")[0].params["leverage"] == "10.5"


async def test_the_range_of_leverages_is_the_same_for_every_market(bench: Bench) -> None:
    with pytest.raises(ccxt.BadRequest):
        await bench.exchange.set_leverage(126, LINEAR)
    assert bench.paths() == []


async def test_a_portfolio_margin_account_switches_the_margin_mode_of_the_wrong_family(bench: Bench) -> None:
    bench.on("/fapi/v1/marginType", answers({"code": 200, "msg": "success"}))
    bench.exchange.options["portfolioMargin"] = True
    await bench.exchange.set_margin_mode("isolated", LINEAR)
    assert bench.paths() == ["/fapi/v1/marginType"]


async def test_funding_of_a_delivery_is_refused_without_a_call(bench: Bench) -> None:
    with pytest.raises(ccxt.NotSupported):
        await bench.exchange.fetch_funding_history(DELIVERY)
    assert bench.paths() == []


async def test_the_ledger_loses_the_sign_of_an_entry(bench: Bench) -> None:
    row = {"tranId": 1, "income": "-0.15", "asset": "USDT", "time": 1, "incomeType": "FUNDING_FEE", "symbol": "BTCUSDT"}
    bench.on("/fapi/v1/income", answers([row]))
    (entry,) = await bench.exchange.fetch_ledger()
    assert entry["amount"] == 0.15


@pytest.mark.parametrize("code", [-2019, -2028, -1109, -4202])
async def test_another_base_url_loses_the_tables_of_errors(bench: Bench, code: int) -> None:
    bench.on("/fapi/v1/leverage", answers({"code": code, "msg": "What the venue says."}, 400))
    with pytest.raises(ccxt.ExchangeError) as caught:
        await bench.exchange.set_leverage(10, LINEAR)
    assert type(caught.value) is ccxt.ExchangeError


@pytest.mark.parametrize(
    ("code", "on_fapi", "on_papi"),
    [
        (-1021, ccxt.InvalidNonce, ccxt.BadRequest),
        (-1022, ccxt.AuthenticationError, ccxt.BadRequest),
        (-1007, ccxt.RequestTimeout, ccxt.BadResponse),
        (-2019, ccxt.InsufficientFunds, ccxt.OperationFailed),
        (-1016, ccxt.BadRequest, ccxt.NotSupported),
        (-4161, ccxt.ExchangeError, ccxt.OperationRejected),
    ],
)
def test_a_code_is_of_another_class_in_another_family(
    code: int, on_fapi: type[Exception], on_papi: type[Exception]
) -> None:
    assert (raised(code, "fapi"), raised(code, "papi")) == (on_fapi, on_papi)


@pytest.mark.parametrize("status", [418, 429])
def test_a_used_up_limit_passes_for_an_attack(status: int) -> None:
    assert raised(-1003, "fapi", status) is ccxt.DDoSProtection


def test_a_refusal_without_json_passes_for_an_unreachable_venue() -> None:
    assert raised(0, "fapi", 400, "<html>") is ccxt.ExchangeNotAvailable


def test_a_used_up_limit_and_a_skewed_clock_pass_for_network_errors() -> None:
    assert issubclass(ccxt.RateLimitExceeded, ccxt.NetworkError)
    assert issubclass(ccxt.InvalidNonce, ccxt.NetworkError)


def test_a_revoked_key_passes_for_an_attack_once_a_call_has_succeeded() -> None:
    exchange = binance()
    exchange.options["hasAlreadyAuthenticatedSuccessfully"] = True
    body = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    with pytest.raises(ccxt.DDoSProtection):
        exchange.handle_errors(401, "Bad", "https://fapi.binance.com/", "GET", {}, json.dumps(body), body, {}, "")


async def test_nothing_to_change_is_told_apart_by_its_message(bench: Bench) -> None:
    bench.on("/fapi/v1/marginType", answers({"code": -4046, "msg": "No need to change margin type."}, 400))
    with pytest.raises(ccxt.MarginModeAlreadySet):
        await bench.exchange.set_margin_mode("cross", LINEAR)


async def test_a_truncated_answer_passes_for_a_refusal(bench: Bench) -> None:
    bench.on("/fapi/v1/leverage", hangs_up_half_way)
    with pytest.raises(ccxt.ExchangeError) as caught:
        await bench.exchange.set_leverage(10, LINEAR)
    assert not isinstance(caught.value, ccxt.OperationFailed)


async def test_a_post_is_repeated_where_retries_are_on(bench: Bench) -> None:
    bench.exchange.options["maxRetriesOnFailure"] = 1
    bench.on("/papi/v1/auto-collection", answers(HTML, 502), answers({"msg": "success"}))
    assert await bench.exchange.papiPostAutoCollection() == {"msg": "success"}
    assert bench.paths() == ["/papi/v1/auto-collection"] * 2


async def test_log_lines_and_errors_tell_secrets(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("ccxt")
    was = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        bench.on("/fapi/v1/income", answers(HTML, 502))
        with caplog.at_level(logging.DEBUG), pytest.raises(ccxt.ExchangeNotAvailable, match="signature="):
            await bench.exchange.fapiPrivateGetIncome()
    finally:
        logger.setLevel(was)
    assert "the-key" in caplog.text


async def test_the_time_a_question_takes_is_counted_into_the_clock(bench: Bench) -> None:
    async def late(request: Any) -> Any:
        server_time = bench.exchange.milliseconds()
        await asyncio.sleep(0.2)
        return await answers({"serverTime": server_time})(request)

    bench.on("/fapi/v1/time", late)
    assert await bench.exchange.load_time_difference() >= 200


async def test_restricted_loading_asks_for_two_lists_of_markets(bench: Bench) -> None:
    assert set(await bench.exchange.load_markets()) == {LINEAR, INVERSE, DELIVERY}
    assert {asked.path for asked in bench.venue.asked} == set(MARKETS)


async def test_a_collection_holds_up_the_next_call_of_its_instance_for_7500_ms(bench: Bench) -> None:
    waits: list[float] = []

    async def throttle(cost: float) -> None:
        waits.append(cost * bench.exchange.rateLimit)

    assert binance.enableRateLimit is True
    bench.exchange.enableRateLimit, bench.exchange.throttle = True, throttle
    bench.on("/papi/v1/auto-collection", answers({"msg": "success"}))
    await bench.exchange.papiPostAutoCollection()
    assert waits == [7_500]
