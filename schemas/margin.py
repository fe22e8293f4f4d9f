"""How near accounts are to liquidation: what is asked for, and what is told of each pool of margin."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .base import Milliseconds, Money, Number, WireModel
from .replies import AccountData, RawObject, Side
from .requests import MarginMode, Request, SymbolRequest


class GetMarginHealth(Request):
    """Read how near an account is to liquidation, pool by pool, as the venue tells it now."""


MOST_MARGIN = 10**12
"""Far above what anybody moves. Beyond it a number is a mistake, and may have hundreds of digits."""


class MoveMargin(SymbolRequest):
    """Move money between an account and one of its isolated positions."""

    amount: Annotated[
        Number,
        Field(
            gt=0,
            le=MOST_MARGIN,
            description="How much, in the settle currency of the market",
            examples=[10],
            # The type's own JSON Schema would drop the bounds.
            json_schema_extra={"exclusiveMinimum": 0, "maximum": MOST_MARGIN},
        ),
    ]
    position_side: Annotated[
        Side | None, Field(description="Which position is meant, where both sides of the market are open")
    ] = None


class AddMargin(MoveMargin):
    """Add margin to an isolated position, out of what the account has free. Moves money: sent once at most."""


class RemoveMargin(MoveMargin):
    """Take margin out of an isolated position, back into the account. Moves money: sent once at most."""


class MarginMoved(AccountData):
    """Answer to add_margin and remove_margin. Margin is the position's own, without its unrealized profit and loss."""

    success: bool
    symbol: str
    position_side: Side
    amount: Annotated[Money, Field(description="What was moved, in `currency`; always positive")]
    currency: str
    margin_before: Annotated[Money, Field(description="Before it was sent")]
    margin_after: Annotated[
        Money | None, Field(description="As it was read afterwards; null where it could not be read at once")
    ]
    response: RawObject


class FigureSource(StrEnum):
    """Whether a figure is the venue's own, or made here out of figures that are."""

    VENUE = "venue"
    DERIVED = "derived"


class VenueRatio(WireModel):
    """The venue's own measure of a pool's margin, unchanged. Some grow with the danger and some shrink: see `name`."""

    name: Annotated[str, Field(description="The venue's field, such as uniMMR, accountMMRate, mgnRatio")]
    value: Money


class NearestLiquidation(WireModel):
    """The position whose liquidation price is nearest to its mark price."""

    symbol: str
    side: Side
    mark_price: Annotated[Money, Field(description="In quote currency")]
    mark_price_source: Annotated[
        FigureSource, Field(description="`derived` where the venue tells a value and a size, and no price")
    ]
    liquidation_price: Annotated[Money, Field(description="In quote currency, as the venue estimates it")]
    distance_percent: Annotated[
        Money,
        Field(
            description="How far the mark price has to move to get there, in percent of it; below 0 where it is beyond"
        ),
    ]


class UnreadMargin(WireModel):
    """A part of an account whose margin could not be read whole, while that of others was."""

    part: str
    reason: str


class MarginPool(WireModel):
    """Margin that stands for the same positions: an account's cross margin, of one currency where the venue keeps them
    apart, or an isolated position's own.

    What is null is not told by the venue, and `untold` says why, field by field.
    """

    pool: Annotated[str, Field(description="Its name, the same at every reading, such as linear/USDT")]
    part: Annotated[str, Field(description="The part of the account that it is in, as in `coverage`")]
    margin_mode: MarginMode
    symbol: Annotated[str | None, Field(description="Of an isolated position; null for a cross pool")]
    side: Annotated[Side | None, Field(description="Of an isolated position; null for a cross pool")]
    currency: Annotated[str | None, Field(description="The venue's, for equity and maintenance margin, such as USD")]
    equity: Annotated[Money | None, Field(description="Margin with unrealized profit and loss, as the venue counts it")]
    maintenance_margin: Annotated[Money | None, Field(description="What equity must not fall to")]
    margin_ratio: Annotated[
        Money | None,
        Field(
            description="The same on every venue: 0 with nothing at risk, 1 where the venue liquidates. "
            "Maintenance margin over equity, unless the venue's rule is another"
        ),
    ]
    margin_ratio_source: FigureSource | None
    is_liquidatable: Annotated[
        bool | None,
        Field(description="Whether the ratio is 1 or more, or there is no equity left to make one; null if unknown"),
    ]
    venue_ratio: Annotated[VenueRatio | None, Field(description="Null where the venue has none of its own")]
    status: Annotated[
        str | None, Field(description="The venue's own word for the account's state; null if it has none")
    ]
    positions: Annotated[int, Field(ge=0, description="Open positions that it stands for")]
    nearest_liquidation: NearestLiquidation | None
    untold: Annotated[
        dict[str, str], Field(default_factory=dict, description="By the name of a field that is null: why it is")
    ]


class MarginLevel(StrEnum):
    """How near a pool is to liquidation, by the thresholds that the account is registered with."""

    OK = "ok"
    WARN = "warn"
    CRITICAL = "critical"


class Crossing(StrEnum):
    """Which way a threshold was crossed: up is towards liquidation."""

    UP = "up"
    DOWN = "down"


class MarginHealth(AccountData):
    """Answer to get_margin_health: the pools of an account, with what could not be read of them."""

    as_of: Annotated[Milliseconds, Field(description="When the venue was asked")]
    coverage: Annotated[tuple[str, ...], Field(description="The parts of the account whose margin was read whole")]
    unread: tuple[UnreadMargin, ...]
    pools: tuple[MarginPool, ...]
    worst_ratio: Annotated[
        Money | None, Field(description="The highest margin ratio of all pools; null where none has one")
    ]
    nearest_liquidation: Annotated[NearestLiquidation | None, Field(description="The nearest of all pools")]
