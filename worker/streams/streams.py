"""The accounts that this worker follows: by leases that all workers share, as accounts and workers come and go.

each second: a sign of life ─▶ who is gone? ─▶ take what is free, give what is too much ─▶ begin and end to follow
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

import structlog

from schemas.base import Milliseconds
from schemas.control import StreamHealth, StreamState
from schemas.events import StreamChange
from worker.accounts.account import Account, Accounts
from worker.execution.aftermath.stream_states import stream_event
from worker.ledger.ledger import Ledger
from worker.ledger.observed.stream_leases import GONE, STOPPED, Lease
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import outgoing
from worker.runtime.clock import now
from worker.streams.follower import Follower, FollowerParts
from worker.streams.sharing import moves

log = structlog.get_logger(__name__)

LOOK_S = 1.0

SILENT_LOOKS = 5
"""After so many looks without a sign of life, a worker that is not gone hangs: its accounts are taken from it too. Two
that follow one account do no harm.
"""

CLOSED_S = 2.0

HANDED_S = 3.0
"""How long accounts that were handed over are followed on, until whoever has them now is live."""

HANDED_LOOK_S = 0.1


class Streams:
    """Follows this worker's share of the accounts."""

    def __init__(self, accounts: Accounts, ledger: Ledger, parts: FollowerParts) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._parts = parts
        self._following: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._beats: dict[str, tuple[Milliseconds, int]] = {}
        self._wake = asyncio.Event()
        self._closed = False

    async def run(self) -> None:
        """Follow until cancelled; then `close`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear_of_accounts())
            while not self._closed:
                self._wake.clear()
                try:
                    await self.look()
                except LedgerUnavailable as error:
                    log.warning("stream_leases_not_read", error=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()

    async def look(self) -> None:
        """Take our share, and follow it."""
        leases, us = self._ledger.streams, self._ledger.owner
        await leases.beat(now())
        living = await self._living()
        known = await leases.all()
        if new := self._accounts.keys() - known.keys():
            await leases.add(new, now())
        if gone := {name for name, row in known.items() if row.owner == us} - self._accounts.keys():
            await leases.remove(gone)
        if new or gone:
            known = await leases.all()
        due = moves([row for name, row in known.items() if name in self._accounts], living, us)
        if due.take:
            await leases.take(due.take)
        for worker, accounts in due.give.items():
            await leases.give(accounts, worker, now())
        if due.take or due.give:
            known = await leases.all()
        if self._closed:
            return  # it was told so meanwhile
        await self._follow(known)
        self._note(known, living)

    async def close(self) -> None:
        """Hand over to the workers that live, and end to follow once they do; without any, tell that all are blind."""
        self._closed = True
        with suppress(LedgerUnavailable, TimeoutError):
            async with asyncio.timeout(HANDED_S):
                await self._hand_over()
        live = [follower for follower, _ in self._following.values() if self._parts.board.is_live(follower.account.id)]
        for name in tuple(self._following):
            self._end(name)
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSED_S)
        with suppress(LedgerUnavailable, TimeoutError):
            async with asyncio.timeout(CLOSED_S):
                await self._leave([follower.account for follower in live])

    async def _hand_over(self) -> None:
        """Give our accounts to others, and wait until they follow them: what is pushed meanwhile is told by us."""
        leases, us = self._ledger.streams, self._ledger.owner
        others = sorted(await self._living() - {us})
        if not others:
            return
        given = sorted(name for name, row in (await leases.all()).items() if row.owner == us)
        for place, worker in enumerate(others):
            await leases.give(given[place :: len(others)], worker, now())
        await leases.leave(now())  # so that nobody gives us any back
        for name in [name for name, (follower, _) in self._following.items() if self._is_crowded(follower)]:
            self._end(name)
        while given:
            await asyncio.sleep(HANDED_LOOK_S)
            known = await leases.all()
            given = [name for name in given if (row := known.get(name)) and row.state is StreamHealth.BLIND]

    def _is_crowded(self, follower: Follower) -> bool:
        """Whether its venue may have no room for another connection of each account from this address."""
        return follower.seats is not None and 2 * self._accounts.count_at(follower.account.site) > follower.seats

    async def _leave(self, live: Iterable[Account]) -> None:
        """Follow nothing any more. Nobody else tells that what is still ours is blind."""
        moment = now()
        known = await self._ledger.streams.all()
        live = [account for account in live if (row := known.get(account.id)) and row.owner == self._ledger.owner]
        events = [outgoing(stream_event(_blind(account, moment), self._ledger.epoch.number)) for account in live]
        positions = await self._ledger.streams.leave(moment, events)
        await asyncio.gather(*map(self._parts.relay.publish, positions, events))

    async def _hear_of_accounts(self) -> None:
        async for _ in self._accounts.versions():
            self._wake.set()

    async def _living(self) -> set[str]:
        """The workers that follow accounts, ourselves among them. Of those that are gone, nothing is left behind."""
        living, beats = {self._ledger.owner}, await self._ledger.streams.workers()
        for worker, beat in beats.items():
            last, looks = self._beats.get(worker, (beat, 0))
            looks = looks + 1 if last == beat else 0
            self._beats[worker] = beat, looks
            if worker != self._ledger.owner and looks and await self._is_gone(worker, looks):
                log.warning("stream_follower_gone", owner=worker)
                await self._ledger.streams.forget(worker, beat)
            else:
                living.add(worker)
        self._beats = {worker: row for worker, row in self._beats.items() if worker in living}
        return living

    async def _is_gone(self, worker: str, looks: int) -> bool:
        if looks >= SILENT_LOOKS:
            return True
        async with self._ledger.gone(worker) as gone:
            return gone

    async def _follow(self, known: Mapping[str, Lease]) -> None:
        """Begin to follow what is ours, and end to follow what is not, or is another account by now.

        One account begins after the other, for each takes a millisecond to begin: hundreds would stop the loop.
        """
        ranks = _ranks(self._accounts.values())
        ours = {name for name, row in known.items() if row.owner == self._ledger.owner and name in self._accounts}
        for name, (follower, task) in tuple(self._following.items()):
            if name not in ours or task.done() or self._is_outdated(follower, ranks[name]):
                self._end(name)
        for name in sorted(ours - self._following.keys(), key=lambda name: ranks[name]):
            await asyncio.sleep(0)
            if self._closed or (account := self._accounts.get(name)) is None:
                continue  # it was told so meanwhile
            follower = Follower(account, ranks[name], known[name], self._parts)
            task = asyncio.create_task(follower.run())
            task.add_done_callback(partial(_ended, name))
            self._following[name] = follower, task

    def _is_outdated(self, follower: Follower, rank: int) -> bool:
        if self._accounts[follower.account.id] is not follower.account:
            return True
        return follower.seats is not None and (rank < follower.seats) is not (follower.rank < follower.seats)

    def _end(self, name: str) -> None:
        follower, task = self._following.pop(name)
        self._parts.terms.forget(follower.account)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _note(self, known: Mapping[str, Lease], living: set[str]) -> None:
        """Learn how others find the accounts that they follow."""
        for name, row in known.items():
            if name in self._following or (account := self._accounts.get(name)) is None:
                continue
            told = StreamState(
                exchange=account.exchange,
                exchange_account_id=name,
                state=row.state if row.owner in living or row.state is not StreamHealth.LIVE else StreamHealth.BLIND,
                since=row.since,
                reason=row.reason if row.owner in living else GONE,
            )
            self._parts.board.put(told)


def _ranks(accounts: Iterable[Account]) -> dict[str, int]:
    """The place of each account among those of its venue, in the order of the registry."""
    counts: dict[tuple[str, str, str | None], int] = {}
    ranks = {}
    for account in accounts:
        seat = account.site.seat
        ranks[account.id] = counts[seat] = counts.get(seat, -1) + 1
    return ranks


def _blind(account: Account, since: Milliseconds) -> StreamChange:
    return StreamChange(
        exchange=account.exchange,
        exchange_account_id=account.id,
        state=StreamHealth.BLIND,
        since=since,
        reason=STOPPED,
    )


def _ended(name: str, task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("stream_follower_failed", account=name, exc_info=error)
