"""How near a Hyperliquid account is to liquidation: a pool of cross margin on each dex, and each isolated position.

Source: info endpoint, clearinghouseState, and documentation, "Liquidations"; read 2026-11-30. All of it is in the
answer that tells the positions, so that nothing more is asked. A dex liquidates cross positions when the account value
that they share (`crossMarginSummary`) is below `crossMaintenanceMarginUsed`. Of an isolated position it tells the
margin, its profit included (`marginUsed`), and no maintenance margin. It tells a position's value and size, and no mark
price.
"""

from collections.abc import Sequence
from typing import Any

from schemas.margin import FigureSource, MarginPool
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.hyperliquid.positions import position_in
from worker.venues.parsing import fields as shape
from worker.venues.reading.margin import PoolFigures, cross_pool, isolated_pool

STATE = "clearinghouseState"
NO_MAINTENANCE = "Hyperliquid tells no maintenance margin of an isolated position"
UNTOLD = {"maintenance_margin": NO_MAINTENANCE, "margin_ratio": NO_MAINTENANCE}

Pairs = Sequence[tuple[Position, Any]]


def pools_of(body: Any, dex: str, collateral: str | None, pairs: Pairs, *, held_only: bool) -> tuple[MarginPool, ...]:
    """The pools in the state of an account on a dex; none where it holds nothing. Raises Ambiguous."""
    row = shape.mapping(body, STATE)
    cross = [position for position, _ in pairs if position.margin_mode is MarginMode.CROSS]
    with shape.ReadFrom(STATE):
        shared = shape.mapping(row.get("crossMarginSummary"), "crossMarginSummary")
        equity = shape.decimal(shared, "accountValue")
        figures = PoolFigures(collateral, equity, shape.decimal(row, "crossMaintenanceMarginUsed"))
        own = tuple(
            isolated_pool(dex, _isolated(held, collateral), position, FigureSource.DERIVED)
            for position, held in pairs
            if position.margin_mode is MarginMode.ISOLATED
        )
    pool = cross_pool("cross", dex, figures, cross, FigureSource.DERIVED)
    return (pool, *own) if cross or (equity and not held_only) else own


def _isolated(held: Any, collateral: str | None) -> PoolFigures:
    return PoolFigures(collateral, shape.decimal(position_in(held), "marginUsed"), None, untold=dict(UNTOLD))
