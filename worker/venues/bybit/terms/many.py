"""Leverage and margin mode of many Bybit markets at once, as far as Bybit documents to tell that.

Source: Get Futures Leverage (`GET /v5/position/symbol-info`, page of 2026-06-30): "isolated leverage setting" of all
symbols of a category in one answer, with or without a position; an error under portfolio margin. So it is asked for
unified accounts in isolated margin. Whether that is the leverage of an account in cross margin as well is not
documented; there each market is read by itself, as it is where the answer has no row of it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from schemas.requests import MarginMode
from worker.venues.bybit.account import AccountInfo
from worker.venues.bybit.listing import Listing
from worker.venues.bybit.positions import terms_of
from worker.venues.bybit.terms.settings import category_of, read_market
from worker.venues.client.transport import Calls
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import MarginSettings, Market, TermsOfMany
from worker.venues.port.errors import VenueError
from worker.venues.reading.many_terms import each
from worker.venues.reading.preflight import attempted

SYMBOL_INFO = Listing("/v5/position/symbol-info", None)


async def terms_of_many(transport: Calls, info: AccountInfo, markets: Sequence[Market]) -> TermsOfMany:
    """The terms of each market, or why they can't be told."""
    listed = await _listed(transport, info, markets)

    async def read(market: Market) -> MarginSettings:
        rows = listed.get((category_of(market), market.id)) or await read_market(transport, market)
        return terms_of(rows, info, market)

    return await each(markets, read)


async def _listed(transport: Calls, info: AccountInfo, markets: Sequence[Market]) -> dict[tuple[str, str], list[Row]]:
    """The rows of lists, by category and id of their market; none where they don't tell what is in force."""
    categories = {category_of(market) for market in markets if _tells_of(info, market)}
    answers = await asyncio.gather(*(attempted(SYMBOL_INFO.rows(transport, {"category": one})) for one in categories))
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for category, rows in zip(categories, answers, strict=True):
        for row in () if isinstance(rows, VenueError) else rows:
            found[category, str(row.get("symbol"))].append(row)
    return found


def _tells_of(info: AccountInfo, market: Market) -> bool:
    return info.margin_mode is MarginMode.ISOLATED and info.is_unified(inverse=market.inverse)
