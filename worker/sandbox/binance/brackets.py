"""Leverage brackets: the larger a position, the less leverage it may have and the more margin it must keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Bracket:
    """One bracket. `floor` and `cap` are in quote currency for linear contracts, in base currency for inverse ones.

    `cum` is the maintenance amount: it makes the maintenance margin continuous where two brackets meet.
    """

    bracket: int
    initial_leverage: int
    floor: int
    cap: int
    ratio: Decimal
    cum: Decimal


def ladder(*steps: tuple[int, int, str]) -> tuple[Bracket, ...]:
    """Brackets from rows of highest leverage, cap and maintenance margin ratio, the smallest positions first."""
    brackets: list[Bracket] = []
    floor, ratio, cum = 0, Decimal(0), Decimal(0)
    for number, (leverage, cap, step_ratio) in enumerate(steps, start=1):
        cum += floor * (Decimal(step_ratio) - ratio) if brackets else 0
        ratio = Decimal(step_ratio)
        brackets.append(Bracket(number, leverage, floor, cap, ratio, cum))
        floor = cap
    return tuple(brackets)


def bracket_of(brackets: Sequence[Bracket], size: Decimal) -> Bracket:
    """The bracket that a position of this size falls into; beyond the last one, the last one."""
    return next((bracket for bracket in brackets if size < bracket.cap), brackets[-1])


def highest_leverage(brackets: Sequence[Bracket]) -> int:
    """The highest leverage of a symbol, that of its first bracket."""
    return brackets[0].initial_leverage


def cap_at(brackets: Sequence[Bracket], leverage: int) -> int:
    """The largest position that may be held at a leverage."""
    return max(bracket.cap for bracket in brackets if bracket.initial_leverage >= leverage)


BTC = ladder(
    (125, 300_000, "0.004"),
    (100, 800_000, "0.005"),
    (75, 3_000_000, "0.0065"),
    (50, 12_000_000, "0.01"),
    (25, 70_000_000, "0.02"),
    (20, 100_000_000, "0.025"),
    (10, 230_000_000, "0.05"),
    (5, 480_000_000, "0.1"),
    (4, 600_000_000, "0.125"),
    (3, 800_000_000, "0.15"),
    (2, 1_200_000_000, "0.25"),
    (1, 1_800_000_000, "0.5"),
)
ETH = ladder(
    (100, 50_000, "0.005"),
    (75, 1_000_000, "0.0065"),
    (50, 5_000_000, "0.01"),
    (25, 30_000_000, "0.02"),
    (20, 50_000_000, "0.025"),
    (10, 100_000_000, "0.05"),
    (5, 200_000_000, "0.1"),
    (4, 300_000_000, "0.125"),
    (2, 500_000_000, "0.25"),
    (1, 800_000_000, "0.5"),
)
ALTCOIN = ladder(
    (75, 10_000, "0.01"),
    (50, 60_000, "0.015"),
    (25, 400_000, "0.02"),
    (20, 1_000_000, "0.025"),
    (10, 5_000_000, "0.05"),
    (5, 10_000_000, "0.1"),
    (2, 20_000_000, "0.25"),
    (1, 30_000_000, "0.5"),
)
DELIVERY = ladder(
    (50, 375_000, "0.01"),
    (25, 1_000_000, "0.02"),
    (10, 5_000_000, "0.05"),
    (5, 12_000_000, "0.1"),
    (2, 25_000_000, "0.25"),
    (1, 50_000_000, "0.5"),
)
BTC_QUOTED = ladder(
    (50, 100, "0.01"),
    (20, 500, "0.02"),
    (10, 2_000, "0.05"),
    (5, 5_000, "0.1"),
    (2, 10_000, "0.25"),
    (1, 20_000, "0.5"),
)
COIN_BTC = ladder(
    (125, 5, "0.004"),
    (100, 10, "0.005"),
    (50, 20, "0.01"),
    (20, 50, "0.025"),
    (10, 100, "0.05"),
    (5, 200, "0.1"),
    (4, 400, "0.125"),
    (3, 1_000, "0.15"),
    (2, 1_500, "0.25"),
    (1, 2_000, "0.5"),
)
COIN_ETH = ladder(
    (100, 50, "0.005"),
    (75, 100, "0.0065"),
    (50, 500, "0.01"),
    (20, 1_000, "0.025"),
    (10, 2_000, "0.05"),
    (5, 5_000, "0.1"),
    (2, 10_000, "0.25"),
    (1, 20_000, "0.5"),
)
