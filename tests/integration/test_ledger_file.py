"""A SQLite file that vanishes, is damaged or is held by another: nothing is sent, and the reason is told."""

import asyncio
import fcntl
import filecmp
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.worker_harness import WorkerHarness, worker_harness
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger, forget_ledger, open_ledger
from worker.ledger.sql.errors import LedgerError, LedgerGone, LedgerInPlace, LedgerUnavailable
from worker.ledger.sqlite.file_locks import FileLock, FileLocks
from worker.ledger.sqlite.open_file import LOOK_S
from worker.messages.wire import Outgoing
from worker.runtime.clock import now

Breakage = Callable[[Path], None]
EVENT = Outgoing("e-1", "perps-dma.freeze.v1", "control.freeze", "{}")
FREEZE = Freeze("all", "audit", "ann", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "state" / "ledger.db"


def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def running(path: Path) -> AsyncIterator[WorkerHarness]:
    """A worker on the ledger, which has carried a command out."""
    async with worker_harness(url(path)) as running:
        await running.deliver(command_id="c-1")
        running.venue.log.clear()
        yield running


@pytest.fixture
async def another(tmp_path: Path) -> Path:
    """Another ledger, which nobody uses."""
    elsewhere = tmp_path / "another" / "ledger.db"
    async with open_ledger(url(elsewhere)):
        pass
    return elsewhere


def files(path: Path) -> list[Path]:
    return [file for file in path.parent.glob(f"{path.name}*") if file.is_file()]


def remove(path: Path) -> None:
    """`rm ledger.db*`."""
    for file in files(path):
        file.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def swap_for_an_empty_file(path: Path) -> None:
    path.unlink()
    path.touch()


def swap_for_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


def remove_log(path: Path) -> None:
    path.with_name("ledger.db-wal").unlink()


def remove_index(path: Path) -> None:
    path.with_name("ledger.db-shm").unlink()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def overwrite_a_page_in_ten(path: Path) -> None:
    with path.open("r+b") as file:
        for start in range(2_048, path.stat().st_size, 20_480):
            file.seek(start)
            file.write(os.urandom(2_048))


VANISHED: tuple[Breakage, ...] = (
    *(remove, move, swap_for_an_empty_file, swap_for_a_copy),
    *(remove_log, remove_index, remove_folder, move_folder),
)
DAMAGED: tuple[Breakage, ...] = (truncate, overwrite, overwrite_a_page_in_ten)


async def problem_of(ledger: Ledger) -> str:
    """Why it can't be used, which has to be found soon."""
    async with asyncio.timeout(5 * LOOK_S):
        while True:
            try:
                await ledger.probe()
            except LedgerUnavailable as error:
                return str(error)
            await asyncio.sleep(LOOK_S / 20)


async def sends_nothing(running: WorkerHarness) -> None:
    """A command waits, and so does every other write that something depends on."""
    delivered = asyncio.create_task(running.deliver(command_id="c-2"))
    with pytest.raises(LedgerUnavailable):
        await running.ledger.freezes.freeze(FREEZE, EVENT)
    async with asyncio.timeout(5):
        while running.ledger.patience.problem is None:  # noqa: ASYNC110 - the command's task finds it
            await asyncio.sleep(0)
    assert (running.venue.log, delivered.done()) == ([], False)
    delivered.cancel()
    with suppress(asyncio.CancelledError):
        await delivered


@pytest.mark.parametrize("breakage", VANISHED)
async def test_of_a_file_that_vanished_it_is_known_at_once_and_nothing_is_sent(
    running: WorkerHarness, path: Path, breakage: Breakage
) -> None:
    breakage(path)
    await sends_nothing(running)
    reason = await problem_of(running.ledger)
    assert "was removed, moved or replaced while in use" in reason
    assert "start again" in reason
    assert str(path) in reason


@pytest.mark.parametrize("breakage", DAMAGED)
async def test_a_damaged_file_is_used_no_more(running: WorkerHarness, path: Path, breakage: Breakage) -> None:
    shutil.copy(path, path.with_name("whole.db"))
    breakage(path)
    reason = await problem_of(running.ledger)
    assert "is damaged" in reason
    assert "put a backup in its place" in reason
    await sends_nothing(running)
    shutil.copyfile(path.with_name("whole.db"), path)
    assert await problem_of(running.ledger) == reason  # what is in memory must not be mixed with it


async def test_a_ledger_that_another_is_copied_over_is_used_no_more(
    running: WorkerHarness, path: Path, another: Path
) -> None:
    for _ in range(2):  # the identity is in the file itself then, not in the log alone
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(another, path)
    assert "another ledger was written over it" in await problem_of(running.ledger)
    await sends_nothing(running)


async def test_a_file_that_comes_back_is_used_again(running: WorkerHarness, path: Path) -> None:
    away = path.parent.with_name("away")
    path.parent.rename(away)
    delivered = asyncio.create_task(running.deliver(command_id="c-2"))
    await problem_of(running.ledger)
    away.rename(path.parent)
    async with asyncio.timeout(20):
        await delivered
    assert running.outcomes == ["applied", "applied"]


async def test_no_file_is_made_in_the_place_of_one_that_is_gone(running: WorkerHarness, path: Path) -> None:
    remove(path)
    for _ in range(3):
        await problem_of(running.ledger)
        running.ledger.database._log.shorten()  # type: ignore[attr-defined]
        await running.ledger.database._log._shortening  # type: ignore[attr-defined]
    assert files(path) == []


@pytest.mark.parametrize("breakage", [remove_log, remove_index])
async def test_a_stop_saves_what_stood_in_a_log_that_was_removed(path: Path, breakage: Breakage) -> None:
    async with worker_harness(url(path)) as running:
        await running.deliver(command_id="c-1")
        breakage(path)
        assert "Stop the workers with SIGTERM" in await problem_of(running.ledger)
    async with worker_harness(url(path)) as later:
        await later.deliver(command_id="c-1")
        assert (later.venue.log, later.outcomes) == ([], ["applied"])


async def used(path: Path, state: Path | None = None) -> None:
    async with open_ledger(url(path), state) as ledger:
        await ledger.freezes.freeze(FREEZE, EVENT)


@pytest.mark.parametrize("breakage", [remove, move, swap_for_an_empty_file])
async def test_a_start_without_the_ledger_that_was_there_is_refused(path: Path, breakage: Breakage) -> None:
    await used(path)
    breakage(path)
    left = sorted(file.name for file in path.parent.iterdir())
    with pytest.raises(LedgerGone, match=r"ledger\.db is gone: .* --new-ledger"):
        await used(path)
    assert sorted(file.name for file in path.parent.iterdir()) == left
    forget_ledger(url(path), path.parent)
    await used(path)
    remove(path)
    with pytest.raises(LedgerGone):
        await used(path)


async def test_a_start_on_another_ledger_is_refused(path: Path, another: Path) -> None:
    await used(path)
    ours = Path(shutil.copy(path, path.with_name("ours.db")))
    shutil.copy(another, path)
    with pytest.raises(LedgerGone, match=r"is another one than before: .* --new-ledger"):
        await used(path)
    assert filecmp.cmp(path, another, shallow=False)
    shutil.move(ours, path)
    async with open_ledger(url(path)) as ledger:
        assert await ledger.freezes.all() == [FREEZE]
    shutil.copy(another, path)
    forget_ledger(url(path), path.parent)
    async with open_ledger(url(path)) as ledger:
        assert await ledger.freezes.all() == []


async def test_the_state_folder_remembers_a_ledger_that_lies_elsewhere(path: Path, tmp_path: Path) -> None:
    elsewhere, state = tmp_path / "elsewhere" / "ledger.db", path.parent
    state.mkdir()
    await used(elsewhere, state)
    shutil.rmtree(elsewhere.parent)
    with pytest.raises(LedgerGone):
        await used(elsewhere, state)
    await used(tmp_path / "third" / "ledger.db", state)  # a ledger of another name is another matter
    forget_ledger(url(elsewhere), state)
    await used(elsewhere, state)


async def test_a_ledger_that_is_there_is_not_given_up_unasked(path: Path, another: Path) -> None:
    forget_ledger(url(path), path.parent)  # where nothing was, there is nothing to forget
    await used(path)
    with pytest.raises(LedgerInPlace, match="start without --new-ledger"):
        forget_ledger(url(path), path.parent)
    with pytest.raises(LedgerInPlace):
        forget_ledger(url(another), path.parent)
    with pytest.raises(LedgerInPlace, match="PostgreSQL"):
        forget_ledger("postgresql://localhost/dma", path.parent)


async def test_a_backup_is_the_same_ledger(path: Path) -> None:
    await used(path)
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    remove(path)
    copy.rename(path)
    async with open_ledger(url(path)) as ledger:
        assert await ledger.freezes.all() == [FREEZE]


@pytest.mark.parametrize("breakage", [overwrite, lambda path: path.write_text("no database at all" * 99)])
async def test_a_start_on_a_damaged_file_says_what_to_do(path: Path, breakage: Breakage) -> None:
    await used(path)
    breakage(path)
    with pytest.raises(LedgerUnavailable, match=r"is damaged \(.*\): put a backup in its place"):
        await used(path)
    with pytest.raises(LedgerUnavailable, match="is damaged"):
        forget_ledger(url(path), path.parent)


def file_for_a_folder(path: Path) -> None:
    path.parent.write_text("")


def folder_for_a_file(path: Path) -> None:
    path.mkdir(parents=True)


def file_for_the_locks(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("ledger.db.locks").write_text("")


@pytest.mark.parametrize("in_the_way", [file_for_a_folder, folder_for_a_file, file_for_the_locks])
async def test_a_start_where_no_file_can_be_opened_says_so(path: Path, in_the_way: Breakage) -> None:
    in_the_way(path)
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db"):
        await used(path)


async def test_a_worker_ends_with_one_sentence_where_its_ledger_is_gone(path: Path) -> None:
    await used(path)
    remove(path)
    (path.parent / "sandbox.json").write_text(SANDBOX)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "worker"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PERPS_DMA_STATE": str(path.parent), "PERPS_DMA_AMQP_URL": "amqp://127.0.0.1:1"},
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert f"perps-dma: the ledger {path} is gone" in err.decode()
    assert "Traceback" not in err.decode()


SANDBOX = '{"accounts": [{"id": "a", "exchange": "binance", "api_key": "k", "secret": "s", "base_url": "http://x"}]}'


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def held(running: WorkerHarness, path: Path) -> AsyncIterator[WorkerHarness]:
    """The worker, while another process has its ledger."""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(path)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    yield running
    await holder.communicate(b"")


async def test_while_another_process_holds_the_file_it_is_told_soon(held: WorkerHarness) -> None:
    began = time.monotonic()
    status = await held.ask("get_status", {})
    assert time.monotonic() - began < 5
    assert (status["data"]["ready"], status["data"]["ledger_writes"]) == (False, False)
    assert "another program holds it" in status["data"]["ledger_problem"]


async def test_hundreds_who_wait_for_the_file_leave_the_processor_alone(held: WorkerHarness) -> None:
    waiting = [asyncio.create_task(held.deliver(deadline=now() + 60_000)) for _ in range(300)]
    await asyncio.sleep(0.5)
    began, used_s = time.monotonic(), time.process_time()
    await asyncio.sleep(1)
    share = (time.process_time() - used_s) / (time.monotonic() - began)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert held.venue.log == []
    assert share < 0.5


def remove_locks(path: Path) -> None:
    shutil.rmtree(path.with_name("ledger.db.locks"))


def remove_lock_files(path: Path) -> None:
    for file in path.with_name("ledger.db.locks").iterdir():
        file.unlink()


@pytest.mark.parametrize("breakage", [remove_locks, remove_lock_files])
async def test_missing_locks_are_made_anew_and_those_held_are_held(
    running: WorkerHarness, path: Path, breakage: Breakage
) -> None:
    async with open_ledger(url(path)) as other, running.ledger.commands.alone("a-1"):
        breakage(path)
        await running.ledger.probe()
        async with other.gone(running.ledger.owner) as gone:
            assert not gone
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), other.commands.alone("a-1"):
                raise AssertionError("two workers hold one account")
    breakage(path)
    await running.deliver(command_id="c-2")
    assert running.outcomes == ["applied", "applied"]


async def test_a_lock_that_another_took_meanwhile_is_waited_for(running: WorkerHarness, path: Path) -> None:
    async with open_ledger(url(path)) as other, running.ledger.commands.alone("a-1"):
        remove_locks(path)
        async with other.commands.alone("a-1"):
            with pytest.raises(LedgerUnavailable, match="another process has taken one of ours"):
                await running.ledger.probe()
        await running.ledger.probe()
        async with other.database.try_lock("account:a-1") as free:
            assert not free


async def test_a_lock_on_a_file_that_is_gone_is_no_lock(tmp_path: Path) -> None:
    ours, theirs = FileLocks(tmp_path / "locks"), FileLocks(tmp_path / "locks")
    async with ours.try_lock("a"):
        [file] = (tmp_path / "locks").iterdir()
        stale = os.open(file, os.O_RDWR)
        file.unlink()
        async with theirs.try_lock("a") as taken:
            assert taken
    fcntl.flock(stale, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the file that ours keeps open is not the one of that name
    async with theirs.try_lock("a") as taken, ours.try_lock("a") as second:
        assert (taken, second) == (True, False)
    os.close(stale)


async def test_locks_that_cannot_be_had_are_the_ledgers_trouble(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path / "locks")
    (tmp_path / "locks").rmdir()
    (tmp_path / "locks").write_text("")
    with pytest.raises(LedgerError, match="can't be used"):
        async with FileLock(locks, "a"):
            raise AssertionError("locked without a file")
