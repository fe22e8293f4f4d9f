"""Sealing on the command line: from a new key to a registry without a secret in the clear, and to the next key."""

import os
import pty
import re
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from worker.accounts.registry import read_registry
from worker.app.cli import app

SECRET = "hunter2hunter2"

AT_A_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # secrets are asked for on the terminal that controls the process
from worker.app.cli import main
main()
"""

REGISTRY = """\
# Our accounts. The desk's own first.
[accounts.main]  # the desk
exchange = "binance"
secret = "env:MAIN_SECRET"    # asked of treasury
api_key = "env:MAIN_KEY"

[accounts.other]
exchange = 'bybit'
position_mode = "hedge"

api_key = "env:MAIN_KEY"
secret = "env:MAIN_SECRET"
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A registry, and where its keys are to be."""

    registry: Path
    keys: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PERPS_DMA_ACCOUNTS": str(self.registry), "PERPS_DMA_SEALING_KEYS": str(self.keys)}

    def cli(self, *arguments: str, secret: str | bytes = "", **environment: str) -> Result:
        """Run `perps-dma accounts`, with a secret piped in."""
        return CliRunner().invoke(app, ["accounts", *arguments], input=secret, env=self.environment | environment)

    def secrets(self) -> dict[str, str]:
        return {account.id: account.reveal("secret") for account in read_registry(self.registry, str(self.keys))}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MAIN_SECRET", "in the environment")
    monkeypatch.setenv("MAIN_KEY", "a key")
    (tmp_path / "accounts.toml").write_text(REGISTRY)
    (tmp_path / "accounts.toml").chmod(0o640)
    return Desk(tmp_path / "accounts.toml", tmp_path / "keys")


def sealed_in(text: str) -> list[str]:
    return re.findall(r'"(sealed:[^"]*)"', text)


def test_a_credential_is_sealed_into_the_registry_and_all_else_stays_as_written(desk: Desk) -> None:
    assert desk.cli("new-key").exit_code == 0
    ended = desk.cli("seal", "main", "secret", "--write", secret=f"{SECRET}\n")
    assert (ended.exit_code, ended.stdout) == (0, f"secret of main is sealed under key v1 in {desk.registry}\n")
    assert desk.secrets() == {"main": SECRET, "other": "in the environment"}
    written = desk.registry.read_text()
    (sealed,) = sealed_in(written)
    assert written.replace(sealed, "env:MAIN_SECRET") == REGISTRY
    assert desk.registry.stat().st_mode & 0o777 == 0o640
    assert SECRET not in written


def test_without_write_the_line_is_printed_and_the_registry_left_alone(desk: Desk) -> None:
    desk.cli("new-key")
    line = desk.cli("seal", "other", "secret", secret=SECRET).stdout
    assert desk.registry.read_text() == REGISTRY
    assert line.startswith('secret = "sealed:v1:')
    head, _, tail = REGISTRY.rpartition('secret = "env:MAIN_SECRET"\n')
    desk.registry.write_text(head + line + tail)
    assert desk.secrets()["other"] == SECRET


def test_a_new_key_and_a_rotation_seal_all_anew_and_the_old_key_can_go(desk: Desk) -> None:
    desk.cli("new-key")
    for account in ("main", "other"):
        desk.cli("seal", account, "secret", "--write", secret=f"{SECRET} {account}")
    before = desk.registry.read_text()
    assert "key v2 is new" in desk.cli("new-key").stdout
    desk.cli("seal", "other", "api_key", "--write", secret="another key")
    assert desk.cli("rotate").stdout == f"{desk.registry}: 2 sealed anew under key v2, 1 under it already\n"
    after = desk.registry.read_text()
    assert {sealed.split(":")[1] for sealed in sealed_in(after)} == {"v2"}
    assert not set(sealed_in(before)) & set(sealed_in(after))
    desk.keys.write_text(desk.keys.read_text().splitlines()[1])
    assert desk.secrets() == {"main": f"{SECRET} main", "other": f"{SECRET} other"}
    assert desk.cli("rotate").stdout == f"{desk.registry}: 0 sealed anew under key v2, 3 under it already\n"
    assert desk.registry.read_text() == after


def test_a_rotation_that_can_not_open_one_changes_none(desk: Desk) -> None:
    desk.cli("new-key")
    for account in ("main", "other"):
        desk.cli("seal", account, "secret", "--write", secret=SECRET)
    moved = desk.registry.read_text().replace("[accounts.other]", "[accounts.another]")
    desk.registry.write_text(moved)
    desk.cli("new-key")
    ended = desk.cli("rotate")
    assert ended.exit_code == 1
    assert "account 'another': secret: it does not open under key v1" in ended.stderr
    assert "nothing is changed" in ended.stderr
    assert desk.registry.read_text() == moved


def test_a_registry_behind_a_link_is_written_where_it_is(desk: Desk, tmp_path: Path) -> None:
    desk.cli("new-key")
    link = tmp_path / "link.toml"
    link.symlink_to(desk.registry)
    Desk(link, desk.keys).cli("seal", "main", "secret", "--write", secret=SECRET)
    assert link.is_symlink()
    assert desk.secrets()["main"] == SECRET


@pytest.mark.parametrize(
    ("arguments", "secret", "environment", "problem"),
    [
        (("seal", "main", "sekret"), SECRET, {}, "a credential is one of api_key, secret, passphrase, not 'sekret'"),
        (("seal", "main", "secret"), " \n", {}, "there is nothing to seal"),
        (("seal", "main", "secret"), b"\xff\xfe", {}, "what was piped in as secret of main is no text"),
        (("seal", "third", "secret", "--write"), SECRET, {}, r"write its table \[accounts.third\] first"),
        (("seal", "main", "secret"), SECRET, {"PERPS_DMA_SEALING_KEYS": ""}, "accounts new-key` makes one"),
        (("rotate",), "", {"PERPS_DMA_ACCOUNTS": "/nonexistent"}, "/nonexistent can't be read"),
        (("new-key",), "", {"PERPS_DMA_SEALING_KEYS": "env:KEYS"}, "can't be written to from here; a file can"),
        (("new-key",), "", {"PERPS_DMA_SEALING_KEYS": ""}, "set PERPS_DMA_SEALING_KEYS to the file"),
        (("new-key",), "", {"PERPS_DMA_SEALING_KEYS": "/nonexistent/keys"}, "/nonexistent/.* can't be written"),
    ],
)
def test_what_can_not_be_done_says_why_and_what_to_do(
    desk: Desk, arguments: tuple[str, ...], secret: str | bytes, environment: dict[str, str], problem: str
) -> None:
    desk.cli("new-key")
    ended = desk.cli(*arguments, secret=secret, **environment)
    assert ended.exit_code == 1
    assert re.search(problem, ended.stderr)
    assert SECRET not in ended.output
    assert desk.registry.read_text() == REGISTRY


def test_a_terminal_is_asked_and_does_not_show_what_is_typed(desk: Desk) -> None:
    desk.cli("new-key")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        (sys.executable, "-c", AT_A_TERMINAL, "accounts", "seal", "main", "secret"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **desk.environment},
        start_new_session=True,
    )
    try:
        shown = b""
        while not shown.endswith(b"secret of main: "):  # the blank comes when typing is unseen
            assert select.select([ours], [], [], 60)[0], shown
            shown += os.read(ours, 1_000)
        os.write(ours, f"{SECRET}\n".encode())
        line = process.communicate(timeout=60)[0].decode()
        while select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 1_000)
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)
    assert line.startswith('secret = "sealed:v1:')
    assert SECRET not in shown.decode() + line
