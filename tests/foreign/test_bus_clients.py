"""The programs of `deploy/docs/BUS_CLIENTS.md`, as they stand there, with the rights of production users."""

import asyncio
import json
import os
import re
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import pytest

from schemas import OPERATIONS
from tests.support.deployed_broker import DeployedBroker, deployed_broker
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.permissions import RISK_USER, STRATEGY_USER, WORKER_USER
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings
from worker.runtime.background import in_background
from worker.runtime.clock import now

pytestmark = pytest.mark.foreign

TOOLS = Path(os.environ["PERPS_DMA_FOREIGN"]).resolve() if "PERPS_DMA_FOREIGN" in os.environ else Path()
PAGE = (Path(__file__).parents[2] / "deploy" / "docs" / "BUS_CLIENTS.md").read_text()
PROGRAMS = {
    match["name"]: match["text"]
    for match in re.finditer(r"```\w+\n(?P<text>(#|//) (?P<name>[\w.]+)\n.*?)```", PAGE, re.DOTALL)
}
UNTRIED = {"Strategy.java"}
STRATEGIES = ("strategy_pika.py", "strategy_kombu.py", "strategy_faststream.py", "strategy.mjs")
LISTENERS = ("risk_pika.py", "risk_kombu.py", "risk_faststream.py", "risk.mjs", "events_rstream.py")
ACCOUNT_ID = "binance-perp-001"
TOLD_S = 30


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DeployedBroker]:
    """The broker as it is deployed, and a worker on it."""
    folder = tmp_path_factory.mktemp("foreign")
    async with deployed_broker(folder) as broker:
        settings = Settings(amqp_url=broker.url(WORKER_USER), state=folder, snapshot_interval_ms=0)
        account = ACCOUNT.model_copy(update={"id": ACCOUNT_ID})
        async with running_worker(settings, Accounts((account,)), lambda _: MemoryVenue()):
            yield broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the programs run; node looks for what they import there."""
    (tmp_path / "node_modules").symlink_to(TOOLS / "npm" / "node_modules")
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@asynccontextmanager
async def started(folder: Path, name: str, broker: DeployedBroker, user: str) -> AsyncIterator[Process]:
    told = folder / ".perps-dma"
    told.mkdir(exist_ok=True)
    (told / "up.json").write_text(json.dumps({"amqp": broker.url(user), "stream": broker.stream_url(user)}))
    program = "node" if name.endswith(".mjs") else str(TOOLS / "python" / "bin" / "python")
    process = await asyncio.create_subprocess_exec(program, name, stdout=PIPE, stderr=STDOUT, cwd=folder)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("name", STRATEGIES)
async def test_a_strategy_publishes_and_is_told_the_outcome(name: str, broker: DeployedBroker, folder: Path) -> None:
    async with started(folder, name, broker, STRATEGY_USER) as strategy, asyncio.timeout(TOLD_S):
        out, _ = await strategy.communicate()
    told = out.decode().splitlines()
    assert strategy.returncode == 0, told
    assert told[-1].split()[:3] in (["applied", "Leverage", "set"], ["unchanged", "Leverage", "already"]), told


@pytest.mark.parametrize("name", LISTENERS)
async def test_a_risk_system_hears_the_result(name: str, broker: DeployedBroker, folder: Path) -> None:
    async with (
        started(folder, name, broker, RISK_USER) as risk,
        asyncio.timeout(TOLD_S),
        in_background(_changes(broker)),
    ):
        await _heard(risk, f"perps-dma.result.v1 {ACCOUNT_ID}")


async def _changes(broker: DeployedBroker) -> None:
    """One change after the other: a queue that is bound a moment later hears the next one."""
    operation = OPERATIONS["set_leverage"]
    async with connect_rpc(broker.url(SHIM_USER), "tests") as rpc:
        for leverage in cycle((2, 3)):
            asked = {"exchange_account_id": ACCOUNT_ID, "symbol": BTC.symbol, "leverage": leverage}
            await rpc.call(operation, json.dumps(asked).encode(), command_id=str(uuid4()), deadline=now() + 20_000)


async def _heard(process: Process, what: str) -> None:
    assert process.stdout is not None
    said = []
    while what not in (line := (await process.stdout.readline()).decode()):
        said.append(line)
        assert line, f"it ended: {''.join(said)}"


def test_every_program_of_the_page_is_run_or_named_here() -> None:
    assert PROGRAMS.keys() == {*STRATEGIES, *LISTENERS, *UNTRIED}
