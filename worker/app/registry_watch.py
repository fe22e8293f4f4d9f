"""Noticing that the account registry has changed, and serving what it says now.

    a file changed, and stays so from one look to the next ─▶ read the whole ─▶ valid: load the venues that are new
                                                                    │                └▶ replace all accounts at once
                                                                    └▶ not: those before stay, told once

Waiting for one look more leaves time to whoever writes a file piece by piece.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from worker.accounts.account import Account, Accounts, RegistryError
from worker.accounts.registry import sources_of
from worker.config.locations import read_accounts
from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError
from worker.runtime.files.file_watch import Stamps, stamps_of

LOOK_S = 0.5

PREPARE_S = 5
"""How long new accounts wait for their venue to list its markets; then they are served, and it may list them later."""

Prepare = Callable[[Sequence[Account]], Awaitable[None]]

log = structlog.get_logger(__name__)


class RegistryWatch:
    """Keeps the accounts as the registry has them. `sources` names its files, `read` reads them, both in a thread."""

    def __init__(
        self,
        accounts: Accounts,
        read: Callable[[], Sequence[Account]],
        sources: Callable[[], Iterable[Path]],
        look_s: float = LOOK_S,
        prepare_s: float = PREPARE_S,
    ) -> None:
        self._accounts = accounts
        self._read = read
        self._sources = sources
        self._look_s = look_s
        self._prepare_s = prepare_s
        self._asked = asyncio.Event()

    def look_now(self) -> None:
        """Read it again at once, whether it seems to have changed or not."""
        self._asked.set()

    async def run(self, prepare: Prepare) -> None:
        """Look for changes until cancelled. It is read at the start too, for it may be newer than what is served.

        `prepare` is given accounts before they are served, for a while.
        """
        files = await asyncio.to_thread(self._sources)
        in_force: Stamps | None = None if files else {}
        before: Stamps = {}
        while True:
            asked = self._asked.is_set()
            self._asked.clear()
            now = await asyncio.to_thread(stamps_of, files)
            if asked or (now != in_force and now == before):
                await self._reload(prepare)
                in_force, files = now, await asyncio.to_thread(self._sources)
            before = now
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._asked.wait()

    async def _reload(self, prepare: Prepare) -> None:
        was_valid = self._accounts.problem is None
        try:
            accounts = await asyncio.to_thread(self._read)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._prepare_s):
                    await prepare(accounts)
            replaced = self._accounts.replace(accounts)
        except (RegistryError, ConfigurationError) as error:
            problem = str(error)
            if problem != self._accounts.problem:
                log.error("registry_invalid", error=problem)
            self._accounts.problem = problem
            return
        if replaced:
            log.info("accounts_replaced", added=replaced.added, changed=replaced.changed, removed=replaced.removed)
        elif not was_valid:
            log.info("registry_valid_again")


def registry_watch(settings: Settings, accounts: Accounts) -> RegistryWatch:
    """The watch over the registry of the settings; without one it reads again only when it is told to."""
    return RegistryWatch(accounts, partial(read_accounts, settings), partial(_sources, settings))


def _sources(settings: Settings) -> frozenset[Path]:
    return sources_of(settings.accounts, settings.sealing_keys) if settings.accounts else frozenset()
