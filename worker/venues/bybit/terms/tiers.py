"""Risk limits of Bybit's contracts: in quote currency of linear ones, in coins of inverse ones.

Source, read 2026-11-30: V5 "Get Risk Limit" (`riskLimitValue` is what a position may be worth up to; of linear
contracts an answer holds fifteen, and a cursor names the next). Rates are told as fractions or, as in the example of
the page, in percent: an initial margin of 1 at 100x can only be percent, so that the two tell which it is.
"""

from decimal import Decimal
from itertools import pairwise

from schemas.replies import LeverageTier
from worker.venues.bybit.listing import Listing, named
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.tiers import KeptTiers, TierCache, tier

RISK_LIMITS = Listing("/v5/market/risk-limit", None, "public")

ZERO, PERCENT = Decimal(0), Decimal(100)
PER_CENT_FROM = Decimal(10)
"""Initial margin times leverage is about 1 where rates are fractions, and about 100 where they are percent."""


def currency_of(market: Market) -> str:
    """In which the bounds are."""
    return market.base if market.inverse else market.quote


class BybitTiers:
    """The risk limits of contracts, each category's kept for an hour."""

    def __init__(self, transport: Calls, cache: TierCache) -> None:
        self._transport = transport
        self._cache = cache

    async def of_category(self, category: str, *, anew: bool = False) -> KeptTiers:
        """Those of all contracts of a category, by their ids. Raises VenueError."""
        return await self._cache.of(category, lambda: self._ask({"category": category}), anew=anew)

    async def of(self, category: str, market: Market, *, anew: bool = False) -> KeptTiers:
        """Those of one contract, asked for alone unless all are known. Raises VenueError."""
        if not anew and (known := self._cache.known(category)) is not None and market.id in known.by_id:
            return known
        params = {"category": category, "symbol": market.id}
        return await self._cache.of(f"{category} {market.id}", lambda: self._ask(params), anew=anew)

    async def _ask(self, params: Row) -> KeptTiers:
        as_of, by_id = self._transport.now(), dict[str, list[Row]]()
        if "symbol" in params:
            rows, _ = await RISK_LIMITS.one_page(self._transport, params)
        else:
            rows = await RISK_LIMITS.rows(self._transport, params)
        for row in rows:
            by_id.setdefault(shape.text(row, "symbol"), []).append(row)
        found, problem = dict[str, tuple[LeverageTier, ...]](), None
        for market_id, limits in by_id.items():
            try:
                with named(limits[0], RISK_LIMITS.told):
                    found[market_id] = _ladder(limits)
            except Ambiguous as error:
                problem = problem or error.message
        return KeptTiers(as_of, found, problem)


def _ladder(rows: list[Row]) -> tuple[LeverageTier, ...]:
    steps = sorted((_step(row) for row in rows), key=lambda step: step[0])
    floors = [ZERO, *(cap for cap, _, _ in steps)]
    bounds = zip(pairwise(floors), steps, strict=True)
    return tuple(tier(floor, cap, leverage, rate) for (floor, cap), (_, leverage, rate) in bounds)


def _step(row: Row) -> tuple[Decimal, Decimal, Decimal]:
    cap, leverage = (shape.decimal(row, name) for name in ("riskLimitValue", "maxLeverage"))
    initial, rate = (shape.decimal(row, name) for name in ("initialMargin", "maintenanceMargin"))
    return cap, leverage, rate / PERCENT if initial * leverage >= PER_CENT_FROM else rate
