"""The registry of the guide to accounts, read as it stands there, and its commands."""

import json
import re
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningUp
from tests.support.pages import DOCS, blocks
from worker.accounts.account import RegistryError
from worker.accounts.registry import read_registry

RUN_HERE = [block.text for block in blocks(DOCS / "how-to" / "accounts.md") if block.run_by]
REGISTRY, LIST, SEAL = RUN_HERE
VARIABLES = sorted(set(re.findall(r"env:(\w+)", REGISTRY)))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    secret = tmp_path / "binance-secret"
    secret.write_text("a secret in a file\n")
    for name in VARIABLES:
        monkeypatch.setenv(name, f"value of {name}")
    path = tmp_path / "accounts.toml"
    path.write_text(REGISTRY.replace("/run/secrets/binance-secret", str(secret)))
    return path


def test_the_registry_example_is_read_with_its_references_resolved(registry: Path) -> None:
    main, pm, okx, hyperliquid = read_registry(registry)
    assert (main.id, main.reveal("api_key"), main.reveal("secret")) == (
        "binance-main",
        "value of BINANCE_API_KEY",
        "a secret in a file",
    )
    assert (pm.portfolio_margin, pm.base_url) == (True, None)
    assert okx.reveal("passphrase") == "value of OKX_PASSPHRASE"
    assert hyperliquid.network == "testnet"
    assert hyperliquid.account_address == "0x0000000000000000000000000000000000000001"


def test_a_secret_written_into_the_registry_is_refused_and_not_repeated(registry: Path) -> None:
    registry.write_text(registry.read_text().replace("env:BINANCE_PM_SECRET", "hunter2"))
    with pytest.raises(RegistryError, match=r"binance-pm.*must be a reference, env:NAME or file:PATH") as raised:
        read_registry(registry)
    assert "hunter2" not in str(raised.value)


def test_a_variable_that_is_not_set_is_named(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BINANCE_API_KEY")
    with pytest.raises(RegistryError, match="BINANCE_API_KEY is not set"):
        read_registry(registry)


def test_all_that_is_wrong_in_a_registry_is_named_at_once(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BINANCE_API_KEY")
    text = registry.read_text().replace("[accounts.okx-main]", '[accounts.okx-main]\nposition_mode = "sideways"')
    registry.write_text(text)
    with pytest.raises(RegistryError) as raised:
        read_registry(registry)
    assert "account 'binance-main': api_key" in str(raised.value)
    assert "account 'okx-main': position_mode: must be 'one_way' or 'hedge'" in str(raised.value)


async def test_the_registrys_accounts_stand_beside_the_sandboxs(running_up: RunningUp, registry: Path) -> None:
    environment = {**running_up.environment, "PERPS_DMA_ACCOUNTS": str(registry)}
    environment.update(dict.fromkeys(VARIABLES, "something"))
    with_registry = RunningUp(running_up.state, running_up.http, running_up.amqp, running_up.control_urls, environment)
    listed = {row["id"]: row for row in json.loads((await with_registry.cli("accounts", "--json")).out)}
    assert listed["binance-main"]["sandbox"] is False
    assert (listed["binance-main"]["network"], listed["binance-main"]["lacks"]) == ("mainnet", None)
    assert listed["hyperliquid-test"]["network"] == "testnet"
    assert listed["hyperliquid-test"]["lacks"].endswith("prices are its own")
    assert listed["binance-perp-001"]["sandbox"] is True


async def test_the_commands_list_and_seal_what_is_registered(running_up: RunningUp, registry: Path) -> None:
    known = dict.fromkeys(VARIABLES, "something")
    listed = await running_up.shell(LIST, registry.parent, **known)
    assert (listed.code, "hyperliquid-test" in listed.out) == (0, True), listed.err
    sealed = await running_up.shell(SEAL, registry.parent, **known)
    assert sealed.code == 0, sealed.err
    main = (await running_up.shell("cat accounts.toml", registry.parent)).out.partition("[accounts.binance-pm]")[0]
    assert 'secret = "sealed:v2:' in main
