"""What a run says in the end: figures beside their targets, for a terminal or as Markdown."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.benchmarks.measure import Samples
from worker.console.kit.display import console, table

NO_TARGET = "(no target)"


class Row(NamedTuple):
    """A figure, its target, whether that was met, and how far the rounds of its run lie apart."""

    name: str
    measured: float
    target: str = NO_TARGET
    met: bool = True
    spread: str = ""

    @property
    def verdict(self) -> str:
        """Nothing where there is no target."""
        return "" if self.target == NO_TARGET else "met" if self.met else "MISSED"


COLUMNS = ("measured in one run", "figure", "rounds", "target", "")


def at_most(name: str, measured: float, limit: float, spread: str = "") -> Row:
    """A figure that may be as large as this."""
    return Row(name, measured, f"at most {limit:g}", measured <= limit, spread)


def medians(name: str, pair: Iterable[Samples], limit: float | None = None) -> Row:
    """The ratio of two medians, ours to theirs, and its smallest and its largest in the rounds."""
    ours, theirs = pair
    ratio = ours.median / theirs.median
    rounds = sorted(mine / other for mine, other in zip(ours.medians, theirs.medians, strict=True))
    spread = f"{rounds[0]:.2f} to {rounds[-1]:.2f}" if len(rounds) > 1 else ""
    return Row(name, ratio, spread=spread) if limit is None else at_most(name, ratio, limit, spread)


def show(rows: Sequence[Row], *, markdown: bool) -> None:
    """All figures, those that missed their targets too; those that have none come last."""
    ordered = sorted(rows, key=lambda row: row.target == NO_TARGET)
    shown = [(row.name, f"{row.measured:.2f}", row.spread, row.target, row.verdict) for row in ordered]
    print_table(COLUMNS, shown, markdown=markdown)


def print_table(columns: Sequence[str], shown: Iterable[Sequence[str]], *, markdown: bool) -> None:
    """A table for a terminal, or as Markdown."""
    if not markdown:
        console.print(table(columns, shown))
        return
    for cells in (columns, ("---",) * len(columns), *shown):
        console.out(f"| {' | '.join(cells)} |", highlight=False)
