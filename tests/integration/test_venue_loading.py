"""Markets: loaded for each venue by itself, and loaded again when something is new."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from schemas import MarketType
from schemas.control import VenueHealth
from tests.support.processes import free_port
from tests.support.scripted_venue import ScriptedVenue, answers, says_nothing
from worker.accounts.account import Account, Accounts
from worker.app.bootstrap import FIRST_LOAD_S, open_venues
from worker.sandbox.app.server import Sandbox
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import Venues
from worker.venues.lifecycle.supervisor import Reloads, Told
from worker.venues.limits import Limits
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, NotSent, UnknownSymbol, VenueError

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


async def test_a_venue_that_is_down_holds_up_only_its_own_accounts() -> None:
    failures: asyncio.Queue[tuple[str, VenueError]] = asyncio.Queue()
    async with Sandbox() as sandbox, VenueConnections() as connections:
        reachable = next(account for account in sandbox.accounts if account.exchange == "binance")
        elsewhere = reachable.model_copy(update={"id": "elsewhere", "base_url": "http://127.0.0.1:9"})
        venues = Venues(connections, Accounts([reachable, elsewhere]), 1_000)
        loading = asyncio.create_task(venues.keep_loaded(lambda *failure: failures.put_nowait(failure)))
        try:
            # Twice: it is tried again, and by then the other venue has long been loaded.
            for _ in range(2):
                venue, error = await failures.get()
                assert (venue, type(error)) == ("binance at http://127.0.0.1:9", NotSent)
            assert venues.adapter(reachable).market(BTC, MarketType.SWAP).id == "BTCUSDT"
            with pytest.raises(NotSent, match="not loaded yet"):
                venues.adapter(elsewhere)
        finally:
            loading.cancel()


async def test_the_start_does_not_wait_for_a_venue_that_can_not_be_reached() -> None:
    async with Sandbox() as sandbox:
        reachable = next(account for account in sandbox.accounts if account.exchange == "okx")
        elsewhere = reachable.model_copy(update={"id": "elsewhere", "base_url": f"http://127.0.0.1:{free_port()}"})
        async with (
            asyncio.timeout(FIRST_LOAD_S * 0.8),
            open_venues(Accounts((reachable, elsewhere)), 1_000, Limits(), 3_600) as venues,
        ):
            found = {state.health: state for state in venues.states()}
            assert found[VenueHealth.UP].markets_loaded
            assert not found[VenueHealth.DOWN].markets_loaded
            assert "its markets can't be loaded" in (found[VenueHealth.DOWN].reason or "")


async def test_the_start_does_not_wait_long_for_a_venue_that_hangs() -> None:
    async with Sandbox() as sandbox, ScriptedVenue() as hanging:
        hanging.on("/api/v5/public/instruments", says_nothing)
        reachable = next(account for account in sandbox.accounts if account.exchange == "okx")
        elsewhere = reachable.model_copy(update={"id": "elsewhere", "base_url": hanging.url})
        async with (
            asyncio.timeout(2 * FIRST_LOAD_S),
            open_venues(Accounts((reachable, elsewhere)), 1_000, Limits(), 3_600) as venues,
        ):
            assert hanging.asked
            assert venues.adapter(reachable).market(BTC, MarketType.SWAP).id == "BTC-USDT-SWAP"
            with pytest.raises(NotSent, match="not loaded yet"):
                venues.adapter(elsewhere)


def _symbol(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "underlyingType": "COIN",
        "filters": [],
    }


def _list(venue: ScriptedVenue, *bases: str) -> None:
    venue.on("/fapi/v1/exchangeInfo", answers({"symbols": [_symbol(base) for base in bases]}))
    venue.on("/dapi/v1/exchangeInfo", answers({"symbols": []}))


@asynccontextmanager
async def _kept(
    venue: ScriptedVenue, reloads: Reloads, failed: Told = lambda *_: None
) -> AsyncIterator[tuple[Venues, Account]]:
    account = _account("one", venue)
    async with VenueConnections() as connections:
        venues = Venues(connections, Accounts([account]), 1_000, reloads)
        keeping = asyncio.create_task(venues.keep_loaded(failed))
        try:
            await venues.tried()
            yield venues, account
        finally:
            keeping.cancel()


async def _found(venues: Venues, account: Account, symbol: str) -> Market:
    """Ask for a market, as clients do, until it is there."""
    async with asyncio.timeout(40):
        while True:
            try:
                return venues.adapter(account).market(symbol, MarketType.SWAP)
            except UnknownSymbol:
                await asyncio.sleep(0.01)


async def test_a_new_listing_is_known_soon_after_it_is_asked_for() -> None:
    async with ScriptedVenue() as venue:
        _list(venue, "BTC")
        async with _kept(venue, Reloads(latest_s=3_600, soonest_s=0.2)) as (venues, account):
            _list(venue, "BTC", "ETH")
            assert (await _found(venues, account, ETH)).id == "ETHUSDT"
            assert venues.adapter(account).market(BTC, MarketType.SWAP).id == "BTCUSDT"
            assert len(venue.asked_for("/fapi/v1/exchangeInfo")) == 2


async def test_a_command_that_runs_keeps_the_markets_that_it_began_with() -> None:
    async with ScriptedVenue() as venue:
        _list(venue, "BTC", "OLD")
        async with _kept(venue, Reloads(latest_s=3_600, soonest_s=0.05)) as (venues, account):
            running = venues.adapter(account)
            _list(venue, "BTC", "ETH")
            await _found(venues, account, ETH)
            assert running.market("OLD/USDT:USDT", MarketType.SWAP).id == "OLDUSDT"
            with pytest.raises(UnknownSymbol):
                venues.adapter(account).market("OLD/USDT:USDT", MarketType.SWAP)


async def test_a_reload_that_fails_keeps_the_markets_in_use() -> None:
    async with ScriptedVenue() as venue:
        _list(venue, "BTC")
        failures: asyncio.Queue[VenueError] = asyncio.Queue()

        def failed(_: str, error: VenueError) -> None:
            failures.put_nowait(error)

        async with _kept(venue, Reloads(latest_s=0.1), failed) as (venues, account):
            adapter = venues.adapter(account)
            venue.on("/fapi/v1/exchangeInfo", answers(b"<html>", 502))
            async with asyncio.timeout(40):
                assert isinstance(await failures.get(), Ambiguous)
            assert venues.adapter(account) is adapter
            (state,) = venues.states()
            assert state.markets_loaded


async def test_a_venue_is_loaded_while_an_account_is_there_and_again_when_one_comes_back() -> None:
    async with ScriptedVenue() as here, ScriptedVenue() as there, VenueConnections() as connections:
        one, other = _account("one", here), _account("other", there)
        for venue in (here, there):
            _list(venue, "BTC")
        accounts = Accounts([one])
        venues = Venues(connections, accounts, 1_000, Reloads(latest_s=0.1, soonest_s=0.1))
        keeping = asyncio.create_task(venues.keep_loaded(lambda *_: None))
        try:
            for served, loading, idle in (([other], there, here), ([one], here, there)):
                accounts.replace(served)
                await _loads_again(loading)
                before = len(idle.asked)
                await _loads_again(loading)
                assert len(idle.asked) == before
                assert len(venues.states()) == 1
                assert venues.adapter(served[0]).market(BTC, MarketType.SWAP).id == "BTCUSDT"
        finally:
            keeping.cancel()


def _account(account_id: str, venue: ScriptedVenue) -> Account:
    return Account(
        id=account_id, exchange="binance", api_key=SecretStr("key"), secret=SecretStr("secret"), base_url=venue.url
    )


async def _loads_again(venue: ScriptedVenue) -> None:
    """Returns when the markets were asked for three times more, whatever was under way."""
    wanted = len(venue.asked_for("/dapi/v1/exchangeInfo")) + 3
    async with asyncio.timeout(40):
        while len(venue.asked_for("/dapi/v1/exchangeInfo")) < wanted:  # noqa: ASYNC110 - the venue announces nothing
            await asyncio.sleep(0.01)
