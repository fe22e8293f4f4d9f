"""Rows as a terminal has room for them: side by side in columns, or each as a record, a field a line.

No value is cut and no number is broken, whatever the width: a price whose end is missing is another price. Where a text
is shortened (`display.shortened`), an ellipsis says so.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

GAP = 2
"""Columns of the terminal between two of ours."""

LEAST_OF_TEXT = 16
"""A text that folds is still read at this width; its longest word may want more."""

LONGEST_WORD = 34
"""A word longer than that is broken, for it is a URL or a body, and no number."""


class Grid:
    """Rows under their headings. Only texts in `folding` columns go over several lines.

    Where there is no room for all columns, the first `naming` of them become a heading over the rows that share them.
    """

    def __init__(
        self, columns: Sequence[str], rows: Iterable[Iterable[Text]], folding: Iterable[str] = (), naming: int = 0
    ) -> None:
        self._columns = columns
        self._rows = [tuple(row) for row in rows]
        self._folding = frozenset(folding)
        self._naming = naming

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What rich asks of whatever it prints."""
        widths = column_widths(self._naturals(), self._leasts(), options.max_width)
        if widths is not None:
            yield self._side_by_side(widths)
        elif self._naming:
            yield from self._under_names()
        else:
            yield from self._one_by_one()

    def _cells(self, index: int) -> Iterator[Text]:
        yield Text(self._columns[index])
        yield from (row[index] for row in self._rows)

    def _naturals(self) -> list[int]:
        return [max(map(_width, self._cells(index)), default=0) for index in range(len(self._columns))]

    def _leasts(self) -> list[int]:
        naturals = self._naturals()
        return [
            min(natural, max(LEAST_OF_TEXT, self._longest_word(index))) if name in self._folding else natural
            for index, (name, natural) in enumerate(zip(self._columns, naturals, strict=True))
        ]

    def _longest_word(self, index: int) -> int:
        words = (cell_len(word) for cell in self._cells(index) for word in cell.plain.split())
        return min(LONGEST_WORD, max(words, default=0))

    def _side_by_side(self, widths: Sequence[int]) -> Table:
        shown = Table(box=None, pad_edge=False, padding=(0, GAP // 2), header_style="bold")
        for name, width in zip(self._columns, widths, strict=True):
            shown.add_column(name, width=width, no_wrap=name not in self._folding, overflow="fold")
        for row in self._rows:
            shown.add_row(*row)
        return shown

    def _names(self, row: tuple[Text, ...]) -> list[str]:
        return [cell.plain for cell in row[: self._naming]]

    def _under_names(self) -> Iterator[RenderableType]:
        for number, (names, rows) in enumerate(groupby(self._rows, key=self._names)):
            if number:
                yield Text()
            yield Text("  ".join(names), style="bold underline")
            yield Grid(self._columns[self._naming :], (row[self._naming :] for row in rows), self._folding)

    def _one_by_one(self) -> Iterator[RenderableType]:
        for number, row in enumerate(self._rows):
            if number:
                yield Text()
            yield fields(zip(self._columns, row, strict=True))


def fields(named: Iterable[tuple[str, Text]]) -> Table:
    """A record: a line for each field, and more where its text is longer than a line."""
    shown = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in named:
        shown.add_row(f"{name}:" if name else "", value)
    return shown


def column_widths(naturals: Sequence[int], leasts: Sequence[int], width: int) -> list[int] | None:
    """How wide each column is, so that all stand in `width`; None where they have no room side by side.

    What is left over the least goes to those that want more, in equal parts.

    >>> column_widths([5, 40, 30], [5, 16, 16], 60)
    [5, 25, 26]
    >>> column_widths([5, 40, 30], [5, 16, 16], 40) is None
    True
    """
    spare = width - sum(leasts) - GAP * (len(leasts) - 1)
    if spare < 0:
        return None
    widths = list(leasts)
    wanting = sorted(range(len(leasts)), key=lambda index: naturals[index] - leasts[index])
    for place, index in enumerate(wanting):
        given = min(naturals[index] - leasts[index], -(-spare // (len(wanting) - place)))
        widths[index] += given
        spare -= given
    return widths


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split("\n")))
