"""What README and pages name is there."""

import re
from pathlib import Path

import pytest
import typer

from tests.support.pages import DOCS, PAGES
from worker.app.cli import app
from worker.config.settings import Settings

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "deploy" / "docs" / "CONTRIBUTING.md"
GLOSSARY = ROOT / "deploy" / "docs" / "GLOSSARY.md"

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

NOT_KEPT = {"deploy/images.env"}
"""What a script writes, and nobody commits."""

OF_OTHERS = {
    *(
        "SECRETS",
        "TOKEN",
        "HTTP_PORT",
        "AMQP_PORT",
        "PROMETHEUS_PORT",
        "GRAFANA_PORT",
    ),  # the settings' own folder; a client's; compose
    *("RABBITMQ4", "SOAK_S", "SOAK_SEED", "FUZZ_TIMES", "FUZZ_SEED", "TEST_BROKER"),  # of tests
}
"""Variables that are no settings of the program."""

group = typer.main.get_group(app)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?m)(?:^|`|shim |worker |\$\()perps-dma ([a-z][a-z-]*)", page.read_text()))
    assert named <= set(group.commands)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_script_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"deploy/[\w-]+\.sh", page.read_text()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`((?:worker|schemas|tests|deploy)/[\w./]*)`", page.read_text()))
    assert [name for name in sorted(named - NOT_KEPT) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"PERPS_DMA_([A-Z][A-Z0-9_]*[A-Z0-9])(?!\w|\*)", page.read_text()))
    assert {name for name in named if name.lower() not in Settings.model_fields} <= OF_OTHERS


def test_pages_name_commands_scripts_and_paths() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert len(set(re.findall(r"perps-dma ([a-z-]+)", text))) > 20
    assert len(set(re.findall(r"deploy/[\w-]+\.sh", text))) > 2
    assert len(set(re.findall(r"`((?:worker|schemas|tests|deploy)/[\w./]*)`", text))) > 80


def test_the_targets_of_make_are_those_that_are_explained() -> None:
    explained = set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING.read_text()))
    there = re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text())
    assert explained == set(there) - {"help"}


def test_a_term_stands_in_the_glossary_once() -> None:
    rows = re.findall(r"(?m)^\| ([^|]+?) \| [^|]+ \| [^|]+ \| `[^`|]+` \|$", GLOSSARY.read_text())
    terms = [term for row in rows for term in re.sub(r" \(.*\)", "", row).split(", ")]
    assert len(rows) > 40
    assert len(terms) == len(set(terms))


def test_every_promise_names_tests_that_show_it() -> None:
    rows = re.findall(r"(?m)^\| \*\*(.+?)\.\*\* .* \| (.*) \|$", (DOCS / "concepts" / "promises.md").read_text())
    assert len(rows) > 12
    assert [promise for promise, shown_in in rows if "`tests/" not in shown_in] == []
