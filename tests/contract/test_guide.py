"""What README and guide tell people to type is there."""

import re
from pathlib import Path

import pytest
import typer

from worker.cli import app

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", ROOT / "deploy" / "GUIDE.md"]

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
