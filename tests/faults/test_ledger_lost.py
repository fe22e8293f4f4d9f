"""A ledger whose file vanishes, is damaged or is held by another while commands come: none is lost or doubled."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aio_pika
import pytest

from tests.faults.conftest import Count
from tests.faults.stage import LEVERAGE, PRODUCTION, SYMBOL, Stage
from worker.bus.amqp.topology import DEAD_LETTERS
from worker.bus.rpc import connect_rpc
from worker.shim.routes.readiness import Probe

ACCOUNTS = tuple(f"v-{number}" for number in range(5))
GRACE_MS = "300"


def remove(ledger: Path) -> None:
    for file in ledger.parent.glob("ledger.db*"):
        if file.is_file():
            file.unlink()


def overwrite(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.write(os.urandom(ledger.stat().st_size))


def back_up(ledger: Path) -> Path:
    copy = ledger.with_name("backup.db")
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    return copy


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Probe]:
    """What a shim finds when it is asked whether it is ready."""
    async with connect_rpc(url, "tests") as client:
        yield Probe(client)


async def reason_of(probe: Probe) -> str:
    """Why it is not ready, which has to be the ledger all the time."""
    async with asyncio.timeout(20):
        while (reason := (await probe.readiness()).reason) is None:
            pass
    assert "can't write its ledger" in reason
    return reason


async def publish_all(stage: Stage) -> None:
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        for leverage in range(1, 9):
            for account in ACCOUNTS:
                await stage.send(channel, "set_leverage", account, symbol=SYMBOL, leverage=leverage)


async def refusal_of(stage: Stage) -> str:
    """What a worker says that is started now, and ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *PRODUCTION),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(stage.worker(*PRODUCTION).environment),
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert b"Traceback" not in err
    return err.decode()


async def dead_letters(stage: Stage) -> int:
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        return (await channel.declare_queue(DEAD_LETTERS, passive=True)).declaration_result.message_count or 0


@pytest.mark.parametrize(
    ("breakage", "running", "starting"),
    [
        (remove, "was removed, moved or replaced", "is gone"),
        (overwrite, "is damaged", "is damaged"),
    ],
)
async def test_what_waits_for_a_lost_ledger_is_carried_out_on_the_next(
    stage: Stage, count: Count, breakage: Callable[[Path], None], running: str, starting: str
) -> None:
    ledger = stage.state / "ledger.db"
    stage.open_accounts(*ACCOUNTS)
    worker = stage.worker(*PRODUCTION, PERPS_DMA_GRACE_MS=GRACE_MS)
    await worker.start()
    buried = await dead_letters(stage)
    backup = back_up(ledger)
    async with asking(stage.url) as probe:
        breakage(ledger)
        await publish_all(stage)
        assert running in await reason_of(probe)
    assert worker.said('"event":"ledger_unavailable"') == 1
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    assert starting in await refusal_of(stage)
    assert stage.seen(LEVERAGE) == {}
    remove(ledger)
    if breakage is overwrite:
        backup.rename(ledger)
        await stage.worker(*PRODUCTION).start()
    else:
        await stage.worker(*PRODUCTION, "--new-ledger").start()
    await stage.tally.collect(stage.url)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=stage.doubled)
    assert stage.tally.outcomes == {"applied": 40}
    assert await dead_letters(stage) == buried


async def test_a_shim_names_the_ledger_that_another_process_holds(stage: Stage, count: Count) -> None:
    stage.open_accounts(*ACCOUNTS)
    await stage.worker(*PRODUCTION).start()
    async with asking(stage.url) as probe:
        with closing(sqlite3.connect(stage.state / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await publish_all(stage)
            for _ in range(3):
                assert "another program holds it" in await reason_of(probe)
            assert stage.seen(LEVERAGE) == {}
        await stage.tally.collect(stage.url)
        assert (await probe.readiness()).reason is None
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=stage.doubled)


async def test_a_worker_without_its_lock_folder_goes_on(stage: Stage, count: Count) -> None:
    stage.open_accounts(*ACCOUNTS)
    worker = stage.worker(*PRODUCTION)
    await worker.start()
    stage.hold(500, times=5)
    publishing = asyncio.create_task(publish_all(stage))
    while not stage.at_venue():  # noqa: ASYNC110 - the worker sends
        await asyncio.sleep(0.01)
    for file in (stage.state / "ledger.db.locks").iterdir():
        file.unlink()
    (stage.state / "ledger.db.locks").rmdir()
    await publishing
    await stage.tally.collect(stage.url)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=stage.doubled)
    assert worker.said("lock_file_recreated") > 0
    assert worker.process is not None
    assert worker.process.returncode is None
