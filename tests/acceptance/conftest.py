"""A running `up`, started once, as a new user starts it; and people and programs in front of it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.forks import Ended, perps_dma, prepare
from tests.support.processes import free_port
from tests.support.strategy import Strategy

READY_S = 90

GRANTED = {"hyperliquid": {"weight": 1_000_000}, "binance": {"futures weight": 1_000_000, "papi weight": 1_000_000}}
"""The cards ask these for more in a minute than they allow; each card begins with their counts at nothing."""


@dataclass(frozen=True, slots=True)
class RunningUp:
    """How to reach it."""

    state: Path
    http: str
    amqp: str
    control_urls: dict[str, str]
    environment: dict[str, str]

    async def cli(self, *arguments: str) -> Ended:
        """Run `perps-dma` against it."""
        return await perps_dma(*arguments, environment=self.environment)

    async def shell(self, script: str, folder: Path, **more: str) -> Ended:
        """Run a block of commands as somebody would who has `perps-dma` on the path; the first that fails ends it."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env={**self.environment, **more, "PATH": path},
        )
        out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def up(folder: Path, granted: Mapping[str, Mapping[str, int]], **settings: str) -> AsyncIterator[RunningUp]:
    """`perps-dma up` in a state folder and on a port of its own."""
    state, port = folder / ".perps-dma", free_port()
    environment = {
        **os.environ,
        "PERPS_DMA_STATE": str(state),
        "PERPS_DMA_PORT": str(port),
        "PERPS_DMA_GRANTED_LIMITS": json.dumps(granted),
        "PERPS_DMA_SNAPSHOT_INTERVAL_MS": "0",  # tests count what a venue was asked
        "PERPS_DMA_STREAMS": "off",
        **settings,
    }
    prepare()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "up"), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        said: list[str] = []
        async with asyncio.timeout(READY_S):
            while not (line := await process.stdout.readline()).startswith(b"ready"):
                said.append(line.decode())
                assert line, f"up ended before it was ready:\n{''.join(said)}"
        told = json.loads((state / "up.json").read_text())
        venues = json.loads((state / "sandbox.json").read_text())["venues"]
        control_urls = {name: venue["control_url"] for name, venue in venues.items()}
        yield RunningUp(state, told["http"], told["amqp"], control_urls, environment)
    finally:
        process.terminate()
        assert await process.wait() == 0


@pytest.fixture(scope="session")
async def running_up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningUp]:
    """The one that all acceptance tests share."""
    async with up(tmp_path_factory.mktemp("up"), GRANTED) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Venue:
    """The control side of the sandbox venue."""

    client: httpx.AsyncClient

    async def misbehave(self, **fault: Any) -> None:
        """Plan a fault."""
        (await self.client.post("faults", json=fault)).raise_for_status()

    async def requests(self) -> list[tuple[str, str]]:
        """Method and path of what it received since the test began."""
        rows = (await self.client.get("requests")).json()["requests"]
        return [(row["method"], row["path"]) for row in rows]

    async def changes(self) -> list[str]:
        """The paths of the requests that could change something of an account."""
        return [path for method, path in await self.requests() if method == "POST" and not path.endswith("listenKey")]


@pytest.fixture
async def venue(running_up: RunningUp) -> AsyncIterator[Venue]:
    """The sandbox as seeded, with an empty journal."""
    async with httpx.AsyncClient(base_url=f"{running_up.control_urls['binance']}/") as client:
        (await client.post("reset")).raise_for_status()
        yield Venue(client)
        (await client.delete("faults")).raise_for_status()


@pytest.fixture(scope="session")
async def trader_token(running_up: RunningUp) -> str:
    """What `perps-dma token` prints."""
    return (await running_up.cli("token", "--role", "trader")).out.strip()


@pytest.fixture
async def trader(running_up: RunningUp, trader_token: str, venue: Venue) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with a trader's token."""
    headers = {"Authorization": f"Bearer {trader_token}"}
    async with httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
async def strategy(running_up: RunningUp, venue: Venue) -> AsyncIterator[Strategy]:
    """A strategy engine on bare aio-pika."""
    async with Strategy.connected(running_up.amqp) as engine:
        yield engine
