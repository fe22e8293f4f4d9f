"""Where accounts come from: keys in the clear are for the sandbox alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from worker.accounts.account import Account, Accounts, RegistryError
from worker.accounts.registry import read_registry
from worker.config.locations import displaced_accounts, load_accounts
from worker.config.settings import Settings
from worker.console.tour import ACCOUNTS

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


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    """Settings with a registry of one account of this id, beside a sandbox that has one of the same."""
    monkeypatch.setenv("KEY", "key")

    def write(account_id: str) -> Settings:
        registry = tmp_path / "accounts.toml"
        registry.write_text(f'[accounts.{account_id}]\nexchange = "bybit"\napi_key = "env:KEY"\nsecret = "env:KEY"\n')
        rows = ({**ROW, "base_url": AT_HOME, "id": name} for name in (account_id, "another"))
        return told(tmp_path, *rows).model_copy(update={"accounts": registry})

    return write


def test_an_id_that_is_registered_is_the_registrys_and_not_the_sandboxs(
    registered: Callable[[str], Settings],
) -> None:
    settings = registered("binance-perp-001")
    accounts = load_accounts(settings)
    assert {name: account.base_url for name, account in accounts.items()} == {
        "binance-perp-001": None,
        "another": AT_HOME,
    }
    assert displaced_accounts(settings) == ("binance-perp-001",)


def test_nothing_is_displaced_without_a_registry(tmp_path: Path) -> None:
    assert displaced_accounts(told(tmp_path, {**ROW, "base_url": AT_HOME})) == ()


@pytest.mark.parametrize("account_id", sorted(ACCOUNTS))
def test_an_id_of_the_tour_is_refused_to_the_registry_with_both_files(
    registered: Callable[[str], Settings], account_id: str
) -> None:
    settings = registered(account_id)
    with pytest.raises(RegistryError, match=f"two accounts have the same id, {account_id}: one in") as raised:
        load_accounts(settings)
    assert str(settings.accounts) in str(raised.value)
    assert str(settings.sandbox_file) in str(raised.value)


def test_an_id_that_stands_in_one_file_twice_is_named(tmp_path: Path) -> None:
    row = {**ROW, "base_url": AT_HOME}
    with pytest.raises(RegistryError, match=r"sandbox\.json.* sandboxed"):
        load_accounts(told(tmp_path, row, row))


def test_a_table_that_is_written_twice_is_named_with_its_file(tmp_path: Path) -> None:
    registry = tmp_path / "accounts.toml"
    registry.write_text("[accounts.okx-main]\n[accounts.okx-main]\n")
    with pytest.raises(RegistryError, match=r"accounts\.toml.*okx-main"):
        read_registry(registry)


def test_accounts_that_share_an_id_are_named() -> None:
    account = Account(id="okx-main", exchange="bybit", api_key=SecretStr("key"), secret=SecretStr("secret"))
    with pytest.raises(RegistryError, match="two accounts have the same id, okx-main"):
        Accounts([account, account])
