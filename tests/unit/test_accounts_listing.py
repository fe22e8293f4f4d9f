"""`perps-dma accounts` out of a registry: what its commands may do, and when it is swept by itself."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.app.cli import app

REGISTRY = """
[guardrails]
max_leverage = 20

[accounts.swept-001]
exchange = "binance"
portfolio_margin = true
auto_collect = "weekly mon 00:05"
api_key = "env:THE_KEY"
secret = "env:THE_KEY"

[accounts.careful-001]
exchange = "okx"
api_key = "env:THE_KEY"
secret = "env:THE_KEY"
passphrase = "env:THE_KEY"

[accounts.careful-001.guardrails]
margin_modes = ["isolated"]
only_lower_while_open = true
"""


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "accounts.toml").write_text(REGISTRY)
    for name, value in (("ACCOUNTS", str(path)), ("STATE", str(tmp_path))):
        monkeypatch.setenv(f"PERPS_DMA_{name}", value)
    monkeypatch.setenv("THE_KEY", "key")
    monkeypatch.setenv("COLUMNS", "200")


def test_people_are_shown_both() -> None:
    shown = CliRunner().invoke(app, ["accounts"]).output
    assert "swept weekly mon 00:05" in shown
    assert "up to 20x; only lower while open; isolated only" in shown


def test_programs_are_told_both() -> None:
    rows = {row["id"]: row for row in json.loads(CliRunner().invoke(app, ["accounts", "--json"]).output)}
    assert rows["swept-001"]["auto_collect"] == "weekly mon 00:05"
    assert rows["swept-001"]["guardrails"] == {"max_leverage": 20}
    careful = {"max_leverage": 20, "margin_modes": ["isolated"], "only_lower_while_open": True}
    assert (rows["careful-001"]["guardrails"], rows["careful-001"]["auto_collect"]) == (careful, None)
    assert rows["careful-001"]["policy"] != rows["swept-001"]["policy"]
