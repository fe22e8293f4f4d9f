"""Loading the markets, and who may have an adapter."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.requests import MarketType
from tests.support.scripted_venue import BTCUSDT, ScriptedVenue, answers, hangs_up
from worker.accounts.account import Account
from worker.venues.binance import BinanceVenue
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import VENUES
from worker.venues.port.errors import Ambiguous, NotSupported, VenueError

LINEAR_INFO, INVERSE_INFO = "/fapi/v1/exchangeInfo", "/dapi/v1/exchangeInfo"
NONE: dict[str, Any] = {"symbols": []}
LISTED = {"symbols": [BTCUSDT]}


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedVenue, BinanceVenue]]:
    async with ScriptedVenue() as server, VenueConnections() as connections:
        server.on(INVERSE_INFO, answers(NONE))
        server.on(LINEAR_INFO, answers(LISTED))
        yield server, BinanceVenue(connections, server.url, 2_000)


def account(base_url: str | None) -> Account:
    return Account(id="a", exchange="binance", api_key=SecretStr("key"), secret=SecretStr("secret"), base_url=base_url)


async def test_markets_are_loaded_without_a_key_and_shared(scripted: tuple[ScriptedVenue, BinanceVenue]) -> None:
    server, venue = scripted
    await venue.load()
    for _ in range(3):
        market = venue.adapter(account(server.url)).market("BTC/USDT:USDT", MarketType.SWAP)
        assert (market.id, str(market.contract_size), market.inverse) == ("BTCUSDT", "1", False)
    assert sorted(asked.path for asked in server.asked) == [INVERSE_INFO, LINEAR_INFO]
    assert not any("X-MBX-APIKEY" in asked.headers for asked in server.asked)


@pytest.mark.parametrize("body", [{}, [], NONE, {"symbols": None}, {"symbols": [{}]}, {"symbols": [1]}, b"<html>"])
async def test_a_list_without_markets_is_no_list(scripted: tuple[ScriptedVenue, BinanceVenue], body: Any) -> None:
    server, venue = scripted
    server.on(LINEAR_INFO, answers(body), answers(LISTED))
    with pytest.raises(VenueError):
        await venue.load()
    await venue.load()
    assert venue.adapter(account(server.url))


def listed(**changed: Any) -> dict[str, Any]:
    return {**BTCUSDT, **changed}


COIN = {
    "symbol": "BTCUSD_PERP",
    "pair": "BTCUSD",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "contractStatus": "TRADING",
    "contractSize": 100,
    "baseAsset": "BTC",
    "quoteAsset": "USD",
    "marginAsset": "BTC",
}
BARRED = {"code": 0, "msg": "Service unavailable from a restricted location according to 'b. Eligibility'"}


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (listed(symbol="ODDUSDT", baseAsset="ODD", contractType="MOVE"), "its contractType is MOVE"),
        ({"symbol": "ODDUSDT", "contractType": "PERPETUAL"}, "the field baseAsset"),
        (listed(symbol="ODDUSDT", baseAsset=None), "the field baseAsset"),
        (
            listed(symbol="ODDUSDT_261225", baseAsset="ODD", contractType="CURRENT_QUARTER", deliveryDate="x"),
            "the field deliveryDate",
        ),
        (listed(symbol=None, baseAsset="ODD"), "never asked"),
    ],
    ids=str,
)
async def test_an_odd_contract_is_left_out_alone(
    scripted: tuple[ScriptedVenue, BinanceVenue], odd: dict[str, Any], why: str
) -> None:
    server, venue = scripted
    server.on(LINEAR_INFO, answers({"symbols": [odd, BTCUSDT]}))
    await venue.load()
    adapter = venue.adapter(account(server.url))
    assert adapter.market("BTC/USDT:USDT", MarketType.SWAP).id == "BTCUSDT"
    if odd["symbol"]:
        with pytest.raises(NotSupported, match=why):
            adapter.market(odd["symbol"], MarketType.SWAP)


async def test_a_perpetual_with_a_delisting_date_stays_a_perpetual(
    scripted: tuple[ScriptedVenue, BinanceVenue],
) -> None:
    server, venue = scripted
    rows = [
        listed(symbol="TSLAUSDT", baseAsset="TSLA", contractType="TRADIFI_PERPETUAL", deliveryDate=1_799_999_999_000),
        listed(symbol="LTCUSDT", baseAsset="LTC", deliveryDate=1_799_999_999_000, status="SETTLING"),
        listed(symbol="ETHBTC", baseAsset="ETH", quoteAsset="BTC", marginAsset="BTC"),
    ]
    server.on(LINEAR_INFO, answers({"symbols": rows}))
    await venue.load()
    adapter = venue.adapter(account(server.url))
    for symbol, market_id in (
        ("TSLA/USDT:USDT", "TSLAUSDT"),
        ("LTC/USDT:USDT", "LTCUSDT"),
        ("ETH/BTC:BTC", "ETHBTC"),
    ):
        assert adapter.market(symbol, MarketType.SWAP).id == market_id


async def test_two_ids_never_share_a_symbol_in_silence(scripted: tuple[ScriptedVenue, BinanceVenue]) -> None:
    server, venue = scripted
    settled = listed(symbol="BTCUSDT_OLD", status="CLOSE")
    server.on(LINEAR_INFO, answers({"symbols": [settled, BTCUSDT]}))
    await venue.load()
    adapter = venue.adapter(account(server.url))
    assert adapter.market("BTC/USDT:USDT", MarketType.SWAP).id == "BTCUSDT"
    with pytest.raises(NotSupported, match="several share the symbol"):
        adapter.market("BTCUSDT_OLD", MarketType.SWAP)


@pytest.mark.parametrize(
    ("barred", "other", "known", "unknown"),
    [
        (INVERSE_INFO, LINEAR_INFO, "BTC/USDT:USDT", "BTC/USD:BTC"),
        (LINEAR_INFO, INVERSE_INFO, "BTC/USD:BTC", "BTC/USDT:USDT"),
    ],
)
async def test_a_family_that_the_law_bars_leaves_the_other(
    scripted: tuple[ScriptedVenue, BinanceVenue], barred: str, other: str, known: str, unknown: str
) -> None:
    server, venue = scripted
    lists = {LINEAR_INFO: LISTED, INVERSE_INFO: {"symbols": [COIN]}}
    server.on(barred, answers(BARRED, 451))
    server.on(other, answers(lists[other]))
    assert await venue.load()
    adapter = venue.adapter(account(server.url))
    assert adapter.market(known, MarketType.SWAP).symbol == known
    with pytest.raises(NotSupported, match=r"not listed to us: .*451"):
        adapter.market(unknown, MarketType.SWAP)
    assert not await venue.load()
    server.on(barred, answers(lists[barred]))
    assert await venue.load()
    assert venue.adapter(account(server.url)).market(unknown, MarketType.SWAP).symbol == unknown


async def test_a_family_that_fails_for_a_while_is_not_given_up(scripted: tuple[ScriptedVenue, BinanceVenue]) -> None:
    server, venue = scripted
    server.on(INVERSE_INFO, answers({"symbols": [COIN]}), answers(b"<html>"), answers({}, 429))
    await venue.load()
    for _ in range(2):
        with pytest.raises(VenueError):
            await venue.load()
        assert venue.adapter(account(server.url)).market("BTC/USD:BTC", MarketType.SWAP).id == "BTCUSD_PERP"


async def test_loading_can_be_tried_again_after_a_broken_connection(
    scripted: tuple[ScriptedVenue, BinanceVenue],
) -> None:
    server, venue = scripted
    server.on(INVERSE_INFO, answers(b""), answers(NONE))
    server.on(LINEAR_INFO, hangs_up, hangs_up, answers(LISTED))
    with pytest.raises(Ambiguous):
        await venue.load()
    server.on(LINEAR_INFO, answers(LISTED))
    await venue.load()


async def test_no_adapter_is_made_before_the_markets_are_loaded(
    scripted: tuple[ScriptedVenue, BinanceVenue],
) -> None:
    server, venue = scripted
    with pytest.raises(RuntimeError, match="load"):
        venue.adapter(account(server.url))


async def test_an_account_of_another_address_gets_no_adapter(scripted: tuple[ScriptedVenue, BinanceVenue]) -> None:
    _, venue = scripted
    await venue.load()
    with pytest.raises(ValueError, match="another address"):
        venue.adapter(account(None))


def test_binance_is_a_row_of_the_table_of_venues() -> None:
    assert VENUES["binance"] is BinanceVenue
