"""What makes a snapshot news."""

from collections import Counter

from schemas import Position, PositionSnapshot

What = tuple[object, ...]


def is_news(before: PositionSnapshot, after: PositionSnapshot) -> bool:
    """Whether something but prices changed between two snapshots of an account.

    A change is one in the set of positions, or in symbol, side, contracts, entry price, leverage or margin mode of one;
    further in which parts of the account were read, and in whether the venue could be read at all.

    Everything else a position shows moves with the market or tells what is told already: mark price, notional, profit,
    percentage, liquidation price, the collateral of a cross position, the time of the venue's last update. It is as of
    the snapshot that has it, and comes anew with the next change or heartbeat. The order of positions means nothing.
    """
    return _what_counts(before) != _what_counts(after)


def _what_counts(snapshot: PositionSnapshot) -> tuple[bool, frozenset[str], frozenset[str], Counter[What]]:
    unread = frozenset(row.part for row in snapshot.unread)
    return snapshot.stale, frozenset(snapshot.coverage), unread, Counter(map(_position, snapshot.positions))


def _position(row: Position) -> What:
    return (row.symbol, row.side, row.contracts, row.entry_price, row.leverage, row.margin_mode)
