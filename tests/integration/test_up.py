"""`perps-dma up`, run as a person runs it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.processes import family, free_port, gone
from worker.config.settings import Settings
from worker.ledger.ledger import open_ledger
from worker.runtime.files.log_files import LARGEST_LOG

READY_S = 90
STOP_S = 40


@dataclass
class Run:
    """A running `up` and what it has said so far."""

    process: asyncio.subprocess.Process
    settings: Settings
    lines: list[str] = field(default_factory=list)

    async def says(self, what: str) -> str:
        """Wait for a line that begins with a word; what follows the word."""
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_S):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line)
                if line.split(" ", 1)[0].strip() == what:
                    return line.removeprefix(what).strip()
        raise AssertionError(f"`up` ended without saying {what!r}:\n{''.join(self.lines)}")

    async def ends(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(STOP_S):
            out, _ = await self.process.communicate()
        self.lines.append(out.decode())
        return self.process.returncode or 0

    @property
    def output(self) -> str:
        """What it has said, in one text."""
        return "".join(self.lines)


@asynccontextmanager
async def up(settings: Settings, *options: str, **more: str) -> AsyncIterator[Run]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PERPS_DMA_")}
    environment |= {"PERPS_DMA_STATE": str(settings.state), "PERPS_DMA_PORT": str(settings.port)} | more
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "up", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    try:
        yield Run(process, settings)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def new_settings(state: Path) -> Settings:
    return Settings(state=state, port=free_port(), amqp_url=None)


def files_under(folder: Path) -> set[Path]:
    skipped = {".git", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}
    return {file for file in folder.rglob("*") if not skipped.intersection(file.parts)}


async def first_steps_are_said(running: Run, url: str) -> None:
    """A request, the events, the positions: lines that stand whole on 80 columns."""
    steps: list[str] = []
    while not steps or not steps[-1].startswith("perps-dma positions "):
        steps.append(await running.says(""))
    assert f"{url}/oems/execution/positions" in steps
    assert "perps-dma watch --from 15m" in steps
    assert [step for step in steps if len(step) > 78 and not step.startswith("export ")] == []


async def test_up_serves_says_how_to_try_it_and_leaves_nothing_behind_on_ctrl_c(tmp_path: Path) -> None:
    before = files_under(Path.cwd())
    settings = new_settings(tmp_path / "state")
    leave_logs_for_everybody(settings.state)
    async with up(settings) as running:
        url = await running.says("ready")
        token = await running.says("token")
        link = await running.says("console")
        assert url == f"http://127.0.0.1:{running.settings.port}"
        assert await running.says("try") == "in another terminal, in this folder:"
        await first_steps_are_said(running, url)
        assert running.output.count(token) == 1
        await ask_leverage(url, token)
        await console_opens(link, url)
        assert logs_of_others(settings.state) == []
        await grown_log_is_put_aside(settings.state / "log" / "worker.log")
        pids = family(running.process.pid)
        assert len(pids) >= 5
        check_up_file(running)
        running.process.send_signal(signal.SIGINT)
        assert await running.ends() == 0
        await gone(*pids)
    assert "Traceback" not in running.output
    assert not running.settings.up_file.exists()
    assert files_under(Path.cwd()) == before


def logs(state: Path) -> list[Path]:
    return [file for folder in ("log", "rabbitmq/log") for file in (state / folder).glob("*") if file.is_file()]


def leave_logs_for_everybody(state: Path) -> None:
    for name in ("log/worker.log", "log/worker.log.2", "rabbitmq/log/node.log"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).touch()
        (state / name).chmod(0o644)


def logs_of_others(state: Path) -> list[Path]:
    """The logs that others than their owner may read."""
    assert {"worker.log", "shim.log", "sandbox.log", "node.log"} <= {log.name for log in logs(state)}
    return [log for log in logs(state) if log.stat().st_mode & 0o077]


async def grown_log_is_put_aside(log: Path) -> None:
    os.truncate(log, LARGEST_LOG + 1)
    async with asyncio.timeout(20):
        while os.stat(log).st_size > LARGEST_LOG:  # noqa: ASYNC110 - `up` looks now and then
            await asyncio.sleep(0.1)
    assert os.stat(f"{log}.1").st_size > LARGEST_LOG


async def ask_leverage(url: str, token: str) -> None:
    query = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT"}
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        answer = await client.get("/oems/execution/leverage", params=query)
    assert (answer.status_code, answer.json()["isError"]) == (200, False)


async def console_opens(link: str, url: str) -> None:
    """The link brings an admin's token where no server sees it: behind the #."""
    page, _, token = link.partition("#token=")
    assert page == f"{url}/console"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
        assert "/console/page/main.js" in (await client.get(page)).text
        assert (await client.get(f"{page}/session")).json()["data"]["roles"] == ["admin"]


def check_up_file(running: Run) -> None:
    file = running.settings.up_file
    said = json.loads(file.read_text())
    assert file.stat().st_mode & 0o077 == 0
    assert set(said) == {"http", "amqp", "stream", "broker", "metrics", "pid", "started"}
    assert said["http"] == f"http://127.0.0.1:{running.settings.port}"
    assert said["pid"] == running.process.pid
    assert f"rabbitmq  {said['broker']}" in running.output


