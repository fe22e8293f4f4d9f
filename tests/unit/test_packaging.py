"""What pyproject.toml says of the packages that we stand on is true."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import files, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = {"schemas", "worker", "tests"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

THROUGH_ANOTHER = {"httptools"}
"""Imported by nobody here, but by uvicorn, whose protocol on it is the one that the shim extends."""

OF_THE_SYSTEM = {"proton"}
"""Imported by a test that runs on the distribution's own Python (`deploy/install-amqp10-client.sh`)."""


def requirements(texts: list[str]) -> dict[str, Requirement]:
    """Requirements by name, without our own extras."""
    parsed = map(Requirement, texts)
    return {canonicalize_name(one.name): one for one in parsed if one.name != PROJECT["project"]["name"]}


OWNERS = packages_distributions()
"""The distributions that are installed, by the first part of the names that they bring."""

GROUPS = {
    "runtime": requirements(PROJECT["project"]["dependencies"]),
    **{name: requirements(texts) for name, texts in PROJECT["project"]["optional-dependencies"].items()},
    "build": requirements(PROJECT["build-system"]["requires"]),
}
SHIPPED = GROUPS["runtime"] | GROUPS["otel"]
DECLARED = [(group, one) for group, members in GROUPS.items() for one in members.values()]
PINS = {
    canonicalize_name(name): version
    for name, _, version in (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    if version
}


def imported_by(package: str) -> Iterator[str]:
    """Every name that a package imports from elsewhere, as far as it may be a module: `yarl.URL`, `jwt`."""
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_foreign(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names | OURS | OF_THE_SYSTEM


@cache
def distribution_of(name: str) -> str:
    """The distribution that a name comes from. Where several share its first part, the one with the file."""
    owners = set(OWNERS.get(name.partition(".")[0], ()))
    if len(owners) > 1:
        path = name.replace(".", "/")
        modules = tuple(f"{stem}{end}" for stem in (path, path.rpartition("/")[0]) for end in (".py", "/__init__.py"))
        owners = {owner for owner in owners if {str(file) for file in files(owner) or ()} & set(modules)}
    assert len(owners) == 1, f"{name} comes from {owners or 'nowhere'}"
    return canonicalize_name(owners.pop())


def distributions_of(package: str) -> set[str]:
    return {distribution_of(name) for name in set(filter(is_foreign, imported_by(package)))}


@pytest.mark.parametrize("package", ["schemas", "worker"])
def test_what_is_imported_is_declared(package: str) -> None:
    assert distributions_of(package) - SHIPPED.keys() == set()


def test_what_the_tests_import_is_declared() -> None:
    assert distributions_of("tests") - SHIPPED.keys() - GROUPS["dev"].keys() == set()


def test_what_is_declared_is_imported() -> None:
    used = distributions_of("schemas") | distributions_of("worker")
    assert SHIPPED.keys() - used == THROUGH_ANOTHER


def test_the_contract_needs_pydantic_alone() -> None:
    assert distributions_of("schemas") == {"pydantic"}


@pytest.mark.parametrize(("group", "one"), DECLARED, ids=[f"{group} {one.name}" for group, one in DECLARED])
def test_a_dependency_has_a_lower_bound_that_its_pin_satisfies(group: str, one: Requirement) -> None:
    assert [specifier.operator for specifier in one.specifier] == [">="], group
    assert one.specifier.contains(PINS[canonicalize_name(one.name)])


@pytest.mark.parametrize("package", ["schemas", "worker"])
def test_types_are_shipped(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"][package]
