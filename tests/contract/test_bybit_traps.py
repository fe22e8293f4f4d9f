"""What ccxt does with Bybit that this code is built around. A failure here after an upgrade: read the code again.

Each promise is about the version that is pinned; most are faults, and none of them is wanted.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest
from aiohttp import web
from ccxt.async_support.bybit import bybit

from tests.support.scripted_venue import Answering, ScriptedVenue, answers
from worker.venues.client.connections import VenueConnections

HTML = b"<html>We will be back soon.</html>"
LINEAR, USDC, INVERSE = "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC"
LEVERAGE, POSITIONS, EXECUTIONS = "/v5/position/set-leverage", "/v5/position/list", "/v5/execution/list"
ACCOUNT_MODE, SYMBOL_MODE = "/v5/account/set-margin-mode", "/v5/position/switch-isolated"
PLAIN: dict[str, Any] = {
    "status": "Trading",
    "baseCoin": "BTC",
    "launchTime": "1585526400000",
    "deliveryTime": "0",
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
    "priceFilter": {"minPrice": "0.1", "maxPrice": "1999999.8", "tickSize": "0.1"},
    "lotSizeFilter": {"minOrderQty": "0.001", "maxOrderQty": "100", "qtyStep": "0.001"},
}
INSTRUMENTS = {
    "linear": [
        PLAIN | {"symbol": "BTCUSDT", "contractType": "LinearPerpetual", "quoteCoin": "USDT", "settleCoin": "USDT"},
        PLAIN | {"symbol": "BTCPERP", "contractType": "LinearPerpetual", "quoteCoin": "USDC", "settleCoin": "USDC"},
    ],
    "inverse": [
        PLAIN
        | {"symbol": "BTCUSD", "contractType": "InversePerpetual", "quoteCoin": "USD", "settleCoin": "BTC"}
        | {"lotSizeFilter": {"minOrderQty": "10", "maxOrderQty": "100000", "qtyStep": "1"}},
    ],
}
POSITION: dict[str, Any] = {
    "positionIdx": 0,
    "symbol": "BTCUSDT",
    "side": "Buy",
    "size": "0.05",
    "avgPrice": "98000",
    "positionValue": "4900",
    "tradeMode": 1,
    "leverage": "4.5",
    "markPrice": "98505",
    "liqPrice": "",
    "positionIM": "492.5",
    "positionMM": "24",
    "unrealisedPnl": "0",
    "createdTime": "1706745600000",
    "updatedTime": "1706745600000",
}
PAID = {
    "symbol": "BTCUSDT",
    "execType": "Funding",
    "execFee": "0.15",
    "execTime": "1706745600000",
    "execId": "1",
    "feeRate": "0.0001",
}


def success(result: Any) -> Answering:
    return answers({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1706745600000})


def listing(*rows: dict[str, Any], cursor: str = "") -> Answering:
    return success({"category": "linear", "list": list(rows), "nextPageCursor": cursor})


async def instruments(request: web.Request) -> web.StreamResponse:
    category = request.query["category"]
    rows = [] if "status" in request.query else INSTRUMENTS[category]
    return web.json_response({"retCode": 0, "result": {"category": category, "list": rows, "nextPageCursor": ""}})


class Bench:
    """ccxt's bybit, pointed at a scripted venue; `bodies` holds what was posted."""

    def __init__(self, venue: ScriptedVenue, connections: VenueConnections) -> None:
        self.venue = venue
        self.bodies: list[Any] = []
        self.exchange: Any = bybit(
            {
                "apiKey": "the-key",
                "secret": "the-secret",
                "session": connections.session,
                "ssl_context": connections.tls,
                "enableRateLimit": False,
                "options": {"defaultType": "swap", "fetchMarkets": {"types": ["linear", "inverse"]}},
            }
        )
        self.exchange.has["fetchCurrencies"] = False
        self.exchange.urls["api"] = dict.fromkeys(self.exchange.urls["api"], venue.url)
        venue.on("/v5/market/instruments-info", instruments)

    def on(self, path: str, *answering: Answering) -> None:
        self.venue.on(path, *answering)

    def takes(self, path: str) -> None:
        """Accept what is posted to a path."""

        async def accept(request: web.Request) -> web.StreamResponse:
            self.bodies.append(await request.json())
            return web.json_response({"retCode": 0, "retMsg": "OK", "result": {}, "time": 1})

        self.on(path, accept)

    def unified(self, uta: int) -> None:
        """Make the account a unified or a classic one."""
        self.on("/v5/user/query-api", success({"unified": 0, "uta": uta}))
        self.on("/v5/account/info", success({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 5 if uta else 1}))

    def paths(self) -> list[str]:
        return [asked.path for asked in self.venue.asked if not asked.path.endswith("instruments-info")]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        bench = Bench(venue, connections)
        yield bench
        bench.exchange.session = None  # it is shared; ccxt's own close() would sleep


