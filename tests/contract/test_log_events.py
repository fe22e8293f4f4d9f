"""The guide lists every event that we log: its name, its level and its fields."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "deploy" / "GUIDE.md").read_text()
LEVELS = {level: level for level in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}
TRACEBACK = "exception"
"""The field that a traceback becomes."""


class Event(NamedTuple):
    """What one call logs."""

    name: str
    level: str
    fields: frozenset[str]
    has_more: bool
    """Whether it unpacks further fields, whose names the call does not show."""


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


def documented() -> dict[tuple[str, str], set[str]]:
    """The fields of each event and level in the guide's table."""
    [section] = re.findall(r"(?ms)^## Log events$(.*?)^## ", GUIDE)
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|(.*?)\| \S.* \|$", section)
    assert len(rows) == len(re.findall(r"(?m)^\| `", section)), "a row that can't be read"
    table = {(event, level): set(re.findall(r"`(\w+)`", fields)) for event, level, fields in rows}
    assert len(table) == len(rows), "an event stands there twice"
    return table


def test_the_guide_lists_what_is_logged_and_nothing_else() -> None:
    table, found = documented(), defaultdict[tuple[str, str], set[str]](set)
    for module in sorted((ROOT / "worker").rglob("*.py")):
        try:
            for event in logged(module.read_text()):
                key = event.name, event.level
                found[key] |= event.fields | (table.get(key, set()) if event.has_more else set())
        except ValueError as error:
            pytest.fail(f"{module.relative_to(ROOT)}, {error}")
    assert found == table


LOGGER = "log = structlog.get_logger(__name__)\n"
UNREADABLE = {
    "a sentence": LOGGER + 'log.info("a message is lost")',
    "another case": LOGGER + 'log.info("messageLost")',
    "no literal": LOGGER + "log.info(name)",
    "a name that is put together": LOGGER + 'log.info(f"{name}_lost")',
    "no name": LOGGER + "log.info(count=1)",
    "arguments": LOGGER + 'log.info("message_lost", 1)',
    "no level": LOGGER + 'log.bind(count=1).info("message_lost")',
    "handed on": LOGGER + "tell(log)",
    "a method handed on": LOGGER + "tell(log.info)",
    "a logger on the way": 'structlog.get_logger().info("message_lost")',
    "a logger in a function": 'def tell():\n    log = structlog.get_logger()\n    log.info("message_lost")',
}


@pytest.mark.parametrize("source", UNREADABLE.values(), ids=UNREADABLE)
def test_what_can_not_be_listed_is_noticed(source: str) -> None:
    with pytest.raises(ValueError, match="line "):
        list(logged(source))


def test_names_levels_and_fields_are_read() -> None:
    source = LOGGER + 'log.warning("message_lost", count=1, **more)\nlog.exception("handler_failed", account=one)'
    assert list(logged(source)) == [
        Event("message_lost", "warning", frozenset({"count"}), has_more=True),
        Event("handler_failed", "error", frozenset({"account", TRACEBACK}), has_more=False),
    ]
