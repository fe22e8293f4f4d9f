"""What ccxt does with Gate that this code is built around. A failure here after an upgrade: read the code again.

Each promise is about the version that is pinned; most are faults, and none of them is wanted.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest
from ccxt.async_support.gate import gate

from tests.support.scripted_venue import Answering, Asked, ScriptedVenue, answers
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import rebase

LINEAR, INVERSE, DELIVERY = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT:USDT-301227"
COMMON: dict[str, Any] = {
    "name": "BTC_USDT",
    "type": "direct",
    "quanto_multiplier": "0.0001",
    "leverage_min": "1",
    "leverage_max": "125",
    "mark_price": "98505",
    "order_price_round": "0.1",
    "order_price_deviate": "0.5",
    "order_size_min": "1",
    "order_size_max": "1000000",
    "status": "trading",
}
MARKETS = {
    "/api/v4/futures/usdt/contracts": [COMMON],
    "/api/v4/futures/btc/contracts": [COMMON | {"name": "BTC_USD", "type": "inverse", "quanto_multiplier": "0"}],
    "/api/v4/delivery/usdt/contracts": [COMMON | {"name": "BTC_USDT_20301227", "expire_time": 1924588800}],
}
POSITION = {
    "contract": "BTC_USDT",
    "size": 500,
    "leverage": "0",
    "cross_leverage_limit": "10",
    "value": "4925.25",
    "margin": "0",
    "entry_price": "98000",
    "mark_price": "98505",
    "unrealised_pnl": "25.25",
    "mode": "single",
    "update_time": 1706745600,
}
USDT = "/api/v4/futures/usdt"
LEVERAGE, POSITIONS, BOOK = f"{USDT}/positions/BTC_USDT/leverage", f"{USDT}/positions", f"{USDT}/account_book"


class Bench:
    """ccxt's gate, pointed at a scripted venue."""

    def __init__(self, venue: ScriptedVenue, connections: VenueConnections) -> None:
        self.venue = venue
        self.exchange: Any = gate(
            {
                "apiKey": "the-key",
                "secret": "the-secret",
                "session": connections.session,
                "ssl_context": connections.tls,
                "enableRateLimit": False,
                "options": {
                    "defaultType": "swap",
                    "fetchMarkets": {"types": ["swap", "future"]},
                    "unifiedAccount": False,
                },
            }
        )
        self.exchange.has["fetchCurrencies"] = False
        urls = self.exchange.urls["api"]
        self.exchange.urls["api"] = {access: rebase(urls[access], venue.url) for access in urls}

    def on(self, path: str, *answering: Answering) -> None:
        self.venue.on(path, *answering)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.venue.asked if not asked.path.endswith(("/contracts", "/account/detail"))]

    def asked(self, path: str) -> Asked:
        (asked,) = self.venue.asked_for(path)
        return asked


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        for path, body in MARKETS.items():
            venue.on(path, answers(body))
        venue.on("/api/v4/account/detail", answers({"key": {"mode": 1}}))
        bench = Bench(venue, connections)
        yield bench
        bench.exchange.session = None  # it is shared; ccxt's own close() would sleep


def raised(label: str, status: int = 400) -> type[Exception]:
    """What ccxt makes of an error answer of Gate's own."""
    body = {"label": label, "message": "What the venue says."}
    with pytest.raises(ccxt.BaseError) as caught:
        gate().handle_errors(status, "Bad", "https://api.gateio.ws/", "POST", {}, json.dumps(body), body, {}, "")
    return caught.type


def test_the_version_is_the_one_these_facts_are_about() -> None:
    assert ccxt.__version__ == "4.5.90"


async def test_contracts_are_renamed_by_what_coins_are_called_in_the_spot_market(bench: Bench) -> None:
    bench.on("/api/v4/futures/usdt/contracts", answers([COMMON, COMMON | {"name": "GTC_USDT"}]))
    await bench.exchange.load_markets()
    assert bench.exchange.market("GTC_USDT")["symbol"] == "GAMECOM/USDT:USDT"


async def test_a_contract_without_a_deviation_breaks_the_whole_list(bench: Bench) -> None:
    bench.on("/api/v4/futures/usdt/contracts", answers([COMMON | {"order_price_deviate": "many"}]))
    with pytest.raises(ValueError, match="many"):
        await bench.exchange.load_markets()


