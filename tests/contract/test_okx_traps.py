"""What ccxt does with OKX that this code is built around. A failure here after an upgrade: read the code again.

Each promise is about the version that is pinned; most are faults, and none of them is wanted.
"""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest
from ccxt.async_support.okx import okx

from tests.support.scripted_venue import Answering, ScriptedVenue, answers
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import rebase

HTML = b"<html>We will be back soon.</html>"
LINEAR, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
SET_LEVERAGE, LEVERAGE_INFO = "/api/v5/account/set-leverage", "/api/v5/account/leverage-info"
POSITIONS, ARCHIVE = "/api/v5/account/positions", "/api/v5/account/bills-archive"
CLOSED, BILLS = "/api/v5/account/positions-history", "/api/v5/account/bills"
INSTRUMENTS = "/api/v5/public/instruments"
SWAPS = [
    {"instId": "BTC-USDT-SWAP", "settleCcy": "USDT", "uly": "BTC-USDT", "ctType": "linear", "ctVal": "0.01"},
    {"instId": "BTC-USD-SWAP", "settleCcy": "BTC", "uly": "BTC-USD", "ctType": "inverse", "ctVal": "100"},
    {"instId": "ETH-USDT-SWAP", "settleCcy": "USDT", "uly": "ETH-USDT", "ctType": "linear", "ctVal": "0.1"},
]
COMMON = {"instType": "SWAP", "state": "live", "lever": "100", "tickSz": "0.1", "lotSz": "1", "minSz": "1"}
POSITION = {
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "mgnMode": "cross",
    "posSide": "net",
    "pos": "30",
    "avgPx": "97000",
    "markPx": "98500",
    "lever": "4.5",
    "upl": "4.5",
    "notionalUsd": "29550",
    "imr": "2955",
    "mmr": "118.2",
    "cTime": "1706745600000",
    "uTime": "1706745600000",
}
BILL = {
    "billId": "1",
    "type": "8",
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "ccy": "USDT",
    "balChg": "0",
    "posBalChg": "-0.15",
    "ts": "1706745600000",
}


def success(*rows: dict[str, Any]) -> Answering:
    return answers({"code": "0", "data": list(rows), "msg": ""})


class Bench:
    """ccxt's okx, pointed at a scripted venue."""

    def __init__(self, venue: ScriptedVenue, connections: VenueConnections) -> None:
        self.venue = venue
        self.exchange: Any = okx(
            {
                "apiKey": "the-key",
                "secret": "the-secret",
                "password": "the-passphrase",
                "session": connections.session,
                "ssl_context": connections.tls,
                "enableRateLimit": False,
                "options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap", "future"]}},
            }
        )
        self.exchange.has["fetchCurrencies"] = False
        self.exchange.urls["api"] = rebase(self.exchange.urls["api"], venue.url)

    def on(self, path: str, *answering: Answering) -> None:
        self.venue.on(path, *answering)

    def asked(self, path: str) -> dict[str, Any]:
        """What the last request for a path asked."""
        last = self.venue.asked_for(path)[-1]
        return dict(json.loads(last.body)) if last.body else dict(last.params)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        venue.on(INSTRUMENTS, success(*(COMMON | row for row in SWAPS)), success())
        bench = Bench(venue, connections)
        await bench.exchange.load_markets()
        yield bench
        bench.exchange.session = None  # it is shared; ccxt's own close() would sleep


def raised(code: str, status: int = 200, text: str | None = None) -> type[Exception]:
    """What ccxt makes of an error answer."""
    body = None if text is not None else {"code": code, "data": [], "msg": "What the venue says."}
    exchange = okx()
    try:
        exchange.handle_errors(
            status, "Bad", "https://www.okx.com/", "POST", {}, text or json.dumps(body), body, {}, ""
        )
        exchange.handle_http_status_code(status, "Bad", "https://www.okx.com/", "POST", text or "")
    except ccxt.BaseError as error:
        return type(error)
    raise AssertionError("no error at all")


async def test_restricted_loading_asks_for_two_lists_of_markets(bench: Bench) -> None:
    assert set(bench.exchange.markets) == {LINEAR, INVERSE, "ETH/USDT:USDT"}
    assert [asked.params["instType"] for asked in bench.venue.asked] == ["SWAP", "FUTURES"]


@pytest.mark.parametrize("body", [HTML, b""])
async def test_a_200_without_json_passes_for_success(bench: Bench, body: bytes) -> None:
    bench.on(SET_LEVERAGE, answers(body))
    assert await bench.exchange.set_leverage(10, LINEAR) == body.decode()


@pytest.mark.parametrize("body", [HTML, b""])
async def test_a_200_without_json_passes_for_no_positions_and_no_funding(bench: Bench, body: bytes) -> None:
    bench.on(POSITIONS, answers(body))
    bench.on(ARCHIVE, answers(body))
    assert await bench.exchange.fetch_positions() == []
    assert await bench.exchange.fetch_funding_history() == []


@pytest.mark.parametrize("body", [{"code": "0", "data": [{"sCode": "59102"}]}, {"code": "2", "data": []}], ids=str)
async def test_a_refused_item_of_a_success_passes_for_success(bench: Bench, body: Any) -> None:
    bench.on(SET_LEVERAGE, answers(body))
    assert await bench.exchange.set_leverage(10, LINEAR) == body


async def test_leverage_is_set_for_cross_margin_unless_told_and_as_a_number(bench: Bench) -> None:
    bench.on(SET_LEVERAGE, success())
    await bench.exchange.set_leverage(10, LINEAR)
    assert bench.asked(SET_LEVERAGE) == {"lever": 10, "mgnMode": "cross", "instId": "BTC-USDT-SWAP"}


