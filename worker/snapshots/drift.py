"""Drift: leverage or margin mode of an open position that changed, and not by a command of ours."""

from collections.abc import Iterable, Iterator

from schemas import Position, PositionSnapshot
from schemas.events import DriftedTerms
from schemas.requests import MarginMode
from worker.snapshots.explained_changes import Asked

MODES_OF_THEIR_OWN = frozenset({"okx"})
"""Venues where a margin mode is no setting: an order names it (OKX: tdMode), and a position keeps it to its end.

There cross and isolated positions of one symbol are different positions, side by side or one after the other.
"""

Place = tuple[str, str]
"""Symbol and side."""

Pair = tuple[Position, Position]
"""A position before and after."""


def changed_terms(before: PositionSnapshot, after: PositionSnapshot) -> list[DriftedTerms]:
    """Positions of both snapshots whose leverage or margin mode is not what it was.

    One that was opened or closed between them has changed no terms.
    """
    pairs = _pairs(before, after)
    return [
        DriftedTerms(
            symbol=now.symbol,
            side=now.side,
            leverage_before=then.leverage,
            leverage=now.leverage,
            margin_mode_before=then.margin_mode,
            margin_mode=now.margin_mode,
        )
        for then, now in pairs
        if (then.leverage, then.margin_mode) != (now.leverage, now.margin_mode)
    ]


def from_outside(changed: Iterable[DriftedTerms], asked: list[Asked]) -> tuple[DriftedTerms, ...]:
    """Those of the changes that no command of ours has asked for."""
    return tuple(terms for terms in changed if not _is_ours(terms, asked))


def _is_ours(terms: DriftedTerms, asked: list[Asked]) -> bool:
    if terms.margin_mode != terms.margin_mode_before:
        # A venue may keep a leverage for each margin mode (Gate does), so that a new mode brings a new leverage.
        return any(row.explains_mode(terms.symbol, terms.margin_mode) for row in asked)
    return any(row.explains_leverage(terms.symbol, terms.leverage) for row in asked)


def _pairs(before: PositionSnapshot, after: PositionSnapshot) -> Iterator[Pair]:
    modes_before, modes_after = _by_place(before), _by_place(after)
    modes_are_kept = after.exchange in MODES_OF_THEIR_OWN
    for place, modes in modes_after.items():
        if place in modes_before:
            yield from _at(modes_before[place], modes, modes_are_kept=modes_are_kept)


def _at(before: dict[MarginMode, Position], after: dict[MarginMode, Position], *, modes_are_kept: bool) -> list[Pair]:
    """The same positions of one symbol and side: those of one mode, and one whose mode was switched."""
    same = [(before[mode], now) for mode, now in after.items() if mode in before]
    if same or modes_are_kept:
        return same
    return list(zip(before.values(), after.values(), strict=True))


def _by_place(snapshot: PositionSnapshot) -> dict[Place, dict[MarginMode, Position]]:
    found: dict[Place, dict[MarginMode, Position]] = {}
    for row in snapshot.positions:
        found.setdefault((row.symbol, row.side), {})[row.margin_mode] = row
    return found
