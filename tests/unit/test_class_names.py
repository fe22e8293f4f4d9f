"""A class has its name to itself: whoever reads it anywhere, in a trace or in a search, knows which one is meant."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import worker

CODE = Path(worker.__file__).parent


def public_classes() -> Iterator[tuple[str, str]]:
    """Each public class of the worker: its name, and the file that it stands in."""
    for file in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(file.relative_to(CODE))


def test_no_two_public_classes_share_a_name() -> None:
    places = defaultdict(list)
    for name, place in public_classes():
        places[name].append(place)
    assert places
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
