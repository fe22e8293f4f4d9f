"""A sixth venue, made from the template in a copy of the checkout: it stands where the five do, and keeps what they do.

Nothing here knows the template: a venue of any name is made by the command that a developer uses, and is held to the
adapter contract and to the acceptance cards of what it declares, on a running `up` with its own stand-in.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PARTS = ("deploy", "schemas", "tests", "worker")
FILES = ("pyproject.toml", "README.md")

NAME = "sixth"
PACKAGES = (f"worker.venues.{NAME}", f"worker.sandbox.{NAME}", "tests.support.venues")
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """What a Python program prints that runs in a checkout and imports from it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def files_of(folder: Path) -> dict[Path, bytes]:
    """All that a checkout has and git would keep."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".pyc")
    }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this one."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        shutil.copytree(CHECKOUT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
    for file in FILES:
        shutil.copy2(CHECKOUT / file, folder)
    return folder


@pytest.fixture(scope="module")
def made(checkout: Path) -> Path:
    """The copy with a venue more."""
    told = run(checkout, "deploy/make_venue.py", NAME)
    assert f"worker/venues/{NAME}/adapter.py" in told
    return checkout


@pytest.mark.parametrize("name", ["okx", "Kraken", "my-venue", "x", "1st"])
def test_a_name_that_is_taken_or_is_none_is_refused_and_nothing_is_written(checkout: Path, name: str) -> None:
    before = files_of(checkout)
    told = run(checkout, "deploy/make_venue.py", name, code=1)
    assert "already" in told or "is no name of a venue" in told
    assert files_of(checkout) == before


def test_the_command_says_what_it_makes_and_where_to_read_on(checkout: Path) -> None:
    told = run(checkout, "deploy/make_venue.py", "--help")
    named = re.findall(r"[\w/]+/\w+\.\w+", told)
    assert "deploy/docs/VENUES.md" in named
    assert [path for path in named if "NAME" not in path and not (CHECKOUT / path).exists()] == []


@pytest.mark.long
def test_a_new_venue_is_formatted_typed_and_keeps_the_import_contracts(made: Path) -> None:
    run(made, "-m", "ruff", "format", "--check", ".")
    run(made, "-m", "ruff", "check", ".")
    run(made, "-m", "mypy", *(part for package in PACKAGES for part in ("-p", package)))
    assert "0 broken" in run(made, "-c", LINT_IMPORTS)


def test_a_new_venue_is_one_among_the_others_and_in_the_wire_contract(made: Path) -> None:
    run(made, "-m", "pytest", "-q", "tests/unit/test_class_names.py", "tests/unit/test_regions.py")
    assert f'"{NAME}"' in (made / "schemas" / "json" / "freeze.request.json").read_text()
    assert NAME in (made / "schemas" / "openapi.yaml").read_text()
    assert f"| {NAME} | standard |" in (made / "deploy" / "docs" / "reference" / "accounts.md").read_text()


@pytest.mark.timeout(300)  # a broker, a worker and six stand-ins are started for it
@pytest.mark.long
def test_a_new_venue_keeps_the_adapter_contract_and_plays_the_cards_that_it_declares(made: Path) -> None:
    told = run(made, "-m", "pytest", "-rA", "-k", NAME, "tests/contract/adapter", "tests/acceptance/test_cards.py")
    passed = re.findall(rf"(?m)^PASSED (\S+?)::(\w+)\[(?:[^\]]*-)?{NAME}[-\]]", told)
    cards = {name[:12] for file, name in passed if file == "tests/acceptance/test_cards.py"}
    assert cards == {f"test_card_{number:02}" for number in (*range(1, 9), *range(12, 18))}
    assert len({name for file, name in passed if file.startswith("tests/contract/adapter/")}) > 20