async def test_isolated_leverage_is_set_for_the_net_side_which_long_short_mode_does_not_have(bench: Bench) -> None:
    bench.on(SET_LEVERAGE, success())
    await bench.exchange.set_leverage(10, LINEAR, {"marginMode": "isolated"})
    assert bench.asked(SET_LEVERAGE)["posSide"] == "net"


@pytest.mark.parametrize("leverage", [0.5, 126])
async def test_the_range_of_leverage_is_built_in(bench: Bench, leverage: float) -> None:
    with pytest.raises(ccxt.BadRequest, match="between 1 and 125"):
        await bench.exchange.set_leverage(leverage, LINEAR)


async def test_a_margin_mode_is_a_leverage_and_the_side_is_forgotten(bench: Bench) -> None:
    bench.on(SET_LEVERAGE, success())
    with pytest.raises(ccxt.BadRequest, match="lever"):
        await bench.exchange.set_margin_mode("isolated", LINEAR)
    await bench.exchange.set_margin_mode("isolated", LINEAR, {"lever": 10})
    assert bench.asked(SET_LEVERAGE) == {"lever": 10, "mgnMode": "isolated", "instId": "BTC-USDT-SWAP"}


async def test_a_fraction_of_a_leverage_is_lost(bench: Bench) -> None:
    row = {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "lever": "4.5"}
    bench.on(LEVERAGE_INFO, success(row))
    assert (await bench.exchange.fetch_leverage(LINEAR))["longLeverage"] == 4


async def test_a_flat_position_is_an_error(bench: Bench) -> None:
    bench.on(POSITIONS, success())
    with pytest.raises(ccxt.NullResponse):
        await bench.exchange.fetch_position(LINEAR)


async def test_an_inverse_position_is_valued_in_coins_where_a_linear_one_is_in_quote(bench: Bench) -> None:
    bench.on(POSITIONS, success(POSITION), success(POSITION | {"instId": "BTC-USD-SWAP"}))
    assert (await bench.exchange.fetch_position(LINEAR))["notional"] == 29_550
    assert (await bench.exchange.fetch_position(INVERSE))["notional"] == pytest.approx(30 * 100 / 98_500)


async def test_a_position_in_a_market_that_is_not_loaded_has_its_raw_id(bench: Bench) -> None:
    bench.on(POSITIONS, success(POSITION | {"instId": "NEW-USDT-SWAP"}))
    assert [row["symbol"] for row in await bench.exchange.fetch_positions()] == ["NEW-USDT-SWAP"]


async def test_a_history_never_tells_the_venue_where_to_begin(bench: Bench) -> None:
    for path in (ARCHIVE, CLOSED, BILLS):
        bench.on(path, success())
    await bench.exchange.fetch_funding_history(LINEAR, 1_700_000_000_000)
    await bench.exchange.fetch_positions_history([LINEAR], 1_700_000_000_000)
    await bench.exchange.fetch_ledger(None, 1_700_000_000_000)
    for path in (ARCHIVE, CLOSED, BILLS):
        assert {"begin", "end", "after", "before"}.isdisjoint(bench.asked(path))


async def test_funding_of_one_symbol_is_sorted_out_of_the_newest_hundred_bills_of_all(bench: Bench) -> None:
    bench.on(ARCHIVE, success(BILL, BILL | {"billId": "2", "instId": "ETH-USDT-SWAP"}))
    found = await bench.exchange.fetch_funding_history(LINEAR)
    assert [(row["id"], row["amount"], row["symbol"]) for row in found] == [("1", -0.15, LINEAR)]
    assert "instId" not in bench.asked(ARCHIVE)
    assert len(bench.venue.asked_for(ARCHIVE)) == 1


async def test_a_type_of_bills_is_sent_as_a_type_of_instrument(bench: Bench) -> None:
    bench.on(BILLS, success())
    await bench.exchange.fetch_ledger(None, None, None, {"type": "2"})
    assert bench.asked(BILLS)["instType"] == "2"


CLASSES: list[tuple[str, type[Exception]]] = [
    ("50119", ccxt.ExchangeError),
    ("50120", ccxt.ExchangeError),
    ("50040", ccxt.ExchangeError),
    ("50061", ccxt.ExchangeError),
    ("63999", ccxt.ExchangeError),
    ("51039", ccxt.ExchangeError),
    ("59101", ccxt.ExchangeError),
    ("59102", ccxt.ExchangeError),
    ("59105", ccxt.ExchangeError),
    ("59107", ccxt.ExchangeError),
    ("59103", ccxt.InsufficientFunds),
    ("59108", ccxt.InsufficientFunds),
    ("50112", ccxt.AuthenticationError),
    ("51000", ccxt.BadRequest),
]


def test_codes_are_put_into_classes_that_say_little(subtests: pytest.Subtests) -> None:
    for code, error in CLASSES:
        with subtests.test(code=code):
            assert raised(code) is error


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, ccxt.ExchangeNotAvailable),
        (400, ccxt.ExchangeNotAvailable),
        (403, ccxt.ExchangeNotAvailable),
        (404, ccxt.ExchangeNotAvailable),
        (401, ccxt.AuthenticationError),
    ],
)
def test_a_status_without_json_passes_for_an_outage(status: int, error: type[Exception]) -> None:
    assert raised("", status, "Bad.") in (error, *error.__subclasses__())


@pytest.mark.parametrize("code", ["50102", "50011"])
def test_refusals_count_as_network_errors(code: str) -> None:
    assert issubclass(raised(code), ccxt.NetworkError)


async def test_log_lines_tell_the_passphrase(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("ccxt")
    was = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        bench.on(POSITIONS, success())
        with caplog.at_level(logging.DEBUG):
            await bench.exchange.fetch_positions()
    finally:
        logger.setLevel(was)
    assert "the-passphrase" in caplog.text
