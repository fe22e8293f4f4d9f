"""Pushes of what commands of ours have changed: the account is read after the command anyway, once for both.

push ─▶ asked for by a command of ours ─▶ a moment ─▶ read since? ─▶ nothing more
                                                          └▶ not read ─▶ read now
"""

import asyncio
from collections.abc import Callable
from functools import partial

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.ledger.patience import Patience
from worker.snapshots.snapshots import Snapshots

READ_BY_THEN_S = 3.0
"""A command's snapshot is taken by then, whoever carried the command out: two snapshots that an account's commands owe
are a second apart by default.
"""


class OwnChanges:
    """Sees to it that an account is read after each push that a command of ours explains, by whomever."""

    def __init__(
        self, account: Account, snapshots: Snapshots, patience: Patience, read_now: Callable[[], None]
    ) -> None:
        self._account = account
        self._snapshots = snapshots
        self._patience = patience
        self._read_now = read_now
        self._heard = asyncio.Event()
        self._last: Milliseconds = 0

    def expect(self, heard: Milliseconds) -> None:
        """Such a push was heard then, UTC ms: somebody reads the account soon."""
        self._last = max(self._last, heard)
        self._heard.set()

    async def run(self) -> None:
        """Have the account read where nobody else has, until cancelled."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            expected = self._last
            await asyncio.sleep(READ_BY_THEN_S)
            newest = await self._patience.retry_while_unavailable(partial(self._snapshots.newest, self._account))
            if newest is None or newest.snapshot.stale or newest.asked < expected:
                self._read_now()
