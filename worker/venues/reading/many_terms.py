"""The terms of many markets at once: each is told, or why it is not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from worker.venues.port.adapter import MarginSettings, Market, TermsOfMany
from worker.venues.port.errors import VenueError
from worker.venues.reading.preflight import attempted


async def each(markets: Iterable[Market], read: Callable[[Market], Awaitable[MarginSettings]]) -> TermsOfMany:
    """The terms of markets that a venue tells one by one, side by side as far as its limits have room."""
    asked = list(markets)
    found = await asyncio.gather(*(attempted(read(market)) for market in asked))
    return {market.symbol: terms for market, terms in zip(asked, found, strict=True)}


def told_of(markets: Iterable[Market], tell: Callable[[Market], MarginSettings]) -> TermsOfMany:
    """The terms of markets out of an answer that tells of all."""
    return {market.symbol: _told(market, tell) for market in markets}


def untold(markets: Iterable[Market], why: VenueError) -> TermsOfMany:
    """Of none of these markets the terms could be read."""
    return dict.fromkeys((market.symbol for market in markets), why)


def _told(market: Market, tell: Callable[[Market], MarginSettings]) -> MarginSettings | VenueError:
    try:
        return tell(market)
    except VenueError as error:
        return error
