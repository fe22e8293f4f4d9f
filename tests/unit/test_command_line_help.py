"""Every command teaches itself: with an example that would be understood, and completion that knows the accounts."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from schemas.operations import OPERATIONS
from schemas.outcomes import Outcome
from schemas.requests import MarginMode
from worker.app.cli import app
from worker.console.desk.margin_settings import EXIT_CODES
from worker.console.kit.completion import MARGIN_MODES, account_ids

Command = typer.core.TyperCommand


def commands(group: typer.core.TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, (*path, name))
        elif isinstance(command, Command):
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_group(app)))
RUNNER = CliRunner()


def examples(command: Command) -> list[str]:
    """The lines of a command's examples."""
    text = re.sub(r"^Examples?: ", "", command.epilog or "")
    return [line for line in text.split("\n\n") if line]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_examples_that_would_be_understood(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert examples(command)
    for line in examples(command):
        words = [word for word in shlex.split(re.split(r" [<>] ", line)[0]) if not re.match(r"[A-Z_]+=", word)]
        assert words[: 1 + len(path)] == ["perps-dma", *path]
        assert command.make_context(path[-1], words[1 + len(path) :]).command is command


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_example_stands_on_one_line_of_80_columns(path: tuple[str, ...]) -> None:
    assert [line for line in examples(COMMANDS[path]) if len(line) > 78] == []


def test_help_of_send_names_every_operation() -> None:
    told = RUNNER.invoke(app, ["send", "--help"]).output
    assert [name for name in OPERATIONS if name not in told] == []


def test_version_is_that_of_the_package() -> None:
    assert RUNNER.invoke(app, ["--version"]).output == f"perps-dma {version('perps-dma')}\n"


def test_every_outcome_has_an_exit_code_and_only_success_has_none_but_0() -> None:
    assert EXIT_CODES.keys() == set(Outcome) - {Outcome.PARTIAL}  # of one symbol there is no part
    assert [outcome for outcome, code in EXIT_CODES.items() if code == 0] == [Outcome.APPLIED, Outcome.UNCHANGED]
    told = RUNNER.invoke(app, ["leverage", "--help"], env={"COLUMNS": "200"}).output
    assert [
        f"{code} {outcome}" for outcome, code in EXIT_CODES.items() if code and f"{code} {outcome}" not in told
    ] == []


def test_margin_modes_are_those_of_the_contract() -> None:
    assert set(MARGIN_MODES) == set(MarginMode)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose credentials are nowhere, and a sandbox."""
    (tmp_path / "accounts.toml").write_text('[accounts.okx-main]\nexchange = "okx"\nsecret = "env:NOT_SET"\n')
    (tmp_path / "sandbox.json").write_text(
        json.dumps({"accounts": [{"id": "binance-perp-001"}, {"id": "okx-perp-001"}]})
    )
    monkeypatch.setenv("PERPS_DMA_STATE", str(tmp_path))
    monkeypatch.setenv("PERPS_DMA_ACCOUNTS", str(tmp_path / "accounts.toml"))
    return tmp_path


def test_accounts_of_registry_and_sandbox_are_completed_without_their_credentials(files: Path) -> None:
    assert account_ids("") == ["binance-perp-001", "okx-main", "okx-perp-001"]
    assert account_ids("okx-m") == ["okx-main"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"accounts": [{}]}'])
def test_files_that_are_not_as_expected_complete_nothing(files: Path, text: str) -> None:
    (files / "accounts.toml").unlink()
    (files / "sandbox.json").write_text(text)
    assert account_ids("") == []


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("perps-dma positions okx-", {"okx-main", "okx-perp-001"}),
        ("perps-dma margin-mode okx-main BTC/USDT:USDT i", {"isolated"}),
        ("perps-dma position-mode okx-main h", {"hedge"}),
        ("perps-dma tiers okx-m", {"okx-main"}),
        ("perps-dma send get_p", {"get_position_mode", "get_positions"}),
        ("perps-dma watch --account bin", {"binance-perp-001"}),
        ("perps-dma dead-letters re", {"requeue"}),
    ],
)
def test_a_shell_gets_its_completions(line: str, expected: set[str]) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_PERPS_DMA_COMPLETE": "complete_bash"}
    entry = "import sys; sys.argv[0] = 'perps-dma'; from worker.app.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", entry], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert set(ended.stdout.split()) == expected