async def test_perpetuals_in_usd1_are_not_asked_for(bench: Bench) -> None:
    await bench.exchange.load_markets()
    listed = [asked.path for asked in bench.venue.asked if asked.path.endswith("/contracts")]
    assert "/api/v4/futures/usdt/contracts" in listed
    assert "/api/v4/futures/usd1/contracts" not in listed


async def test_setting_a_leverage_switches_the_market_to_isolated(bench: Bench) -> None:
    bench.on(LEVERAGE, answers(POSITION))
    await bench.exchange.set_leverage(10, LINEAR)
    assert bench.asked(LEVERAGE).params == {"leverage": "10"}


async def test_a_cross_leverage_leaks_a_parameter_that_gate_does_not_know(bench: Bench) -> None:
    bench.on(LEVERAGE, answers(POSITION))
    await bench.exchange.set_leverage(10, LINEAR, {"marginMode": "cross"})
    assert bench.asked(LEVERAGE).params == {"leverage": "0", "cross_leverage_limit": "10", "marginMode": "cross"}


async def test_a_leverage_that_the_contract_allows_is_refused(bench: Bench) -> None:
    with pytest.raises(ccxt.BadRequest):
        await bench.exchange.set_leverage(125, LINEAR)
    assert bench.paths() == []


def test_there_is_no_way_to_set_a_margin_mode() -> None:
    assert not gate().has["setMarginMode"]


@pytest.mark.parametrize("path", ["positions/cross_mode", "dual_comp/positions/cross_mode"])
async def test_the_margin_mode_is_put_into_the_query_and_not_into_a_body(bench: Bench, path: str) -> None:
    name = "".join(part.capitalize() for part in path.replace("_", "/").split("/"))
    bench.on(f"{USDT}/{path}", answers(POSITION))
    method = getattr(bench.exchange, f"privateFuturesPostSettle{name}")
    await method({"settle": "usdt", "mode": "CROSS", "contract": "BTC_USDT"})
    url, body = (bench.exchange.last_request_url, bench.exchange.last_request_body)
    assert url.endswith("?mode=CROSS&contract=BTC_USDT")
    assert body is None


async def test_the_newer_endpoint_of_the_position_mode_gets_a_body_where_a_query_is_documented(bench: Bench) -> None:
    bench.on(f"{USDT}/set_position_mode", answers({"in_dual_mode": True}))
    await bench.exchange.privateFuturesPostSettleSetPositionMode({"settle": "usdt", "position_mode": "dual"})
    assert bench.exchange.last_request_url.endswith("/set_position_mode")
    assert json.loads(bench.exchange.last_request_body) == {"position_mode": "dual"}


async def test_the_implicit_methods_for_one_mode_and_one_side_exist(bench: Bench) -> None:
    where = f"{USDT}/positions/BTC_USDT/set_leverage"
    bench.on(where, answers(POSITION))
    params = {"settle": "usdt", "contract": "BTC_USDT", "leverage": "10", "margin_mode": "cross"}
    await bench.exchange.privateFuturesPostSettlePositionsContractSetLeverage(params)
    assert bench.asked(where).params == {"leverage": "10", "margin_mode": "cross"}


async def test_perpetuals_are_asked_for_decimal_sizes(bench: Bench) -> None:
    bench.on(POSITIONS, answers([]))
    await bench.exchange.privateFuturesGetSettlePositions({"settle": "usdt"})
    assert bench.asked(POSITIONS).headers["X-Gate-Size-Decimal"] == "1"


async def test_a_cross_position_has_a_leverage_of_0(bench: Bench) -> None:
    bench.on(f"{POSITIONS}/BTC_USDT", answers(POSITION))
    position = await bench.exchange.fetch_position(LINEAR)
    assert (position["leverage"], position["marginMode"]) == (0, "cross")


async def test_a_leverage_of_a_swap_cannot_be_fetched_though_it_is_said_to(bench: Bench) -> None:
    assert bench.exchange.has["fetchLeverage"]
    with pytest.raises(ccxt.NotSupported):
        await bench.exchange.fetch_leverage(LINEAR)


async def test_all_positions_are_those_in_usdt_flat_ones_included(bench: Bench) -> None:
    bench.on(POSITIONS, answers([POSITION, POSITION | {"size": 0}]))
    assert len(await bench.exchange.fetch_positions()) == 2
    assert bench.paths() == [POSITIONS]
    assert bench.asked(POSITIONS).params == {}


async def test_positions_of_an_inverse_symbol_are_looked_for_in_usdt(bench: Bench) -> None:
    bench.on(POSITIONS, answers([POSITION]))
    assert await bench.exchange.fetch_positions([INVERSE]) == []
    assert bench.paths() == [POSITIONS]


