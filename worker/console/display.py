"""Tables for people."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import Outcome, envelope

PIPE_WIDTH = 240
"""Columns of a line that no terminal will fold: wide enough to keep a table's row on one line."""

MOST_MARKS = 2
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
"""Characters that are drawn over the one before; a language writes one or two of them."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


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


def outcome_text(outcome: str | None) -> Text:
    """An outcome in its colour."""
    return Text(outcome or "", style="green" if outcome and Outcome(outcome).succeeded else "red")


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]], folding: Iterable[str] = ()) -> Table:
    """A plain table without lines, which stays readable when copied or piped. Only `folding` columns break a line."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, no_wrap=column not in folding, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(_cell(cell)) for cell in row))
    return shown


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


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


def _show_field(name: str, value: Any) -> None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        columns = [column for column in value[0] if column != "info"]
        console.print(f"{name}:", table(columns, ([row.get(column) for column in columns] for row in value)), sep="\n")
    elif isinstance(value, dict) and value:
        console.print(f"{name}:")
        for inner, what in value.items():
            console.print(f"  {inner}: {json.dumps(what)}")
    else:
        console.print(f"{name}: {json.dumps(value)}")
