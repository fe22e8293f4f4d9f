"""What is raised on purpose has one root, and the drawings of its tree leave nothing out."""

import ast
import re
from functools import cache
from pathlib import Path

import worker
from worker.runtime import errors

CODE = Path(worker.__file__).parent
ROOTS = {"Exception", "BaseException", "ValueError", "RuntimeError", "OSError", "LookupError", "TypeError"}


@cache
def classes() -> dict[str, list[str]]:
    """The bases of each class of the worker."""
    return {
        node.name: [ast.unparse(base) for base in node.bases]
        for file in CODE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    }


def test_one_class_stands_straight_under_exception() -> None:
    straight = {name for name, bases in classes().items() if bases and set(bases) <= ROOTS}
    assert straight == {"PerpsDmaError"}


def test_every_error_of_the_trees_is_drawn_in_them() -> None:
    drawn = set(re.findall(r"^(?:[├└│─ ]+|(?=\w+Error$))([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE))
    found = classes()
    trees = {"PerpsDmaError", "OperatorError", "ConfigurationError", "ExecutionError"}
    public = {name: bases for name, bases in found.items() if not name.startswith("_")}
    below = {name for name, bases in public.items() if trees & {base.rpartition(".")[2] for base in bases}}
    assert below - {"SandboxRefusal"}
    assert drawn - trees == below - trees


def test_what_is_drawn_is_there_and_where_it_is_drawn() -> None:
    lines = [re.match(r"([├└│─ ]*)([A-Z]\w+)", line) for line in (errors.__doc__ or "").splitlines()]
    found, above = classes(), [""]
    for match in filter(None, lines):
        depth, name = len(match[1]) // 4, match[2]
        assert depth == 0 or above[depth - 1] in found[name], name
        above[depth:] = [name]