def raised(code: int | None, status: int = 200, body: str = "") -> type[Exception]:
    """What ccxt makes of an answer."""
    text = body if code is None else json.dumps({"retCode": code, "retMsg": "What the venue says."})
    parsed = None if code is None else json.loads(text)
    exchange = bybit()
    url = f"https://api.bybit.com{LEVERAGE}"
    try:
        exchange.handle_errors(status, "Bad", url, "POST", {}, text, parsed, {}, "")
        exchange.handle_http_status_code(status, "Bad", url, "POST", text)
    except ccxt.BaseError as error:
        return type(error)
    raise AssertionError("no error at all")


@pytest.mark.parametrize("body", [HTML, b""])
async def test_a_200_without_json_passes_for_success(bench: Bench, body: bytes) -> None:
    bench.on(LEVERAGE, answers(body))
    assert await bench.exchange.set_leverage(10, LINEAR) == body.decode()


@pytest.mark.parametrize("body", [HTML, b""])
async def test_a_200_without_json_passes_for_no_positions(bench: Bench, body: bytes) -> None:
    bench.on(POSITIONS, answers(body))
    assert await bench.exchange.fetch_positions() == []


async def test_json_without_a_code_is_noticed(bench: Bench) -> None:
    bench.on(LEVERAGE, answers({}))
    with pytest.raises(ccxt.ExchangeError):
        await bench.exchange.set_leverage(10, LINEAR)


async def test_any_leverage_is_sent(bench: Bench) -> None:
    bench.takes(LEVERAGE)
    await bench.exchange.set_leverage(900, LINEAR)
    assert bench.bodies == [{"symbol": "BTCUSDT", "buyLeverage": "900", "sellLeverage": "900", "category": "linear"}]


async def test_a_change_carries_ccxts_name_as_its_referer(bench: Bench) -> None:
    bench.takes(LEVERAGE)
    await bench.exchange.set_leverage(10, LINEAR)
    assert bench.venue.asked_for(LEVERAGE)[0].headers["Referer"] == "CCXT"


async def test_the_margin_mode_of_a_symbol_flips_the_whole_unified_account(bench: Bench) -> None:
    bench.unified(1)
    bench.takes(ACCOUNT_MODE)
    await bench.exchange.set_margin_mode("isolated", LINEAR)
    assert bench.bodies == [{"setMarginMode": "ISOLATED_MARGIN"}]
    assert sorted(bench.paths()) == ["/v5/account/info", ACCOUNT_MODE, "/v5/user/query-api"]


async def test_a_classic_account_has_to_be_told_the_leverage(bench: Bench) -> None:
    bench.unified(0)
    bench.takes(SYMBOL_MODE)
    with pytest.raises(ccxt.ArgumentsRequired):
        await bench.exchange.set_margin_mode("isolated", LINEAR)
    await bench.exchange.set_margin_mode("isolated", LINEAR, {"leverage": "10"})
    assert bench.bodies[0]["tradeMode"] == 1
    assert bench.bodies[0]["buyLeverage"] == "10"


async def test_positions_name_no_margin_mode(bench: Bench) -> None:
    bench.on(POSITIONS, listing(POSITION))
    (position,) = await bench.exchange.fetch_positions([LINEAR])
    assert position["marginMode"] is None


async def test_a_profit_of_zero_is_replaced_by_one_of_its_own(bench: Bench) -> None:
    bench.on(POSITIONS, listing(POSITION))
    (position,) = await bench.exchange.fetch_positions([LINEAR])
    assert position["unrealizedPnl"] == 25.25


async def test_the_notional_is_the_value_at_entry(bench: Bench) -> None:
    bench.on(POSITIONS, listing(POSITION))
    (position,) = await bench.exchange.fetch_positions([LINEAR])
    assert position["notional"] == 4900


async def test_the_leverage_loses_its_fraction(bench: Bench) -> None:
    bench.on(POSITIONS, listing(POSITION))
    leverage = await bench.exchange.fetch_leverage(LINEAR)
    assert (leverage["longLeverage"], leverage["marginMode"]) == (4, None)


