"""The watch over the registry: a change that is whole and valid is served, and any other changes nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from worker.accounts.account import Account, Accounts
from worker.accounts.registry import read_registry, sources_of
from worker.app.registry_watch import Prepare, RegistryWatch
from worker.runtime.stopping import on_hangup

PATIENCE_S = 10


class Desk:
    """A registry, the file of its secrets, and the accounts that are served from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry, self.secret = folder / "accounts.toml", folder / "secret"
        self.reads = 0
        self.secret.write_text("first")
        self.register("one")
        self.accounts = Accounts(self.read())

    def register(self, *names: str, more: str = "") -> None:
        secrets = f'api_key = "file:{self.secret}"\nsecret = "file:{self.secret}"\n'
        tables = (f'[accounts.{name}]\nexchange = "bybit"\n{secrets}{more}' for name in names)
        self.registry.write_text("".join(tables))

    def read(self) -> tuple[Account, ...]:
        self.reads += 1
        return read_registry(self.registry)

    @property
    def served(self) -> list[str]:
        return list(self.accounts)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - files announce nothing
                await asyncio.sleep(0.01)


async def nothing_to_prepare(accounts: Sequence[Account]) -> None:
    """For tests whose accounts are on no venue."""


@asynccontextmanager
async def watched(
    desk: Desk, look_s: float = 0.02, prepare_s: float = PATIENCE_S, prepare: Prepare = nothing_to_prepare
) -> AsyncIterator[RegistryWatch]:
    watch = RegistryWatch(desk.accounts, desk.read, partial(sources_of, desk.registry), look_s, prepare_s)
    task = asyncio.create_task(watch.run(prepare))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_accounts_are_added_and_removed(desk: Desk) -> None:
    async with watched(desk):
        desk.register("one", "two")
        await desk.until(lambda: desk.served == ["one", "two"])
        desk.register("two")
        await desk.until(lambda: desk.served == ["two"])


async def test_a_mounted_secret_that_is_rotated_is_read_again(desk: Desk) -> None:
    async with watched(desk):
        desk.secret.write_text("other")
        await desk.until(lambda: desk.accounts["one"].reveal("secret") == "other")


async def test_a_secret_that_is_rotated_by_turning_a_link_is_read_again(desk: Desk) -> None:
    """As Kubernetes does: the path stays, the folder behind it becomes another."""
    for version in ("v1", "v2"):
        (desk.folder / version).mkdir()
        (desk.folder / version / "secret").write_text(f"secret {version}")
    data, turned = desk.folder / "data", desk.folder / "data_tmp"
    data.symlink_to("v1")
    desk.secret = data / "secret"
    desk.register("one")
    async with watched(desk):
        await desk.until(lambda: desk.accounts["one"].reveal("secret") == "secret v1")
        turned.symlink_to("v2")
        turned.rename(data)
        await desk.until(lambda: desk.accounts["one"].reveal("secret") == "secret v2")


BROKEN = ["[accounts.one", "", "[accounts.one]\nexchange = 'nowhere'"]


@pytest.mark.parametrize("broken", BROKEN, ids=["cut off", "empty", "wrong"])
async def test_a_registry_that_is_not_valid_changes_nothing_and_is_told_once(desk: Desk, broken: str) -> None:
    with capture_logs() as logs:
        async with watched(desk):
            desk.registry.write_text(broken)
            await desk.until(lambda: desk.accounts.problem is not None)
            reads = desk.reads
            os.utime(desk.registry)
            await desk.until(lambda: desk.reads > reads)
            assert desk.served == ["one"]
            desk.register("one")
            await desk.until(lambda: desk.accounts.problem is None)
    assert [row["log_level"] for row in logs] == ["error", "info"]


async def test_a_registry_that_is_gone_changes_nothing(desk: Desk) -> None:
    async with watched(desk):
        desk.registry.unlink()
        await desk.until(lambda: "can't be read" in (desk.accounts.problem or ""))
        assert desk.served == ["one"]


async def test_a_mounted_secret_that_is_missing_is_waited_for(desk: Desk) -> None:
    async with watched(desk):
        desk.secret.unlink()
        await desk.until(lambda: "secret can't be read" in (desk.accounts.problem or ""))
        desk.secret.write_text("back")
        await desk.until(lambda: desk.accounts.problem is None)
        assert desk.accounts["one"].reveal("secret") == "back"


async def test_what_changed_before_the_watch_began_is_read_too(desk: Desk) -> None:
    desk.register("two")
    async with watched(desk):
        await desk.until(lambda: desk.served == ["two"])


async def test_without_a_registry_accounts_are_read_when_somebody_says_so(desk: Desk) -> None:
    watch = RegistryWatch(desk.accounts, desk.read, frozenset, look_s=3_600)
    task, reads = asyncio.create_task(watch.run(nothing_to_prepare)), desk.reads
    watch.look_now()
    await desk.until(lambda: desk.reads == reads + 1)
    watch.look_now()
    await desk.until(lambda: desk.reads == reads + 2)
    task.cancel()


async def test_what_does_not_change_is_not_read_again(desk: Desk) -> None:
    async with watched(desk):
        await desk.until(lambda: desk.reads == 2)
        desk.secret.write_text("other")
        await desk.until(lambda: desk.reads == 3)
        one = desk.accounts["one"]
        os.utime(desk.registry)
        await desk.until(lambda: desk.reads == 4)
        assert desk.accounts["one"] is one


async def test_accounts_are_served_once_their_venues_were_prepared_for_them(desk: Desk) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def prepare(accounts: Sequence[Account]) -> None:
        if len(accounts) == 2:
            asked.set()
            await go_on.wait()

    async with watched(desk, prepare=prepare), asyncio.timeout(PATIENCE_S):
        desk.register("one", "two")
        await asked.wait()
        assert desk.served == ["one"]
        go_on.set()
        await desk.until(lambda: desk.served == ["one", "two"])


async def test_a_venue_that_can_not_be_prepared_is_not_waited_for_long(desk: Desk) -> None:
    async def prepare(_: Sequence[Account]) -> None:
        await asyncio.Event().wait()

    async with watched(desk, prepare=prepare, prepare_s=0.1):
        desk.register("two")
        await desk.until(lambda: desk.served == ["two"])


async def test_a_hangup_reads_it_at_once(desk: Desk) -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        async with watched(desk, look_s=3_600) as watch:
            on_hangup(watch.look_now)
            desk.register("two")
            os.kill(os.getpid(), signal.SIGHUP)
            await desk.until(lambda: desk.served == ["two"])
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_no_secret_is_in_what_is_logged(desk: Desk) -> None:
    with capture_logs() as logs:
        async with watched(desk):
            desk.secret.write_text("a secret nobody may see")
            await desk.until(lambda: desk.accounts["one"].reveal("secret") == "a secret nobody may see")
            desk.register("one", more='passphrase = "a secret nobody may see"\n')
            await desk.until(lambda: desk.accounts.problem is not None)
    assert logs
    assert "nobody may see" not in str(logs)
