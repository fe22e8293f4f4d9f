"""Where accounts come from: keys in the clear are for the sandbox alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from worker.accounts.account import RegistryError
from worker.config.locations import load_accounts
from worker.config.settings import Settings

ROW = {"id": "sandboxed", "exchange": "bybit", "api_key": "key", "secret": "in the clear"}
AT_HOME = "http://127.0.0.1:9"


def told(state: Path, *rows: dict[str, Any]) -> Settings:
    """Settings whose state folder has what a sandbox wrote."""
    (state / "sandbox.json").write_text(json.dumps({"accounts": rows}))
    return Settings(state=state, accounts=None)


def test_the_sandboxs_accounts_are_read_with_their_keys(tmp_path: Path) -> None:
    (account,) = load_accounts(told(tmp_path, {**ROW, "base_url": AT_HOME})).values()
    assert (account.reveal("secret"), account.base_url) == ("in the clear", AT_HOME)


@pytest.mark.parametrize("elsewhere", [{}, {"base_url": None}, {"base_url": "https://api.bybit.com"}, {"base_url": ""}])
def test_keys_in_the_clear_are_refused_for_a_venue_that_is_no_sandbox(
    tmp_path: Path, elsewhere: dict[str, Any]
) -> None:
    with pytest.raises(RegistryError, match=r"sandbox.json is not what the sandbox writes") as raised:
        load_accounts(told(tmp_path, {**ROW, **elsewhere}))
    assert "in the clear" not in str(raised.value)


def test_an_id_that_the_registry_and_the_sandbox_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "key")
    registry = tmp_path / "accounts.toml"
    registry.write_text('[accounts.sandboxed]\nexchange = "bybit"\napi_key = "env:KEY"\nsecret = "env:KEY"\n')
    settings = told(tmp_path, {**ROW, "base_url": AT_HOME}).model_copy(update={"accounts": registry})
    with pytest.raises(RegistryError, match="two accounts have the same id"):
        load_accounts(settings)
