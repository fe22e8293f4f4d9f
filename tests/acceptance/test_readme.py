"""The README's programs, run as they stand there."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningUp, Venue
from worker.accounts.account import Account, RegistryError
from worker.accounts.networks import LACKS
from worker.accounts.registry import read_registry

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = {
    match["name"]: match["text"]
    for match in re.finditer(r"```(?:python|toml)\n(?P<text># (?P<name>[\w.]+)\n.*?)```", README, re.DOTALL)
}

VARIABLES = sorted(set(re.findall(r"env:(\w+)", BLOCKS["accounts.toml"])))


async def start(running_up: RunningUp, name: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BLOCKS[name]), stdout=PIPE, cwd=running_up.state.parent
    )


async def line(process: Process, beginning: str = "") -> str:
    """The next line that begins so; the events of other tests may come before it."""
    assert process.stdout is not None
    async with asyncio.timeout(40):
        while not (read := (await process.stdout.readline()).decode()).startswith(beginning):
            assert read, "it ended"
    return read


async def test_the_strategy_engine_gets_its_answer_and_the_risk_system_hears_of_it(
    running_up: RunningUp, venue: Venue
) -> None:
    risk = await start(running_up, "risk.py")
    try:
        heard = asyncio.create_task(line(risk, "result.set_leverage.binance.binance-perp-001"))
        while not heard.done():  # the risk system hears what is published once it has subscribed
            strategy = await start(running_up, "strategy.py")
            assert await line(strategy) == "applied Leverage set to 10x for BTC/USDT:USDT\n"
            assert await strategy.wait() == 0
        assert (await heard).endswith(" applied\n")
        snapshot = await line(risk, "positions.binance.binance-perp-001")
        assert "[{'symbol': 'BTC/USDT:USDT', 'side': 'long'" in snapshot
    finally:
        risk.kill()
        await risk.wait()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    secret = tmp_path / "binance-secret"
    secret.write_text("a secret in a file\n")
    for name in VARIABLES:
        monkeypatch.setenv(name, f"value of {name}")
    path = tmp_path / "accounts.toml"
    path.write_text(BLOCKS["accounts.toml"].replace("/run/secrets/binance-secret", str(secret)))
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


def test_every_field_of_an_account_is_documented() -> None:
    table = README.partition("| field | default |")[2].partition("\n\n")[0]
    documented = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert documented == set(Account.model_fields) - {"id", "base_url"}


def test_every_network_is_documented_with_what_it_lacks() -> None:
    table = README.partition("| venue | `network` |")[2].partition("\n\n")[0]
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    assert rows == [[exchange, network, lacks] for (exchange, network), lacks in LACKS.items()]


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


def test_every_test_that_stands_for_a_promise_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", README)
    assert len(named) > 15
    assert [path for path in named if not Path(path).exists()] == []
