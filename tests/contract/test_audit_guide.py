"""What the page about the audit says is so: its commands are there, and its recipe is how a hash is made."""

import hashlib
import re
from pathlib import Path

import typer

from schemas.audit.chain import GENESIS, ChainRecord, hash_of
from worker.app.cli import app

PAGE = (Path(__file__).parents[2] / "deploy" / "docs" / "AUDIT.md").read_text()


def test_its_commands_are_there() -> None:
    audit = typer.main.get_group(app).commands["audit"]
    named = set(re.findall(r"perps-dma audit (\w+)", PAGE))
    assert named == set(audit.commands)  # type: ignore[attr-defined]


def test_a_hash_is_made_as_it_says() -> None:
    record = ChainRecord(
        position=7,
        at=1_000,
        actor=None,
        action="freeze",
        subject="all",
        stored='{"reason": "ü"}',
        previous=GENESIS,
        hash="",
    )
    text = f"{GENESIS}:7:1000:-6:freeze3:all15:" + '{"reason": "ü"}'
    assert hash_of(record) == hashlib.sha256(text.encode("utf-8")).hexdigest()
