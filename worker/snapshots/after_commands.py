"""A snapshot after every command that can move the terms of positions.

command ends ─▶ result, event and the snapshot it owes, in one transaction ─▶ event confirmed, message acknowledged
                                    └▶ a moment later, in the background: read ─▶ snapshot recorded, the debt with it
worker dies  ─▶ another one finds what it owed ─▶ reads

Nobody waits for it: a venue that reads slowly delays no command and no acknowledgement.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog

from schemas.base import Milliseconds
from schemas.events import Trigger
from worker.accounts.account import Account, Accounts, Site
from worker.execution.requests import Command
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.runtime.clock import steady
from worker.runtime.periodic import periodically
from worker.runtime.stopping import set_within
from worker.snapshots.snapshots import Recorded, Snapshots
from worker.venues.port.errors import LimitReached

log = structlog.get_logger(__name__)

GATHER_MS: Milliseconds = 100
"""How long a due snapshot waits for further changes of the account."""

LONGEST_WAIT_MS: Milliseconds = 5_000
"""When it is tried again at the latest to read an account for which a venue's limit has no room."""

AT_ONCE = 20
"""How many accounts of one site are read at once: a venue that hangs shall not gather all there are."""

LOOK_S = 2.0
"""How often the ledger is looked into for what a worker owes that is gone, or that we have forgotten."""

BATCH = 200

TRIES = 10
"""How often an account is read for one snapshot while other workers take theirs of it."""


@dataclass(slots=True)
class _Due:
    """A snapshot that is about to be taken, and the commands it is taken after."""

    commands: list[str] = field(default_factory=list)
    taking: asyncio.Task[None] | None = None


class AfterCommands:
    """Takes the snapshots that commands owe, in the background.

    One is taken a moment after its command, and `floor_ms` after the one before of its account; commands that end
    meanwhile share it. It is taken after all of them, and a burst of changes costs the venue's limit, and the reader's
    attention, once.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        ledger: Ledger,
        accounts: Accounts,
        gather_ms: Milliseconds = GATHER_MS,
        *,
        floor_ms: Milliseconds,
    ) -> None:
        self._snapshots = snapshots
        self._ledger = ledger
        self._accounts = accounts
        self._gather_ms = gather_ms
        self._floor_ms = floor_ms
        self._taken_at: dict[str, Milliseconds] = {}
        self._closing = asyncio.Event()
        self._due: dict[str, _Due] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: set[str] = set()
        self._suspect: set[str] = set()
        self._at_once: defaultdict[Site, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    def owe(self, command: Command) -> None:
        """A command has ended that owes a snapshot; that is recorded by now."""
        self._owe(command.account, command.id)

    async def run(self) -> None:
        """Take what others have left, until cancelled."""
        await periodically(self.look, LOOK_S, tolerated=(LedgerUnavailable,), told=_not_read)

    async def look(self) -> None:
        """Begin to take what a worker owed that is gone, and what we ourselves have forgotten."""
        for owner in await self._ledger.owed.owners():
            if owner == self._ledger.owner:
                continue
            async with self._ledger.gone(owner) as gone:
                if gone:
                    await self._ledger.owed.take_over(owner)
        # What is recorded and not begun may be about to be; what still is not at the next look was forgotten.
        owed = {row.command: row.account for row in await self._ledger.owed.ours(BATCH)}
        forgotten = owed.keys() - self._known
        for command in sorted(forgotten & self._suspect):
            await self._begin_forgotten(command, owed[command])
        self._suspect = forgotten
        past = steady() - self._floor_ms
        self._taken_at = {account: taken for account, taken in self._taken_at.items() if taken > past}

    async def settled(self) -> None:
        """Return when nothing that is due now is left to be taken."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self, within_s: float) -> None:
        """Take what is due, at once, if that is done soon; the rest is left to the next worker."""
        self._closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin_forgotten(self, command: str, account_id: str) -> None:
        if (account := self._accounts.get(account_id)) is None:
            log.warning(
                "owed_snapshot_dropped", account=account_id, command_id=command, reason="account not registered"
            )
            await self._ledger.owed.settle((command,))
            return
        log.info("owed_snapshot_found", account=account_id, command_id=command)
        self._owe(account, command)

    def _owe(self, account: Account, command: str) -> None:
        self._known.add(command)
        due = self._due.setdefault(account.id, _Due())
        due.commands.append(command)
        if due.taking is None:
            due.taking = asyncio.create_task(self._take(account, due))
            self._tasks.add(due.taking)
            due.taking.add_done_callback(partial(self._taken, account.id, due))

    def _taken(self, account_id: str, due: _Due, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._known.difference_update(due.commands)
        if self._due.get(account_id) is due:
            del self._due[account_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("owed_snapshot_failed", account=account_id, exc_info=error)

    async def _take(self, account: Account, due: _Due) -> None:
        await set_within(self._closing, self._due_in(account) / 1000)
        async with self._snapshots.alone(account), self._at_once[account.site]:
            del self._due[account.id]
            self._taken_at[account.id] = steady()
            await self._snapshots.publish(await self._read(account, tuple(due.commands)))

    def _due_in(self, account: Account) -> Milliseconds:
        """How long the next snapshot of an account waits for further changes."""
        taken = self._taken_at.get(account.id)
        return self._gather_ms if taken is None else max(self._gather_ms, taken + self._floor_ms - steady())

    async def _read(self, account: Account, commands: tuple[str, ...]) -> Recorded:
        for _ in range(TRIES):
            # Another worker may have taken one meanwhile, so that ours would be an older state.
            with suppress(StaleWrite):
                return await self._ledger.patience.retry_while_unavailable(lambda: self._once(account, commands))
        log.warning("owed_snapshots_superseded", account=account.id, count=len(commands))
        await self._ledger.patience.retry_while_unavailable(lambda: self._ledger.owed.settle(commands))
        return []

    async def _once(self, account: Account, commands: tuple[str, ...]) -> Recorded:
        """Wait for room at the venue however long that takes: commands and queries go first."""
        while True:
            before = await self._snapshots.newest(account)
            try:
                return await self._snapshots.take(account, before, Trigger.COMMAND, commands)
            except LimitReached as full:
                await asyncio.sleep(min(LONGEST_WAIT_MS, full.retry_after or LONGEST_WAIT_MS) / 1000)


def _not_read(error: Exception) -> None:
    log.warning("owed_snapshots_not_read", error=str(error))
