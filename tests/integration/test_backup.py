"""A ledger out of a backup remembers what was done, as deploy/docs/GUIDE.md has it."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer
from tests.support.worker_harness import Body, worker_harness
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import open_ledger
from worker.messages.wire import Outgoing

FREEZE = Freeze("all", "restored", "ann", 1)
TOLD = Outgoing("freeze-1", "perps-dma.freeze.v1", "control.freeze", "{}")


async def program(*argv: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out


async def restored_remembers(restored: str, replies: list[Body]) -> None:
    async with worker_harness(restored) as after:
        await after.deliver(command_id="c-1")
        assert after.venue.log == []
        assert after.replies == replies
    async with open_ledger(restored) as ledger:
        assert [freeze.scope for freeze in await ledger.freezes.all()] == ["all"]


async def used(url: str) -> list[Body]:
    """A ledger with a command and a freeze in it; what the command was answered."""
    async with worker_harness(url) as before:
        await before.deliver(command_id="c-1")
        await before.ledger.freezes.freeze(FREEZE, TOLD)
    return before.replies


async def test_postgresql_from_pg_dump(postgres: PostgresServer, tmp_path: Path) -> None:
    assert shutil.which("pg_dump")
    url, restored = await postgres.database(), await postgres.database()
    replies = await used(url)
    dump = str(tmp_path / "ledger.dump")
    await program("pg_dump", "--format=custom", f"--file={dump}", url)
    await program("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored}", dump)
    await restored_remembers(restored, replies)


@pytest.mark.parametrize("running", [True, False])
async def test_sqlite_from_vacuum_into(tmp_path: Path, *, running: bool) -> None:
    source, copy = tmp_path / "ledger.db", tmp_path / "copy.db"
    url = f"sqlite:///{source}"
    replies = await used(url)
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', (sys.argv[2],))"
    if running:
        async with worker_harness(url):
            await program("python3", "-c", script, str(source), str(copy))
    else:
        await program("python3", "-c", script, str(source), str(copy))
    await restored_remembers(f"sqlite:///{copy}", replies)