@pytest.mark.long
async def test_up_splits_commands_over_shards_and_over_another_number_the_next_time(tmp_path: Path) -> None:
    settings = new_settings(tmp_path)
    for shards in ("4", "2"):
        async with up(settings, PERPS_DMA_SHARDS=shards) as running:
            url = await running.says("ready")
            await set_leverage(url, await running.says("token"))
            running.process.send_signal(signal.SIGTERM)
            assert await running.ends() == 0


async def set_leverage(url: str, token: str) -> None:
    body = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 7}
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        answer = await client.post("/oems/execution/leverage", json=body)
    assert (answer.status_code, answer.json()["isError"]) == (200, False)


@pytest.mark.long
async def test_up_without_the_ledger_that_was_there_starts_only_if_it_is_told_to(tmp_path: Path) -> None:
    settings = new_settings(tmp_path)
    async with open_ledger(settings.ledger, settings.state):
        pass
    (tmp_path / "ledger.db").unlink()
    async with up(settings) as refused:
        assert await refused.ends() == 1
    assert "perps-dma: the ledger" in refused.output
    assert "is gone" in refused.output
    async with up(settings, "--new-ledger") as running:
        await running.says("ready")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
    async with up(settings, "--new-ledger") as refused:
        assert await refused.ends() == 1
    assert "start without --new-ledger" in refused.output


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    async with up(new_settings(tmp_path)) as running:
        url = await running.says("ready")
        token = await running.says("token")
        before = await until_ready(url)
        worker = next(pid for pid in family(running.process.pid) if b"\0worker\0" in command_line(pid))
        os.kill(worker, signal.SIGKILL)
        assert "ended (signal SIGKILL), starts again" in await running.says("worker")
        await until_ready(url, other_than=before)
        await ask_leverage(url, token)
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def until_ready(url: str, other_than: str | None = None) -> str:
    """Wait until a worker is ready for all venues, another one than the one named; its name."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client, asyncio.timeout(READY_S):
        while True:
            answer = await client.get("/readyz")
            facts = answer.json()
            loaded = all(venue["markets_loaded"] for venue in facts["venues"])
            if answer.status_code == httpx.codes.OK and loaded and facts["worker"] != other_than:
                return str(facts["worker"])
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_a_second_up_is_refused_by_port_and_by_state_while_the_first_runs_on(tmp_path: Path) -> None:
    async with up(new_settings(tmp_path / "first")) as first:
        url = await first.says("ready")
        same_port = Settings(state=tmp_path / "second", port=first.settings.port)
        async with up(same_port) as second:
            assert await second.ends() == 1
        assert f"can't listen on 127.0.0.1:{first.settings.port}" in second.output
        assert "PORT=" in second.output
        same_state = Settings(state=first.settings.state, port=free_port())
        async with up(same_state) as third:
            assert await third.ends() == 1
        assert f"another `up` runs on {first.settings.state}" in third.output
        await until_ready(url)
        first.process.send_signal(signal.SIGINT)
        assert await first.ends() == 0


async def test_killing_up_leaves_no_process(tmp_path: Path) -> None:
    async with up(new_settings(tmp_path)) as running:
        await running.says("ready")
        pids = family(running.process.pid)
        running.process.kill()
        await gone(*pids)


async def test_ctrl_c_during_the_start_stops_what_was_started(tmp_path: Path) -> None:
    async with up(new_settings(tmp_path)) as running:
        await running.says("sandbox")
        pids = family(running.process.pid)
        running.process.send_signal(signal.SIGINT)
        assert await running.ends() == 0
        await gone(*pids)
    assert "Traceback" not in running.output


async def test_without_a_broker_up_says_what_to_do_and_ends(tmp_path: Path) -> None:
    async with up(new_settings(tmp_path), PERPS_DMA_AMQP_URL="amqp://a:b@127.0.0.1:1/") as running:
        assert await running.ends() == 1
    assert "no RabbitMQ lets us in at 127.0.0.1:1" in running.output
    assert "Traceback" not in running.output


async def test_an_account_that_is_registered_under_an_id_of_the_sandbox_is_said(tmp_path: Path) -> None:
    registry = tmp_path / "accounts.toml"
    registry.write_text('[accounts.binance-perp-001]\nexchange = "binance"\napi_key = "env:KEY"\nsecret = "env:KEY"\n')
    async with up(new_settings(tmp_path / "state"), PERPS_DMA_ACCOUNTS=str(registry), KEY="something") as running:
        said = await running.says("accounts")
        running.process.send_signal(signal.SIGINT)
        assert await running.ends() == 0
    assert said == f"binance-perp-001: as {registry} has it, not the sandbox"


async def test_a_service_that_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    registry = tmp_path / "accounts.toml"
    registry.write_text("{")
    async with up(new_settings(tmp_path / "state"), PERPS_DMA_ACCOUNTS=str(registry)) as running:
        assert await running.ends() == 1
    assert "worker ended before it was ready (exit code 1)" in running.output
    assert f"the account registry {registry} can't be read" in running.output
    assert "Traceback" not in running.output
