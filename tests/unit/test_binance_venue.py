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
from worker.venues.port.errors import Ambiguous, VenueError

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
