"""When a pool of margin is in danger: levels with hysteresis, as values apart from the telling.

ratio  0 ───── warn - h ───── warn ───── critical - h ───── critical ───── 1
up                            └▶ warn                       └▶ critical
down   ◀── ok                            ◀── warn
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from schemas.margin import Crossing, MarginLevel, MarginPool
from worker.accounts.account import MarginThresholds

ORDER = tuple(MarginLevel)
"""From the best to the worst."""

Levels = Mapping[str, MarginLevel]
"""By pool; a pool that is not in it is ok."""


@dataclass(frozen=True, slots=True)
class PoolCrossing:
    """A pool went from one level to another; None for a pool that is gone with its positions."""

    pool: str
    before: MarginLevel
    after: MarginLevel
    shown: MarginPool | None

    @property
    def direction(self) -> Crossing:
        """Towards liquidation is up."""
        return Crossing.UP if ORDER.index(self.after) > ORDER.index(self.before) else Crossing.DOWN

    def threshold(self, thresholds: MarginThresholds) -> Decimal:
        """The ratio that was crossed: the one that was reached, or the lowest of those that were left behind."""
        if self.direction is Crossing.UP:
            return _from(self.after, thresholds)
        return _from(ORDER[ORDER.index(self.after) + 1], thresholds)


def level_of(pool: MarginPool, before: MarginLevel, thresholds: MarginThresholds) -> MarginLevel:
    """The level of a pool that was at another before. One whose ratio is not known stays where it was."""
    if pool.is_liquidatable:
        return MarginLevel.CRITICAL
    ratio = pool.margin_ratio
    if ratio is None:
        return before
    reached = [level for level in ORDER[1:] if ratio >= _from(level, thresholds)]
    kept = [
        level
        for level in ORDER[1 : ORDER.index(before) + 1]
        if ratio >= _from(level, thresholds) - thresholds.hysteresis
    ]
    return max((MarginLevel.OK, *reached, *kept), key=ORDER.index)


def levels_of(
    pools: tuple[MarginPool, ...], unread: frozenset[str], before: Levels, thresholds: MarginThresholds
) -> dict[str, MarginLevel]:
    """The levels of pools as they were read. Those of a part that could not be read stay what they were.

    The name of a pool begins with its part.
    """
    after = {pool.pool: level_of(pool, before.get(pool.pool, MarginLevel.OK), thresholds) for pool in pools}
    blind = {name: level for name, level in before.items() if name not in after and _is_in(name, unread)}
    return {name: level for name, level in (after | blind).items() if level is not MarginLevel.OK}


def crossings(pools: tuple[MarginPool, ...], before: Levels, after: Levels) -> Iterator[PoolCrossing]:
    """The pools whose level is another than before, by name."""
    shown = {pool.pool: pool for pool in pools}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, MarginLevel.OK), after.get(name, MarginLevel.OK)
        if was is not now:
            yield PoolCrossing(name, was, now, shown.get(name))


def worst(levels: Levels) -> MarginLevel:
    """The worst of all."""
    return max(levels.values(), key=ORDER.index, default=MarginLevel.OK)


def _from(level: MarginLevel, thresholds: MarginThresholds) -> Decimal:
    return {MarginLevel.WARN: thresholds.warn, MarginLevel.CRITICAL: thresholds.critical}[level]


def _is_in(pool: str, parts: frozenset[str]) -> bool:
    return any(pool == part or pool.startswith(f"{part}/") for part in parts)
