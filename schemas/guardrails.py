"""Guardrails: what commands may do at most, be it by the registry of accounts or by the claims of a token."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from .base import Number, WireModel
from .requests import MOST_LEVERAGE, MarginMode, Symbol

Name = TypeVar("Name", bound=str)


def _in_order(names: tuple[Name, ...]) -> tuple[Name, ...]:
    return tuple(sorted(set(names)))


Leverage = Annotated[
    Number,
    Field(gt=0, le=MOST_LEVERAGE, json_schema_extra={"exclusiveMinimum": 0, "maximum": MOST_LEVERAGE}),
]


class Guardrail(StrEnum):
    """The rules, as they are called in the registry, in claims and in what is told of a refusal."""

    MAX_LEVERAGE = "max_leverage"
    MAX_LEVERAGE_OF = "max_leverage_of"
    MARGIN_MODES = "margin_modes"
    OPERATIONS = "operations"
    ONLY_LOWER_WHILE_OPEN = "only_lower_while_open"


class Guardrails(WireModel):
    """What commands may do at most. A rule that is null forbids nothing; queries are not concerned."""

    max_leverage: Annotated[Leverage | None, Field(description="The highest leverage that may be set")] = None
    max_leverage_of: dict[Symbol, Leverage] = Field(
        default_factory=dict, description="The same for some markets, in place of `max_leverage`"
    )
    margin_modes: Annotated[
        Annotated[tuple[MarginMode, ...], AfterValidator(_in_order)] | None,
        Field(description="The margin modes that may be set"),
    ] = None
    operations: Annotated[
        Annotated[tuple[Annotated[str, Field(max_length=64)], ...], AfterValidator(_in_order)] | None,
        Field(description="The commands that are allowed, by their names"),
    ] = None
    only_lower_while_open: Annotated[
        bool, Field(description="While the market has an open position, its leverage may only be lowered")
    ] = False

    def highest(self, symbol: str | None) -> Decimal | None:
        """The highest leverage that a market may have; None for any."""
        return self.max_leverage_of.get(symbol or "", self.max_leverage)


UNGUARDED = Guardrails()
"""Nothing is forbidden."""