async def test_the_second_leg_of_a_hedge_is_lost(bench: Bench) -> None:
    short = POSITION | {"positionIdx": 2, "side": "Sell"}
    bench.on(POSITIONS, listing(POSITION | {"positionIdx": 1}, short))
    assert (await bench.exchange.fetch_position(LINEAR))["side"] == "long"


async def test_positions_are_those_in_usdt_on_the_first_page(bench: Bench) -> None:
    bench.on(POSITIONS, listing(POSITION, cursor="more%3A1"))
    await bench.exchange.fetch_positions()
    (asked,) = bench.venue.asked_for(POSITIONS)
    assert (asked.params["category"], asked.params["settleCoin"]) == ("linear", "USDT")
    assert asked.params["limit"] == "200"


async def test_positions_of_two_symbols_cannot_be_asked_for(bench: Bench) -> None:
    with pytest.raises(ccxt.ArgumentsRequired):
        await bench.exchange.fetch_positions([LINEAR, USDC])


async def test_the_smallest_order_passes_for_the_size_of_an_inverse_contract(bench: Bench) -> None:
    await bench.exchange.load_markets()
    assert bench.exchange.market(INVERSE)["contractSize"] == 10


async def test_funding_that_was_paid_counts_as_positive(bench: Bench) -> None:
    bench.on(EXECUTIONS, listing(PAID))
    (payment,) = await bench.exchange.fetch_funding_history(LINEAR)
    assert payment["amount"] == 0.15


@pytest.mark.parametrize(("symbol", "market_id", "code"), [(USDC, "BTCPERP", "USDT"), (INVERSE, "BTCUSD", "USD")])
async def test_the_currency_of_funding_is_guessed_wrong(bench: Bench, symbol: str, market_id: str, code: str) -> None:
    bench.on(EXECUTIONS, listing(PAID | {"symbol": market_id}))
    (payment,) = await bench.exchange.fetch_funding_history(symbol)
    assert payment["code"] == code


async def test_the_limit_of_funding_has_a_name_bybit_does_not_know(bench: Bench) -> None:
    bench.on(EXECUTIONS, listing(PAID))
    await bench.exchange.fetch_funding_history(LINEAR, 1706745600000, 7)
    (asked,) = bench.venue.asked_for(EXECUTIONS)
    assert asked.params["size"] == "7"
    assert not {"limit", "endTime", "cursor"} & set(asked.params)


async def test_a_closed_profit_has_no_id(bench: Bench) -> None:
    row = POSITION | {"orderId": "1", "closedPnl": "2.5", "closedSize": "1", "qty": "1", "avgEntryPrice": "1"}
    bench.on("/v5/position/closed-pnl", listing(row))
    (closed,) = await bench.exchange.fetch_positions_history([LINEAR])
    assert (closed["id"], closed["realizedPnl"]) == (None, 2.5)


CLASSES: list[tuple[int, type[Exception]]] = [
    (110043, ccxt.BadRequest),
    (34036, ccxt.BadRequest),
    (110025, ccxt.NoChange),
    (110026, ccxt.MarginModeAlreadySet),
    (3400045, ccxt.ExchangeError),
    (10000, ccxt.ExchangeError),
    (10016, ccxt.ExchangeError),
    (10019, ccxt.ExchangeError),
    (10429, ccxt.ExchangeError),
    (10002, ccxt.InvalidNonce),
    (10006, ccxt.RateLimitExceeded),
    (10018, ccxt.RateLimitExceeded),
    (10010, ccxt.PermissionDenied),
    (100028, ccxt.PermissionDenied),
    (110013, ccxt.BadRequest),
    (110036, ccxt.InvalidOrder),
]


def test_the_class_of_a_code(subtests: pytest.Subtests) -> None:
    for code, error in CLASSES:
        with subtests.test(code=code):
            assert raised(code) is error


def test_a_code_for_no_change_of_old_is_not_raised_at_all() -> None:
    with pytest.raises(AssertionError, match="no error at all"):
        raised(30084)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ccxt.ExchangeNotAvailable),
        (401, ccxt.AuthenticationError),
        (403, ccxt.RateLimitExceeded),
        (404, ccxt.ExchangeNotAvailable),
        (429, ccxt.RateLimitExceeded),
        (502, ccxt.ExchangeNotAvailable),
        (504, ccxt.RequestTimeout),
    ],
)
def test_the_class_of_a_status_without_json(status: int, error: type[Exception]) -> None:
    assert raised(None, status, "<html>") is error
