"""A snapshot after every command that can move the terms of positions."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from schemas.base import Milliseconds
from schemas.events import Trigger
from worker.accounts import Account
from worker.execution.ledger.errors import NothingMatched
from worker.execution.ledger.patience import Patience
from worker.execution.receipt import Command
from worker.snapshots.snapshots import Recorded, Snapshots
from worker.venues.errors import LimitReached

log = structlog.get_logger(__name__)

GATHER_MS: Milliseconds = 100
"""How long a due snapshot waits for further changes of the account."""

LONGEST_WAIT_MS: Milliseconds = 5_000
"""When it is tried again at the latest to read an account for which a venue's limit has no room."""

TRIES = 10
"""How often an account is read for one snapshot while other workers take theirs of it."""


@dataclass(slots=True)
class _Due:
    """A snapshot that is about to be taken, and the commands it is taken after."""

    commands: list[str] = field(default_factory=list)
    taking: asyncio.Task[None] | None = None


class AfterCommands:
    """Takes the snapshots that commands ask for.

    A snapshot is taken a moment after the command; commands that end meanwhile share it. It is taken after all of
    them, and a burst of changes costs the venue's limit, and the reader's attention, once.
    """

    def __init__(self, snapshots: Snapshots, patience: Patience, gather_ms: Milliseconds = GATHER_MS) -> None:
        self._snapshots = snapshots
        self._patience = patience
        self._gather_ms = gather_ms
        self._due: dict[str, _Due] = {}

    async def take(self, command: Command) -> None:
        """Return when a snapshot taken after this command is published, however long ledger and broker take."""
        due = self._due.setdefault(command.account.id, _Due())
        due.commands.append(command.id)
        if due.taking is None:
            due.taking = asyncio.create_task(self._take(command.account, due))
        await asyncio.shield(due.taking)

    async def _take(self, account: Account, due: _Due) -> None:
        await asyncio.sleep(self._gather_ms / 1000)
        async with self._snapshots.alone(account):
            del self._due[account.id]
            await self._snapshots.publish(await self._taken(account, tuple(due.commands)))

    async def _taken(self, account: Account, command_ids: tuple[str, ...]) -> Recorded:
        for _ in range(TRIES):
            # Another worker may have taken one meanwhile, so that ours would be an older state.
            with suppress(NothingMatched):
                return await self._patience.until_done(lambda: self._once(account, command_ids))
        log.warning("other workers take its snapshots all the time, these commands got none", account=account.id)
        return []

    async def _once(self, account: Account, command_ids: tuple[str, ...]) -> Recorded:
        """Wait for room at the venue however long that takes: commands and queries go first."""
        while True:
            before = await self._snapshots.newest(account)
            try:
                return await self._snapshots.take(account, before, Trigger.COMMAND, command_ids)
            except LimitReached as full:
                await asyncio.sleep(min(LONGEST_WAIT_MS, full.retry_after or LONGEST_WAIT_MS) / 1000)
