"""Flushing the log of writes: at once for who is waited for, together for who is not."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import pytest

from worker.ledger.sql.errors import LedgerUnavailable
from worker.ledger.sqlite.wal import WriteLog

SOON_S = 0.01
NEVER_S = 3_600.0


class Disk:
    """Counts flushes, and holds them up when told to."""

    def __init__(self) -> None:
        self.flushes = 0
        self.go_on = Event()
        self.go_on.set()
        self.broken = False

    def flush(self, file: int) -> None:
        self.go_on.wait()
        self.flushes += 1
        if self.broken:
            raise OSError("no room")
        os.fdatasync(file)


@asynccontextmanager
async def log_of(path: Path, disk: Disk, gather_s: float) -> AsyncIterator[WriteLog]:
    """A log that gathers for so long."""
    path.with_name(f"{path.name}-wal").touch()
    log = WriteLog(path, sqlite3.connect, disk.flush, gather_s)
    try:
        yield log
    finally:
        disk.go_on.set()
        await log.close()


async def test_flushes_that_nobody_is_kept_waiting_by_are_one(tmp_path: Path) -> None:
    disk = Disk()
    async with log_of(tmp_path / "ledger", disk, SOON_S) as log, asyncio.timeout(40):
        await log.flushed()
        await asyncio.gather(*(log.flushed(gathered=True) for _ in range(10)))
        assert disk.flushes == 2


async def test_where_none_was_not_long_ago_nothing_is_waited_for(tmp_path: Path) -> None:
    disk = Disk()
    async with log_of(tmp_path / "ledger", disk, 0.0) as log, asyncio.timeout(40):
        for _ in range(3):
            await log.flushed(gathered=True)
        assert disk.flushes == 3


async def test_one_that_is_waited_for_goes_at_once_and_takes_the_others_with_it(tmp_path: Path) -> None:
    disk = Disk()
    async with log_of(tmp_path / "ledger", disk, NEVER_S) as log, asyncio.timeout(40):
        await log.flushed()
        gathered = asyncio.create_task(log.flushed(gathered=True))
        await asyncio.sleep(0)
        await log.flushed()
        await gathered
        assert disk.flushes == 2


async def test_what_is_asked_for_during_a_flush_waits_for_the_next_one(tmp_path: Path) -> None:
    disk = Disk()
    async with log_of(tmp_path / "ledger", disk, NEVER_S) as log, asyncio.timeout(40):
        disk.go_on.clear()
        first = asyncio.create_task(log.flushed())
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the flush has begun: what is written from here on is not in it
        second, third = (asyncio.create_task(log.flushed(gathered=gathered)) for gathered in (True, False))
        await asyncio.sleep(0)
        disk.go_on.set()
        await first
        assert not second.done()
        assert not third.done()
        await asyncio.gather(second, third)
        assert disk.flushes == 2


async def test_closing_keeps_nobody_waiting_who_gathers(tmp_path: Path) -> None:
    disk = Disk()
    async with log_of(tmp_path / "ledger", disk, NEVER_S) as log, asyncio.timeout(40):
        await log.flushed()
        gathered = asyncio.create_task(log.flushed(gathered=True))
        await asyncio.sleep(0)
        assert not gathered.done()
    await gathered
    assert disk.flushes == 2


async def test_a_disk_that_fails_tells_all_who_gathered(tmp_path: Path) -> None:
    disk = Disk()
    disk.broken = True
    async with log_of(tmp_path / "ledger", disk, SOON_S) as log, asyncio.timeout(40):
        told = await asyncio.gather(*(log.flushed(gathered=True) for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in told] == [LedgerUnavailable] * 3
        with pytest.raises(LedgerUnavailable, match="no room"):
            await log.flushed()
