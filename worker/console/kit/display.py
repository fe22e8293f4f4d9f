"""Tables for people."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from schemas import envelope
from schemas.outcomes import Outcome
from worker.console.kit.grid import Grid

PIPE_WIDTH = 240
"""Columns of a line that no terminal will fold: wide enough to keep a table's row on one line."""

MOST_MARKS = 2
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
"""Characters that are drawn over the one before; a language writes one or two of them."""

console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def printable(text: str | None) -> str | None:
    """What came from outside, without anything that could steer a terminal."""
    return text and envelope.printable(text)


def legible(text: str | None) -> str | None:
    """The same, without piles of marks on one character, which cover the lines above and below.

    >>> legible("a" + "\u0301" * 9) == "a" + "\u0301" * 2
    True
    """
    return text and _MARKS.sub(lambda found: found[0][:MOST_MARKS], envelope.printable(text))


def shortened(text: str, columns: int | None) -> str:
    """A text in so many columns of a terminal at most, where some characters take two.

    >>> shortened("set_leverage", 6)
    'set_l…'
    """
    return text if columns is None or cell_len(text) <= columns else f"{set_cell_size(text, columns - 1).rstrip()}…"


def show_json(document: Any) -> None:
    """One JSON document on one line, for programs."""
    console.out(document if isinstance(document, str) else json.dumps(document, separators=(",", ":")), highlight=False)


def tell_missing(*reasons: str) -> None:
    """What is missing of what was printed, on standard error, each reason once."""
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    for reason in dict.fromkeys(reasons):
        screen.print(Text(f"missing: {printable(reason)}", style="yellow"))


def outcome_text(outcome: str | None) -> Text:
    """An outcome in its colour."""
    return Text(outcome or "", style="green" if outcome and Outcome(outcome).succeeded else "red")


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]], folding: Iterable[str] = (), naming: int = 0) -> Grid:
    """A plain table without lines, which stays readable when copied or piped, or records where there is no room for it.

    Only texts in `folding` columns break; what is in any other column stands on one line, or the table is none.
    `naming` says how many of the first columns name what several rows are about.
    """
    return Grid(tuple(columns), (map(cell, row) for row in rows), folding, naming)


def cell(value: Any) -> Text:
    """A value as people read it: a dash for none, JSON for what has parts."""
    if isinstance(value, Text):
        return value
    if isinstance(value, dict | list | bool):
        return Text(json.dumps(value))
    return Text("-" if value is None else figure(value) if isinstance(value, float) else str(value))


def figure(value: float) -> str:
    """A figure with all its digits, and without an exponent.

    >>> figure(98505.0), figure(0.0000201), figure(10)
    ('98505.0', '0.0000201', '10')
    """
    text = str(value)
    return f"{Decimal(text):f}" if "e" in text else text


def show_envelope(envelope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """An answer: its message, what came beside it, and its data."""
    outcome = headers.get("Outcome")
    style = "red" if envelope["isError"] else "green"
    console.print(Text(f"{envelope['statusCode']} ", style=style) + Text(envelope["message"]))
    if outcome:
        console.print(Text("outcome ") + outcome_text(outcome) + Text(f"  command {headers.get('Command-Id', '-')}"))
    body = envelope.get("error") or envelope.get("data") or {}
    for name, value in body.items():
        _show_field(name, value)


OWNERS = ("exchange", "exchange_account_id")
"""Fields that are the same in all rows of an answer about one account."""

RAW = "info"
"""The field with the venue's own answer, which is for programs."""


def _show_field(name: str, value: Any) -> None:
    if (rows := _rows(name, value)) is None:
        console.print(Text.assemble(f"{name}: ", cell(value)))
        return
    shared = [field for field in OWNERS if len({row.get(field) for row in rows}) == 1 and field in rows[0]]
    about = ", ".join(f"{field} {rows[0][field]}" for field in shared)
    columns = [column for column in dict.fromkeys(chain(*rows)) if column not in (*shared, RAW)]
    console.print(f"{name} ({about}):" if about else f"{name}:")
    console.print(table(columns, ([row.get(column) for column in columns] for row in rows)))


def _rows(name: str, value: Any) -> list[Mapping[str, Any]] | None:
    """What is a list of rows, or rows by their names, as such; None for anything else."""
    if isinstance(value, dict) and value:
        if all(isinstance(row, dict) for row in value.values()):
            return [{name: key, **row} for key, row in value.items()]
        return [value]
    return value if isinstance(value, list) and value and all(isinstance(row, dict) for row in value) else None
