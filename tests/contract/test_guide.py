"""What README, guide and the pages for developers name is there."""

import re
from pathlib import Path

import pytest
import typer

from worker.app.cli import app

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", ROOT / "deploy" / "GUIDE.md"]
CONTRIBUTING = ROOT / "deploy" / "docs" / "CONTRIBUTING.md"
GLOSSARY = ROOT / "deploy" / "docs" / "GLOSSARY.md"

group = typer.main.get_group(app)


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(text: Path) -> None:
    named = set(re.findall(r"(?m)(?:^|`|shim |worker |\$\()perps-dma ([a-z-]+)", text.read_text()))
    assert len(named) > 5
    assert named <= set(group.commands)


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_every_script_that_is_named_exists(text: Path) -> None:
    named = set(re.findall(r"deploy/[\w-]+\.sh", text.read_text()))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("text", [CONTRIBUTING, GLOSSARY], ids=lambda path: path.name)
def test_every_path_that_is_named_exists(text: Path) -> None:
    named = set(re.findall(r"`((?:worker|schemas|tests|deploy)/[\w./]*)`", text.read_text()))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_targets_of_make_are_those_that_are_explained() -> None:
    explained = set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING.read_text()))
    there = re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text())
    assert explained == set(there) - {"help"}


def test_a_term_stands_in_the_glossary_once() -> None:
    rows = re.findall(r"(?m)^\| ([^|]+?) \| [^|]+ \| [^|]+ \| `[^`|]+` \|$", GLOSSARY.read_text())
    terms = [term for row in rows for term in re.sub(r" \(.*\)", "", row).split(", ")]
    assert len(rows) > 40
    assert len(terms) == len(set(terms))
