"""What limits cost who keeps to them: a burst of reads, and a change behind a heavy request, against ccxt's throttler.

ccxt spaces the calls of one instance evenly, heavy ones in proportion; that is what it does unless told otherwise.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from schemas import MarketType
from tests.benchmarks.measure import Call, Samples, interleaved
from tests.benchmarks.routes import SYMBOL, Venue, account_id
from tests.support.sandbox_harness import OpenAdapter, unguarded
from worker.accounts.account import Account
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import VENUES

READS = 20
PORTFOLIO_MARGIN = "binance-pm-001"
TIMEOUT_MS = 5_000
ROUNDS = 2
"""ccxt takes seconds for one, and a minute of Portfolio Margin holds no more than seven collections."""


@asynccontextmanager
async def _adapters(venue: Venue) -> AsyncIterator[tuple[OpenAdapter, OpenAdapter]]:
    """A standard account and one with Portfolio Margin, as a worker has them."""
    async with VenueConnections() as connections:
        binance = VENUES["binance"](connections, venue.base_url, TIMEOUT_MS, "mainnet")
        await binance.load()
        standard, portfolio = (venue.accounts[name] for name in (account_id(1), PORTFOLIO_MARGIN))
        yield unguarded(binance.adapter(Account(**standard))), unguarded(binance.adapter(Account(**portfolio)))


def _at_once(read: Call) -> Call:
    async def burst() -> None:
        await asyncio.gather(*(read() for _ in range(READS)))

    return burst


def _one_after_the_other(first: Call, second: Call) -> Call:
    async def both() -> None:
        await first()
        await second()

    return both


async def bursts(venue: Venue) -> dict[int, dict[str, Samples]]:
    """The positions of a symbol, read so many times at once on one account."""
    async with _adapters(venue) as (ours, _), venue.ccxt(account_id(1), throttled=True) as theirs:
        market = ours.market(SYMBOL, MarketType.SWAP)
        calls = {
            "positions through the adapter": _at_once(lambda: ours.positions(MarketType.SWAP, market)),
            "ccxt fetch_positions, its throttler on": _at_once(lambda: theirs.fetch_positions([SYMBOL])),
        }
        return {READS: await interleaved(calls, rounds=ROUNDS, count=1, concurrency=1)}


async def changes_after_collections(venue: Venue) -> dict[int, dict[str, Samples]]:
    """An auto-collection, and a change of leverage right behind it."""
    async with _adapters(venue) as (_, ours), venue.ccxt(PORTFOLIO_MARGIN, throttled=True) as theirs:
        market, portfolio = ours.market(SYMBOL, MarketType.SWAP), ours.portfolio_margin
        assert portfolio is not None
        margin = {"portfolioMargin": True}
        calls = {
            "collection, leverage through the adapter": _one_after_the_other(
                portfolio.auto_collect, lambda: ours.set_leverage(market, Decimal(10))
            ),
            "ccxt's, its throttler on": _one_after_the_other(
                theirs.papiPostAutoCollection, lambda: theirs.set_leverage(10, SYMBOL, margin)
            ),
        }
        return {1: await interleaved(calls, rounds=ROUNDS, count=1, concurrency=1)}
