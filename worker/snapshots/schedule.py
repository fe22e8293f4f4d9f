"""Reading every account on a schedule, and telling what changed."""

import asyncio
from collections import defaultdict

import structlog

from schemas.base import Milliseconds
from schemas.events import Trigger
from worker.accounts.account import Account, Accounts
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.runtime.clock import Clock
from worker.snapshots.intervals import Interval
from worker.snapshots.latest import Newest
from worker.snapshots.pacing import Pacing
from worker.snapshots.snapshots import Recorded, Snapshots
from worker.snapshots.stream_board import StreamBoard
from worker.venues.limits.request_context import billed
from worker.venues.port.errors import LimitReached

AT_ONCE = 20
"""How many accounts of one venue are read at once: those of another need not wait for one that hangs."""

log = structlog.get_logger(__name__)


class Schedule:
    """Reads accounts in their rhythm, side by side with any number of workers on the same ledger."""

    def __init__(
        self,
        snapshots: Snapshots,
        ledger: Ledger,
        accounts: Accounts,
        rhythm: Interval,
        *,
        clock: Clock,
        pacing: Pacing,
        board: StreamBoard,
    ) -> None:
        self._snapshots = snapshots
        self._ledger = ledger
        self._accounts = accounts
        self._rhythm = rhythm
        self._clock = clock
        self._pacing = pacing
        self._board = board
        self._at_once: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self) -> None:
        """Read accounts until cancelled, as they come and go; nothing where the schedule is turned off."""
        if self._rhythm.interval == 0:
            return
        followed: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            async for _ in self._accounts.versions():
                for gone in followed.keys() - self._accounts.keys():
                    followed.pop(gone).cancel()
                for new in self._accounts.keys() - followed.keys():
                    followed[new] = group.create_task(self._follow(self._accounts[new]))

    async def look(self, account: Account) -> None:
        """Read an account if it is due, and publish what has to be told."""
        async with self._at_once[account.exchange], self._snapshots.alone(account):
            await self._snapshots.publish(await self._recorded(account))

    def _rhythm_of(self, account: Account) -> Interval:
        return self._rhythm.of(account.id, self._pacing.interval(account))

    async def _follow(self, account: Account) -> None:
        wait = self._rhythm_of(account).first_wait(self._clock())
        while True:
            await self._board.changed(account.id, wait / 1000)
            if (found := self._accounts.get(account.id)) is None:
                self._pacing.forget(account)
                self._board.forget(account.id)
                return
            account = found
            # In a task of its own: what a bug raises is logged, and ends neither the schedule nor the worker.
            looking = asyncio.create_task(self.look(account))
            looking.add_done_callback(_tell_bug)
            try:
                await asyncio.wait((looking,))
            finally:
                looking.cancel()
                await asyncio.wait((looking,))
            wait = self._wait(account)

    def _wait(self, account: Account) -> Milliseconds:
        """Until an account is to be looked at again, unless it begins or ends to be live before."""
        now = self._clock()
        until_read = self._rhythm_of(account).wait(now)
        beat = self._beat_of(account)
        return until_read if beat is None else min(until_read, beat.wait(now))

    def _beat_of(self, account: Account) -> Interval | None:
        """When the sign of life of an account is due that is live, and read more seldom than that."""
        heartbeat = self._rhythm.heartbeat
        return Interval(heartbeat, heartbeat).of(account.id) if heartbeat and self._board.is_live(account.id) else None

    async def _recorded(self, account: Account) -> Recorded:
        """What is recorded in this turn. While it is published, other workers may have their turns."""
        try:
            async with self._ledger.turn(f"snapshot:{account.id}") as ours:
                return await self._in_turn(account) if ours else []
        except LimitReached as full:
            log.debug("scheduled_snapshot_skipped", account=account.id, error=full.message)
            return []
        except StaleWrite:
            # After a command another worker has read the account, later than we did.
            return []
        except LedgerUnavailable as error:
            log.warning("scheduled_snapshot_not_recorded", account=account.id, error=str(error))
            return []

    async def _in_turn(self, account: Account) -> Recorded:
        before, now, rhythm = await self._snapshots.newest(account), self._clock(), self._rhythm_of(account)
        if (
            before
            and self._holds(before)
            and not (rhythm.is_due(before.asked, now) or await self._owes_margin(account))
        ):
            beat = self._beat_of(account)
            is_owed = beat is not None and beat.is_silent(before.told, now)
            return await self._snapshots.repeat(before) if is_owed else []
        heard_of = before is not None and self._holds(before) and not rhythm.is_silent(before.told, now)
        with billed() as weights:
            recorded = await self._snapshots.take(account, before, Trigger.SCHEDULE, only_news=heard_of)
        self._pacing.learn(account, weights)
        return recorded

    async def _owes_margin(self, account: Account) -> bool:
        """Whether its margin is due though its positions are not; a live account's may be minutes away otherwise."""
        rhythm = self._rhythm_of(account)
        return await self._snapshots.owes_margin(account, rhythm.interval + rhythm.heartbeat)

    def _holds(self, newest: Newest) -> bool:
        """Whether it was told in this epoch of the ledger; what was told before that counts no more."""
        return newest.epoch == self._ledger.epoch.number


def _tell_bug(looking: "asyncio.Task[None]") -> None:
    if not looking.cancelled() and (error := looking.exception()):
        log.error("scheduled_snapshot_failed", exc_info=error)
