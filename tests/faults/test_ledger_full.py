"""A ledger whose disk is full: what can't be recorded is not sent, nothing is forgotten, and it goes on with room."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aio_pika
import pytest

from schemas import OPERATIONS
from tests.faults.conftest import Count
from tests.faults.stage import LEVERAGE, SYMBOL, Stage
from worker.bus.rpc import RpcClient, connect_rpc
from worker.runtime.clock import now
from worker.sandbox.server.faults import Fault

SIZE = "16m"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)), check=True)
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Where the ledger is."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def fill(disk: Path) -> Path:
    """Leave no room on it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk has no end")


async def ledger_writes(client: RpcClient) -> bool:
    """What the worker says of its ledger."""
    answer = await client.call(OPERATIONS["get_status"], b"{}", command_id="status", deadline=now() + 10_000)
    return bool(json.loads(answer.body)["data"]["ledger_writes"])


async def until(client: RpcClient, *, writes: bool) -> None:
    """Wait for the worker to say so."""
    async with asyncio.timeout(30):
        while await ledger_writes(client) is not writes:
            pass


async def test_commands_wait_for_room_and_are_carried_out_then(stage: Stage, count: Count, disk: Path) -> None:
    accounts = tuple(f"l-{number}" for number in range(5))
    stage.open_accounts(*accounts)
    await stage.worker(PERPS_DMA_LEDGER_URL=f"sqlite:///{disk / 'ledger.db'}").start()
    async with connect_rpc(stage.url, "tests") as client, await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        await until(client, writes=True)
        filler = fill(disk)
        for leverage in range(1, 9):
            for account in accounts:
                await stage.send(channel, "set_leverage", account, symbol=SYMBOL, leverage=leverage)
        await until(client, writes=False)
        # What still found room in the log of writes may have gone; the rest waits.
        assert stage.seen(LEVERAGE).total() < len(stage.tally.expected)
        filler.unlink()
        await stage.tally.collect(stage.url)
        assert await ledger_writes(client)
    doubled = sum(times - 1 for times in stage.seen(LEVERAGE).values()) + len(stage.tally.contradicted)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=doubled)
    assert stage.tally.outcomes == {"applied": 40}


async def test_a_result_that_finds_no_room_is_kept_until_it_does(stage: Stage, count: Count, disk: Path) -> None:
    accounts = tuple(f"l-{number}" for number in range(20))
    stage.open_accounts(*accounts)
    await stage.worker(PERPS_DMA_LEDGER_URL=f"sqlite:///{disk / 'ledger.db'}").start()
    stage.sandbox.desks["binance"].faults.add(Fault(fault="delay", path=LEVERAGE, delay_ms=2_000, times=20))
    async with connect_rpc(stage.url, "tests") as client:
        for account in accounts:
            await stage.publish("set_leverage", account, symbol=SYMBOL, leverage=7)
        async with asyncio.timeout(30):
            while sum(stage.seen(LEVERAGE).values()) < len(accounts):
                await ledger_writes(client)
        filler = fill(disk)
        await until(client, writes=False)
        filler.unlink()
        await stage.tally.collect(stage.url)
    doubled = sum(times - 1 for times in stage.seen(LEVERAGE).values()) + len(stage.tally.contradicted)
    count(len(accounts), lost=len(stage.tally.lost), doubled=doubled)
    assert stage.tally.outcomes == {"applied": 20}
