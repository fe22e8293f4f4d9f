"""Pools of margin in our terms: one ratio with one meaning, and which of its positions is nearest to liquidation.

margin ratio = maintenance margin / equity: 0 with nothing at risk, 1 where a venue liquidates
distance     = from mark price to liquidation price, in percent of the mark price

Nothing is made here out of prices: both are the venue's, or the source of the mark price says that it was derived.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeVar

from schemas.margin import FigureSource, MarginPool, NearestLiquidation, VenueRatio
from schemas.replies import Position
from schemas.requests import MarginMode

R = TypeVar("R")

RATIO, PERCENT = Decimal("0.000001"), Decimal("0.0001")
"""Places that are told of a ratio and of a distance."""

NO_POSITION = "no position is open"
NO_PRICE = "the venue names no liquidation price"
NO_EQUITY = "there is no equity left to make a ratio of"


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What a venue tells of a pool, in `currency`.

    A ratio of the venue's own that is ours already, or that was turned into it, is `ratio`; without one it is made of
    the other two. `untold` says of what is None why it is.
    """

    currency: str | None
    equity: Decimal | None
    maintenance: Decimal | None
    ratio: Decimal | None = None
    source: FigureSource = FigureSource.DERIVED
    venue_ratio: VenueRatio | None = None
    status: str | None = None
    untold: dict[str, str] = field(default_factory=dict)


class RowsOfParts:
    """The rows that the positions of each part were made of."""

    def __init__(self) -> None:
        self._pairs: dict[str, list[tuple[Position, Any]]] = {}

    def anew(self, part: str) -> list[tuple[Position, Any]]:
        """Where to note those of a part that is being read: a part that failed may be read once more."""
        self._pairs[part] = []
        return self._pairs[part]

    def of(self, parts: Iterable[str]) -> list[tuple[Position, Any]]:
        """Those of some parts."""
        return [pair for part in parts for pair in self._pairs.get(part, ())]


def noting(read: Callable[[R], Position | None], pairs: list[tuple[Position, R]]) -> Callable[[R], Position | None]:
    """The same reading of a row, which also notes each position with the row that it was made of."""

    def position(row: R) -> Position | None:
        found = read(row)
        if found is not None:
            pairs.append((found, row))
        return found

    return position


def cross_pool(
    name: str,
    part: str,
    figures: PoolFigures,
    positions: Iterable[Position],
    marks: FigureSource = FigureSource.VENUE,
) -> MarginPool:
    """The margin that several positions share."""
    return _pool(part, figures, tuple(positions), marks, name=f"{part}/{name}" if name else part)


def isolated_pool(
    part: str, figures: PoolFigures, position: Position, marks: FigureSource = FigureSource.VENUE
) -> MarginPool:
    """An isolated position's own margin."""
    return _pool(part, figures, (position,), marks, isolated=position)


def settle_of(position: Position) -> str:
    """The currency that a position is settled in.

    >>> from types import SimpleNamespace as Row
    >>> settle_of(Row(symbol="BTC/USDT:USDT-261225")), settle_of(Row(symbol="BTC/USD:BTC"))
    ('USDT', 'BTC')
    """
    return position.symbol.rpartition(":")[2].partition("-")[0]


def derived(equity: Decimal | None, maintenance: Decimal | None) -> Decimal | None:
    """Maintenance margin over equity; None where there is no equity for it, or a figure is missing."""
    if equity is None or maintenance is None or equity < 0:
        return None
    if not maintenance:
        return Decimal(0)
    return maintenance / equity if equity else None


def inverted(ratio: Decimal | None, liquidated_at: Decimal = Decimal(1)) -> Decimal | None:
    """Our ratio out of one that shrinks towards `liquidated_at`; None where it is not positive."""
    return liquidated_at / ratio if ratio is not None and ratio > 0 else None


def nearest(positions: Sequence[Position], marks: FigureSource) -> NearestLiquidation | None:
    """The position that is nearest to its liquidation price, of those of which the venue names one."""
    return nearest_of(filter(None, (_distance(position, marks) for position in positions)))


def nearest_of(found: Iterable[NearestLiquidation]) -> NearestLiquidation | None:
    """The nearest of several."""
    return min(found, key=lambda one: one.distance_percent, default=None)


def _distance(position: Position, marks: FigureSource) -> NearestLiquidation | None:
    mark, price = position.mark_price, position.liquidation_price
    if not mark or price is None:
        return None
    way = mark - price if position.side == "long" else price - mark
    return NearestLiquidation(
        symbol=position.symbol,
        side=position.side,
        mark_price=mark,
        mark_price_source=marks,
        liquidation_price=price,
        distance_percent=(way / mark * 100).quantize(PERCENT, ROUND_HALF_EVEN),
    )


def _pool(
    part: str,
    figures: PoolFigures,
    positions: tuple[Position, ...],
    marks: FigureSource,
    *,
    name: str = "",
    isolated: Position | None = None,
) -> MarginPool:
    told, near = figures.ratio is not None, nearest(positions, marks)
    ratio = figures.ratio if told else derived(figures.equity, figures.maintenance)
    untold = dict(figures.untold)
    if ratio is None:
        untold.setdefault("margin_ratio", NO_EQUITY)
    if near is None:
        untold.setdefault("nearest_liquidation", NO_PRICE if positions else NO_POSITION)
    return MarginPool(
        pool=name if isolated is None else f"{part}/{isolated.symbol}/{isolated.side}",
        part=part,
        margin_mode=MarginMode.CROSS if isolated is None else MarginMode.ISOLATED,
        symbol=isolated and isolated.symbol,
        side=isolated and isolated.side,
        currency=figures.currency,
        equity=figures.equity,
        maintenance_margin=figures.maintenance,
        margin_ratio=None if ratio is None else ratio.quantize(RATIO, ROUND_HALF_EVEN),
        margin_ratio_source=None if ratio is None else figures.source if told else FigureSource.DERIVED,
        is_liquidatable=_is_liquidatable(figures, ratio),
        venue_ratio=figures.venue_ratio,
        status=figures.status,
        positions=len(positions),
        nearest_liquidation=near,
        untold=untold,
    )


def _is_liquidatable(figures: PoolFigures, ratio: Decimal | None) -> bool | None:
    if ratio is not None:
        return ratio >= 1
    return True if figures.equity is not None and figures.equity <= 0 else None
