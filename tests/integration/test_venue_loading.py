"""A venue that can't be reached at the start holds up nobody but its own accounts."""

import asyncio

import pytest

from schemas import MarketType
from worker.sandbox.server import Sandbox
from worker.venues.connections import VenueConnections
from worker.venues.errors import NotSent, VenueError
from worker.venues.registry import Venues


async def test_a_venue_that_is_down_holds_up_only_its_own_accounts() -> None:
    failures: asyncio.Queue[tuple[str, VenueError]] = asyncio.Queue()
    async with Sandbox() as sandbox, VenueConnections() as connections:
        reachable = next(account for account in sandbox.accounts if account.exchange == "binance")
        elsewhere = reachable.model_copy(update={"id": "elsewhere", "base_url": "http://127.0.0.1:9"})
        venues = Venues(connections, [reachable, elsewhere], 1_000)
        loading = asyncio.create_task(venues.load(lambda *failure: failures.put_nowait(failure)))
        try:
            # Twice: it is tried again, and by then the other venue has long been loaded.
            for _ in range(2):
                exchange, error = await failures.get()
                assert (exchange, type(error)) == ("binance", NotSent)
            assert venues.adapter(reachable).market("BTC/USDT:USDT", MarketType.SWAP).id == "BTCUSDT"
            with pytest.raises(NotSent, match="not loaded yet"):
                venues.adapter(elsewhere)
        finally:
            loading.cancel()
