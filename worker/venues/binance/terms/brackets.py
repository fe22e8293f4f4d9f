"""Leverage brackets of Binance markets: how much leverage a position of a size may have, and how high one may be.

Sources, read 2026-11-30 in the official clients: "Notional and Leverage Brackets" (USDⓈ-M, in quote currency),
"Notional Bracket for Symbol" (COIN-M, in coins, whose floor is spelt `qtylFloor`), and the same of Portfolio Margin.
Brackets differ from account to account, and `notionalCoef` says by how much. That the bounds have it already is a guess
by an answer in ccxt #16667, whose bounds are 1.5 times those that others had.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

import orjson

from schemas.replies import LeverageTier
from worker.venues.binance.endpoints import BinanceEndpoints, spoken
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, ValueRefused, VenueError
from worker.venues.reading.tiers import KeptTiers, TierCache, kept_tiers, tier

FLOORS = ("notionalFloor", "qtyFloor", "qtylFloor")
CAPS = ("notionalCap", "qtyCap")

MOST_MARKETS = 64
"""Markets whose brackets are kept beside those of all, because they were asked for by themselves."""


def currency_of(market: Market) -> str:
    """In which the bounds are: quote currency, or coins."""
    return market.base if market.inverse else market.quote


class Brackets:
    """The brackets of one account's markets, kept for an hour."""

    def __init__(self, transport: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._cache = TierCache(MOST_MARKETS, clock)

    async def of_all(self, endpoints: BinanceEndpoints, *, anew: bool = False) -> KeptTiers:
        """Those of all markets of a kind, by their ids. Raises VenueError."""
        return await self._cache.of(endpoints.brackets, lambda: self._ask(endpoints, None), anew=anew)

    async def of(self, endpoints: BinanceEndpoints, market: Market, *, anew: bool = False) -> KeptTiers:
        """Those of a market among others, as they were within the hour, or of it alone as they are now."""
        of_all, alone = endpoints.brackets, f"{endpoints.brackets} {market.id}"
        if anew:
            return await self._cache.of(alone, lambda: self._ask(endpoints, market), anew=True)
        if (kept := self._cache.known(alone, of_all)) is not None:
            return kept
        return await self._cache.of(of_all, lambda: self._ask(endpoints, None))

    async def _ask(self, endpoints: BinanceEndpoints, market: Market | None) -> KeptTiers:
        asked, as_of = spoken(endpoints.brackets), self._transport.now()
        body = await self._transport.call(endpoints.brackets, {"symbol": market.id} if market else {})
        # USDⓈ-M answers an object for one symbol, all others a list.
        rows = [body] if isinstance(body, dict) and "symbol" in body else shape.rows(body, asked)

        def read(row: Row) -> tuple[str, tuple[LeverageTier, ...]]:
            with shape.ReadFrom(asked, str(row.get("symbol"))):
                return shape.text(row, "symbol"), _tiers(row)

        return await kept_tiers(rows, read, as_of)


def _tiers(row: Row) -> tuple[LeverageTier, ...]:
    brackets = shape.rows(row.get("brackets"), "the brackets of a market")
    if not brackets:
        raise Ambiguous("the field brackets of the venue's answer is empty", raw=row)
    return _as_written(orjson.dumps(brackets))


@lru_cache(maxsize=2_048)
def _as_written(brackets: bytes) -> tuple[LeverageTier, ...]:
    """The tiers of a market. Most accounts have the same, and are told them one by one: each is read once."""
    return tuple(sorted(map(_tier, orjson.loads(brackets)), key=lambda tier: tier.notional_floor))


def _tier(bracket: Row) -> LeverageTier:
    floor, cap = (_bound(bracket, names) for names in (FLOORS, CAPS))
    leverage, rate = (shape.decimal(bracket, name) for name in ("initialLeverage", "maintMarginRatio"))
    return tier(floor, cap, leverage, rate)


def _bound(bracket: Row, names: tuple[str, ...]) -> Decimal:
    return shape.decimal(bracket, next((name for name in names if name in bracket), names[0]))


async def check_leverage(brackets: Brackets, endpoints: BinanceEndpoints, market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for a fraction or for more than the highest bracket allows now.

    Where the brackets can't be read, or there are none, nothing is raised: the venue itself will decide.
    """
    if leverage != leverage.to_integral_value() or leverage < 1:
        raise ValueRefused(f"Binance takes whole leverages from 1x on, not {leverage:f}x")
    for anew in (False, True):  # what was read within the hour may have been raised since, and only refuses read anew
        try:
            kept = await brackets.of(endpoints, market, anew=anew)
        except VenueError:
            return
        highest = max((tier.max_leverage for tier in kept.by_id.get(market.id, ())), default=leverage)
        if leverage <= highest:
            return
    raise ValueRefused(
        f"{market.symbol} takes 1x to {highest:.0f}x, not {leverage:f}x",
        details={"symbol": market.symbol, "minimum": 1, "maximum": int(highest)},
    )
