"""Every event that is logged. Names, levels and fields are read from the source; what they mean stands in the page.

Whoever logs a new event runs `make schemas` and writes what it means into the row that was made.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeGuard

from reference.markdown import code, codes, table

WORKER = Path(__file__).parents[2] / "worker"
LEVELS = {level: level for level in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}
TRACEBACK = "exception"
"""The field that a traceback becomes."""

ROW = re.compile(r"(?m)^\| `(\w+)` \| (\w+) \|(.*?)\| ?(.*?) ?\|$")
HEADER = ("event", "level", "fields", "what it means, and what to do")


class Event(NamedTuple):
    """What one call logs."""

    name: str
    level: str
    fields: frozenset[str]
    has_more: bool
    """Whether it unpacks further fields, whose names the call does not show."""


class Row(NamedTuple):
    """What a page says of an event at a level."""

    fields: tuple[str, ...]
    meaning: str


Rows = Mapping[tuple[str, str], Row]


def log_events_page(before: str) -> str:
    """The page as it was, with its table as the source has it now."""
    rows = rows_of(before)
    head, _, rest = before.partition(f"| {HEADER[0]} |")
    tail = rest.rpartition("|\n")[2]
    return f"{head}{events_table(found_in(WORKER, rows), rows)}\n{tail}"


def rows_of(text: str) -> Rows:
    """The rows of a page. Of two of one event, as after a merge, the one that says what it means."""
    rows = sorted(ROW.findall(text), key=lambda row: bool(row[3]))
    return {(name, level): Row(tuple(re.findall(r"`(\w+)`", fields)), meaning) for name, level, fields, meaning in rows}


def found_in(folder: Path, rows: Rows) -> Mapping[tuple[str, str], set[str]]:
    """The fields of each event at a level. Where a call unpacks further ones, those of its row are kept."""
    found = defaultdict[tuple[str, str], set[str]](set)
    for module in sorted(folder.rglob("*.py")):
        try:
            for event in logged(module.read_text()):
                key = event.name, event.level
                found[key] |= event.fields | (set(rows[key].fields) if event.has_more and key in rows else set())
        except ValueError as error:
            raise ValueError(f"{module.relative_to(folder.parent)}, {error}") from error
    return found


def events_table(found: Mapping[tuple[str, str], set[str]], rows: Rows) -> str:
    """The table of what was found, with what the rows say of it."""
    lines = []
    for key in sorted(found):
        known = rows.get(key, Row((), ""))
        fields = [*(name for name in known.fields if name in found[key]), *sorted(found[key] - set(known.fields))]
        lines.append((code(key[0]), key[1], codes(fields), known.meaning))
    return table(HEADER, lines)


def logged(source: str) -> Iterator[Event]:
    """What a module logs. Raises ValueError for a logger that is used in a way that can't be read here."""
    tree = ast.parse(source)
    loggers = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and makes_logger(node.value)
    }
    read = set[ast.expr]()
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name) as logger, attr=method)) if name in loggers:
                read.add(logger)
                yield event_of(call, method)
    for node in ast.walk(tree):
        if makes_logger(node) and node not in loggers.values():
            raise ValueError(f"line {node.lineno}: a logger belongs in a name of the module")
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in loggers and node not in read:
            raise ValueError(f"line {node.lineno}: `{node.id}` is used for more than a call")


def makes_logger(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether an expression makes a logger of structlog."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "get_logger"


def event_of(call: ast.Call, method: str) -> Event:
    """What a call of a logger logs. Raises ValueError."""
    if method not in LEVELS:
        raise ValueError(f"line {call.lineno}: `{method}` is no level")
    match call.args:
        case [ast.Constant(value=str(name))] if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
            fields = {TRACEBACK if word.arg == "exc_info" else word.arg for word in call.keywords if word.arg}
            if method == "exception":
                fields.add(TRACEBACK)
            return Event(name, LEVELS[method], frozenset(fields), any(word.arg is None for word in call.keywords))
        case _:
            raise ValueError(f"line {call.lineno}: an event has one name, written out and in snake case")
