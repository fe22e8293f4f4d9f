"""How much is measured: all of it in at most ten minutes, or the most of it in two."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Rounds and calls. A length of 0 s leaves a row out."""

    rounds: int
    desk: Mapping[int, int]
    """Calls of a round, by how many are made at once."""
    documented_s: float
    growth_rounds: int
    growth_accounts: tuple[int, ...]
    growth_kept: tuple[int, ...]
    refusals_s: float
    soak_s: float
    crowds: tuple[int, ...]
    """Accounts whose venues push, at all of them."""
    whole: bool
    """Whether the costs of ledger, limits and memory are measured too."""


FULL = Scale(
    rounds=4,
    desk={1: 30, 16: 160, 64: 384},
    documented_s=5,
    growth_rounds=2,
    growth_accounts=(1, 100, 1_000),
    growth_kept=(10_000, 100_000, 1_000_000),
    refusals_s=75,
    soak_s=40,
    crowds=(1, 100, 1_000),
    whole=True,
)
QUICK = Scale(
    rounds=2,
    desk={1: 16, 16: 64, 64: 192},
    documented_s=0,
    growth_rounds=1,
    growth_accounts=(1, 100),
    growth_kept=(10_000, 100_000),
    refusals_s=15,
    soak_s=0,
    crowds=(10, 100),
    whole=False,
)
