"""Margin tiers of Hyperliquid's perpetuals, in the currency that a dex is margined in.

Sources: documentation, "Margin tiers" (from `lowerBound` on a position has at most `maxLeverage`; its maintenance
margin is half of the initial margin at that leverage) and info endpoint "allPerpMetas" (`marginTables` by id,
`marginTableId` of each perpetual). Where a table is not told, the perpetual has one tier, with its own `maxLeverage`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from schemas.replies import LeverageTier
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.instruments import max_leverage_of
from worker.venues.hyperliquid.limits import INFO
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.tiers import KeptTiers, TierCache, kept_tiers, tier

ALL = "allPerpMetas"
ZERO = Decimal(0)


def currency_of(market: Market) -> str:
    """In which the bounds are: what the dex is margined in."""
    return market.settle


async def read_tiers(transport: Calls, cache: TierCache, *, anew: bool) -> KeptTiers:
    """The tiers of all perpetuals of all dexes, by coin: one question tells them all. Raises VenueError."""
    return await cache.of(ALL, lambda: _ask(transport), anew=anew)


async def _ask(transport: Calls) -> KeptTiers:
    as_of = transport.now()
    metas = await transport.call(INFO, {"type": ALL})
    if not isinstance(metas, list):
        raise Ambiguous(f"the answer to {ALL} is no list", raw=metas)
    rows = [(_tables(meta), row) for meta in metas if isinstance(meta, dict) for row in _universe(meta)]

    def read(pair: Row) -> tuple[str, tuple[LeverageTier, ...]]:
        with shape.ReadFrom(f"POST /info {ALL}", str(pair["row"].get("name"))):
            return shape.text(pair["row"], "name"), tuple(_ladder(pair["row"], pair["tables"]))

    return await kept_tiers([{"tables": tables, "row": row} for tables, row in rows], read, as_of)


def _universe(meta: Row) -> list[Row]:
    rows = meta.get("universe")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _tables(meta: Row) -> Mapping[object, Any]:
    """The tables of a dex by their ids."""
    tables = meta.get("marginTables")
    pairs = (pair for pair in (tables if isinstance(tables, list) else ()) if isinstance(pair, list))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and isinstance(pair[0], int)}


def _ladder(row: Row, tables: Mapping[object, Any]) -> Iterator[LeverageTier]:
    table = tables.get(row.get("marginTableId"))
    if table is None:
        yield _tier(ZERO, None, Decimal(max_leverage_of(row)))
        return
    told = shape.rows(shape.mapping(table, "a margin table").get("marginTiers"), "the tiers of a margin table")
    steps = sorted((shape.decimal(step, "lowerBound"), shape.decimal(step, "maxLeverage")) for step in told)
    if not steps:
        raise Ambiguous("the field marginTiers of the venue's answer is empty", raw=table)
    for (floor, leverage), following in zip(steps, [*steps[1:], None], strict=True):
        yield _tier(floor, following[0] if following else None, leverage)


def _tier(floor: Decimal, cap: Decimal | None, leverage: Decimal) -> LeverageTier:
    if leverage <= 0:
        raise Ambiguous("the field maxLeverage of the venue's answer is unreadable")
    return tier(floor, cap, leverage, 1 / (2 * leverage))