async def test_deliveries_are_looked_for_in_btc(bench: Bench) -> None:
    bench.on("/api/v4/delivery/btc/positions", answers([]))
    await bench.exchange.fetch_positions(None, {"type": "future"})
    assert bench.paths() == ["/api/v4/delivery/btc/positions"]


@pytest.mark.parametrize("body", [b"<html>", b""])
async def test_a_200_without_json_passes_for_success(bench: Bench, body: bytes) -> None:
    bench.on(LEVERAGE, answers(body))
    assert await bench.exchange.set_leverage(10, LINEAR) == body.decode()


async def test_accepted_passes_for_done(bench: Bench) -> None:
    bench.on(LEVERAGE, answers(POSITION, 202))
    assert await bench.exchange.set_leverage(10, LINEAR) == POSITION


async def test_funding_takes_its_symbol_from_the_text_and_has_no_id(bench: Bench) -> None:
    row = {"time": 1682294400.123456, "change": "-0.1", "type": "fund", "text": "BTC_USDT:1", "contract": "BTC_USDT"}
    bench.on(BOOK, answers([row | {"id": "5"}]))
    assert await bench.exchange.fetch_funding_history(LINEAR) == []  # the garbage symbol does not match
    (entry,) = await bench.exchange.fetch_funding_history()
    assert (entry["id"], entry["symbol"]) == (None, "BTC/USDT:1")


async def test_the_end_of_a_stretch_is_not_translated(bench: Bench) -> None:
    bench.on(BOOK, answers([]))
    await bench.exchange.fetch_funding_history(LINEAR, 1_682_294_400_000, 5, {"until": 1_682_294_500_000})
    params = bench.asked(BOOK).params
    assert (params["from"], params["until"]) == ("1682294400", "1682294500000")
    assert "to" not in params


async def test_the_ledger_cannot_read_a_time_with_a_fraction(bench: Bench) -> None:
    bench.on(BOOK, answers([{"time": 1682294400.123456, "change": "-0.1", "type": "pnl", "contract": "BTC_USDT"}]))
    with pytest.raises(ValueError, match="invalid literal"):
        await bench.exchange.fetch_ledger(None, 1_682_294_400_000)
    assert bench.asked(BOOK).params["from"] == "1682294400000"  # milliseconds, where Gate counts seconds


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ("NO_CHANGE", ccxt.InvalidOrder),
        ("LEVERAGE_TOO_HIGH", ccxt.InvalidOrder),
        ("LEVERAGE_TOO_LOW", ccxt.InvalidOrder),
        ("REQUEST_EXPIRED", ccxt.AuthenticationError),
        ("POSITION_HOLDING", ccxt.BadRequest),
        ("ORDER_PENDING", ccxt.ExchangeError),
        ("INTERNAL", ccxt.ExchangeNotAvailable),
        ("INTERNAL_SERVER_ERROR", ccxt.ExchangeError),
        ("INSUFFICIENT_AVAILABLE", ccxt.InsufficientFunds),
    ],
)
def test_a_label_is_of_a_class_that_says_little(label: str, error: type[Exception]) -> None:
    assert raised(label) is error


async def test_restricted_loading_without_keys_asks_for_three_lists_of_contracts(bench: Bench) -> None:
    bench.exchange.apiKey = bench.exchange.secret = ""
    assert set(await bench.exchange.load_markets()) == {LINEAR, INVERSE, DELIVERY}
    assert {asked.path for asked in bench.venue.asked} == set(MARKETS)


async def test_loading_with_keys_asks_for_the_account_too(bench: Bench) -> None:
    bench.exchange.options["unifiedAccount"] = None
    await bench.exchange.load_markets()
    assert "/api/v4/account/detail" in {asked.path for asked in bench.venue.asked}


async def test_a_request_without_a_body_is_signed_over_the_hash_of_nothing(bench: Bench) -> None:
    bench.on(POSITIONS, answers([]))
    await bench.exchange.privateFuturesGetSettlePositions({"settle": "usdt", "limit": 100})
    headers = bench.asked(POSITIONS).headers
    digest = hashlib.sha512(b"").hexdigest()
    signed = "\n".join(("GET", POSITIONS, "limit=100", digest, headers["Timestamp"]))
    assert headers["SIGN"] == gate().hmac(signed.encode(), b"the-secret", hashlib.sha512)
