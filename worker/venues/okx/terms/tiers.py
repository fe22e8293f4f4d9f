"""Position tiers of OKX markets, asked for by instrument family.

Source: "Get position tiers" (up to five families at once; `minSz` and `maxSz` in contracts; `maxLever`, `mmr`),
2026-07. Contracts times their value are coins of linear contracts, and quote currency of inverse ones. They are asked
for as of cross margin; that isolated positions have the same is a guess.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import groupby

from schemas.replies import LeverageTier
from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.okx.answers import TIERS, items
from worker.venues.okx.instruments import INSTRUMENT_TYPES
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market, TiersRead
from worker.venues.port.errors import Ambiguous, VenueError
from worker.venues.reading.preflight import attempted
from worker.venues.reading.tiers import KeptTiers, TierCache, of_all, of_market, tier

FAMILIES_AT_ONCE = 5


def family_of(market: Market) -> str:
    """The instrument family of a market: what its id has before its last part.

    >>> from decimal import Decimal
    >>> family_of(Market("", "BTC-USD_UM-261225", MarketType.FUTURE, False, "BTC", "USD", "USD", Decimal(1)))
    'BTC-USD_UM'
    """
    return market.id.rpartition("-")[0]


def currency_of(market: Market) -> str:
    """In which the bounds are: coins, or quote currency of inverse contracts."""
    return market.quote if market.inverse else market.base


async def tiers_of(transport: Calls, cache: TierCache, market: Market, *, anew: bool) -> TiersRead:
    """The tiers of a market, read together with those of its family. Raises VenueError."""
    asked = _Families(transport, cache, market.type)
    kept = await asked.read((family_of(market),), (market,), anew=anew)
    return of_market("OKX", kept, market, currency_of)


async def tiers_of_all(
    transport: Calls, cache: TierCache, markets: Iterable[Market], market_type: MarketType, *, anew: bool
) -> TiersRead:
    """The tiers of all markets of a type. Families that can't be read are a part that says so. Raises VenueError."""
    asked = _Families(transport, cache, market_type)
    groups = {", ".join(families): (families, found) for families, found in _groups(markets)}
    reads = (attempted(asked.read(families, found, anew=anew)) for families, found in groups.values())
    read = dict(zip(groups, await asyncio.gather(*reads), strict=True))
    if not any(isinstance(answer, KeptTiers) for answer in read.values()):
        raise next(answer for answer in read.values() if isinstance(answer, VenueError))
    return of_all(read, {name: found for name, (_, found) in groups.items()}, currency_of)


def _groups(markets: Iterable[Market]) -> Iterator[tuple[tuple[str, ...], list[Market]]]:
    by_family = [(name, list(found)) for name, found in groupby(sorted(markets, key=family_of), family_of)]
    for start in range(0, len(by_family), FAMILIES_AT_ONCE):
        chosen = by_family[start : start + FAMILIES_AT_ONCE]
        yield tuple(name for name, _ in chosen), [market for _, found in chosen for market in found]


class _Families:
    """Asks for the tiers of families of one instrument type."""

    def __init__(self, transport: Calls, cache: TierCache, market_type: MarketType) -> None:
        self._transport = transport
        self._cache = cache
        self._type = INSTRUMENT_TYPES[market_type]

    async def read(self, families: tuple[str, ...], markets: Iterable[Market], *, anew: bool) -> KeptTiers:
        question = f"{self._type} {','.join(families)}"
        return await self._cache.of(question, lambda: self._ask(families, tuple(markets)), anew=anew)

    async def _ask(self, families: tuple[str, ...], markets: tuple[Market, ...]) -> KeptTiers:
        as_of = self._transport.now()
        params = {"instType": self._type, "tdMode": "cross", "instFamily": ",".join(families)}
        rows = items(await self._transport.call("publicGetPublicPositionTiers", params), TIERS)
        by_family = _by_family(rows, families)
        found, problem = dict[str, tuple[LeverageTier, ...]](), None
        for market in markets:
            try:
                if ladder := by_family.get(family_of(market)):
                    found[market.id] = _ladder(ladder, market)
            except Ambiguous as error:
                problem = problem or f"{error.message} ({TIERS}, {market.id})"
        return KeptTiers(as_of, found, problem)


def _by_family(rows: Iterable[Row], families: tuple[str, ...]) -> dict[str, list[Row]]:
    """Rows by the family that they name; where one alone was asked for they need not."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        name = row.get("instFamily") or row.get("uly") or (families[0] if len(families) == 1 else "")
        found.setdefault(str(name), []).append(row)
    return found


def _ladder(rows: list[Row], market: Market) -> tuple[LeverageTier, ...]:
    return tuple(sorted((_tier(row, market) for row in rows), key=lambda tier: tier.notional_floor))


def _tier(row: Row, market: Market) -> LeverageTier:
    floor, cap = (shape.decimal(row, name) * market.contract_size for name in ("minSz", "maxSz"))
    return tier(floor, cap, shape.decimal(row, "maxLever"), shape.decimal(row, "mmr"))
