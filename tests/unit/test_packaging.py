"""What pyproject.toml says of the packages that we stand on is true."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import files, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = {"schemas", "worker", "tests", "reference"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

THROUGH_ANOTHER = {"httptools"}
"""Imported by nobody here, but by uvicorn, whose protocol on it is the one that the shim extends."""

OF_THE_SYSTEM = {"proton"}
"""Imported by a test that runs on the distribution's own Python (`deploy/install-amqp10-client.sh`)."""


BOUNDED = {"mkdocs", "mkdocs-material"}
"""Their next majors are other programs (`deploy/docs/decisions.md`)."""

HELD_TO_CHECKSUMS = {"swagger-ui-bundle-v2"}
"""Of these only files are used, which have the checksums of one release (`worker.shim.routes.docs`)."""


def requirements(texts: list[str]) -> dict[str, Requirement]:
    """Requirements by name, without our own extras."""
    parsed = map(Requirement, texts)
    return {canonicalize_name(one.name): one for one in parsed if one.name != PROJECT["project"]["name"]}


OWNERS = packages_distributions()
"""The distributions that are installed, by the first part of the names that they bring."""

CLIENT = tomllib.loads((ROOT / "deploy" / "client" / "pyproject.toml").read_text())
"""The typed client's distribution, which has `schemas` under another name."""

GROUPS = {
    "runtime": requirements(PROJECT["project"]["dependencies"]),
    **{name: requirements(texts) for name, texts in PROJECT["project"]["optional-dependencies"].items()},
    "build": requirements(PROJECT["build-system"]["requires"]),
}
SHIPPED = GROUPS["runtime"] | GROUPS["mcp"] | GROUPS["otel"]
DECLARED = [(group, one) for group, members in GROUPS.items() for one in members.values()]
PINS = {
    canonicalize_name(name): version
    for name, _, version in (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    if version
}


@cache
def imported_by(package: str) -> frozenset[str]:
    """Every name that a package imports from elsewhere, as far as it may be a module: `yarl.URL`, `jwt`."""
    return frozenset(_imported_by(package))


def _imported_by(package: str) -> Iterator[str]:
    for file in (ROOT / package).rglob("*.py"):
        if file.parent.name == "programs":  # they are run with what is generated, in an environment of their own
            continue
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
    return {distribution_of(name) for name in filter(is_foreign, imported_by(package))}


@pytest.mark.parametrize("package", ["schemas", "worker"])
def test_what_is_imported_is_declared(package: str) -> None:
    assert distributions_of(package) - SHIPPED.keys() == set()


def test_what_the_tests_import_is_declared() -> None:
    assert distributions_of("tests") - SHIPPED.keys() - GROUPS["dev"].keys() == set()


def test_what_is_declared_is_imported() -> None:
    used = distributions_of("schemas") | distributions_of("worker")
    assert SHIPPED.keys() - used == THROUGH_ANOTHER | HELD_TO_CHECKSUMS


def test_the_contract_needs_pydantic_alone() -> None:
    of_the_client = {name for name in imported_by("schemas/client") if is_foreign(name)}
    of_the_contract = {name for name in imported_by("schemas") if is_foreign(name)} - of_the_client
    assert {distribution_of(name) for name in of_the_contract} - with_pydantic() <= {"pydantic"}
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, schemas; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pydantic" in loaded
    assert {"aio_pika", "aiormq", "yarl"} & set(loaded) == set()


def test_the_client_needs_what_it_declares_alone() -> None:
    assert CLIENT["project"]["version"] == PROJECT["project"]["version"]
    declared = requirements(CLIENT["project"]["dependencies"])
    assert set(declared) == {"aio-pika", "pydantic"}
    with_it = {canonicalize_name(Requirement(line).name) for line in requires("aio-pika") or ()}
    assert distributions_of("schemas") - with_pydantic() - with_it == set(declared)
    assert {name: one.specifier for name, one in declared.items()} == {
        name: GROUPS["runtime"][name].specifier for name in declared
    }


def with_pydantic() -> set[str]:
    """What comes with pydantic, typing-extensions among it."""
    return {canonicalize_name(Requirement(line).name) for line in requires("pydantic") or ()}


@pytest.mark.parametrize(("group", "one"), DECLARED, ids=[f"{group} {one.name}" for group, one in DECLARED])
def test_a_dependency_has_a_lower_bound_that_its_pin_satisfies(group: str, one: Requirement) -> None:
    bounds = {"=="} if one.name in HELD_TO_CHECKSUMS else {">=", "<"} if one.name in BOUNDED else {">="}
    assert {specifier.operator for specifier in one.specifier} == bounds, group
    assert one.specifier.contains(PINS[canonicalize_name(one.name)])


@pytest.mark.parametrize("package", ["schemas", "worker"])
def test_types_are_shipped(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"][package]
