"""Risk limit tiers of Gate's contracts, in settle currency.

Source, read 2026-11-30: gate-api 7.2.161, "Query risk limit tiers" of futures and of delivery. `risk_limit` is what a
position may be worth up to, `leverage_max` the most leverage it may have then, `maintenance_rate` what it must keep.
Without a contract its tiers are those of a hundred contracts, and `limit` and `offset` count contracts, not rows; only
then a row names its contract.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

from schemas.replies import LeverageTier
from worker.venues.client.transport import Calls
from worker.venues.gate.endpoints import GatePart
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.tiers import KeptTiers, TierCache, tier

PAGE = 100
"""Contracts of one answer: what Gate gives where nothing is asked for. No document says how many it would give."""

ZERO = Decimal(0)


def currency_of(market: Market) -> str:
    """In which the bounds are."""
    return market.settle


class GateTiers:
    """The tiers of contracts, each part's kept for an hour."""

    def __init__(self, transport: Calls, cache: TierCache) -> None:
        self._transport = transport
        self._cache = cache

    async def of_part(self, part: GatePart, *, anew: bool = False) -> KeptTiers:
        """The tiers of all contracts of a part, by their names. Raises VenueError."""
        return await self._cache.of(part.coverage, lambda: self._ask_all(part), anew=anew)

    async def of(self, part: GatePart, market: Market, *, anew: bool = False) -> KeptTiers:
        """The tiers of one contract, asked for alone unless all are known. Raises VenueError."""
        if not anew and (known := self._cache.known(part.coverage)) is not None and market.id in known.by_id:
            return known
        return await self._cache.of(f"{part.coverage} {market.id}", lambda: self._ask(part, market), anew=anew)

    async def _ask(self, part: GatePart, market: Market) -> KeptTiers:
        as_of = self._transport.now()
        rows = await self._rows(part, {"contract": market.id})
        return _kept(((market.id, rows),), part, as_of)

    async def _ask_all(self, part: GatePart) -> KeptTiers:
        as_of, by_name = self._transport.now(), dict[str, list[Row]]()
        while True:
            page = await self._rows(part, {"limit": PAGE, "offset": len(by_name)})
            names = {shape.text(row, "contract") for row in page}
            if not names - by_name.keys():
                return _kept(by_name.items(), part, as_of)
            for row in page:
                by_name.setdefault(row["contract"], []).append(row)

    async def _rows(self, part: GatePart, params: Row) -> list[Row]:
        body = await self._transport.call(part.endpoints.tiers, {"settle": part.settle} | params)
        with shape.ReadFrom(_where(part)):
            return shape.rows(body, _where(part))


def _where(part: GatePart) -> str:
    return f"GET {part.path}/risk_limit_tiers"


def _kept(rows_by_name: Iterable[tuple[str, list[Row]]], part: GatePart, as_of: int) -> KeptTiers:
    found, problem = dict[str, tuple[LeverageTier, ...]](), None
    for name, rows in rows_by_name:
        try:
            with shape.ReadFrom(_where(part), name):
                found[name] = _ladder(rows)
        except Ambiguous as error:
            problem = problem or error.message
    return KeptTiers(as_of, found, problem)


def _ladder(rows: list[Row]) -> tuple[LeverageTier, ...]:
    if not rows:
        raise Ambiguous("there is no tier", raw=rows)
    steps = sorted((_step(row) for row in rows), key=lambda step: step[0])
    floors = [ZERO, *(cap for cap, _, _ in steps)]
    bounds = zip(pairwise(floors), steps, strict=True)
    return tuple(tier(floor, cap, leverage, rate) for (floor, cap), (_, leverage, rate) in bounds)


def _step(row: Row) -> tuple[Decimal, Decimal, Decimal]:
    cap, leverage, rate = (shape.decimal(row, name) for name in ("risk_limit", "leverage_max", "maintenance_rate"))
    return cap, leverage, rate
