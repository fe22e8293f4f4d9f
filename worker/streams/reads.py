"""Nudges become reads: the first at once, then at most one under way and one waiting for each account.

A venue may push before its REST interface shows what it pushed, so an account is looked at once more a moment after
the last nudge, and again where the first look showed nothing new.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.runtime.backoff import backoff_s
from worker.runtime.clock import steady
from worker.runtime.stopping import set_within
from worker.venues.limits.request_context import Urgency

LATER_S = (1.0, 3.0)
"""After a nudge that showed nothing new: the looks that follow. After one that did, only the first of them."""

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Until an account that could not be read is tried again."""


@dataclass(frozen=True, slots=True)
class Read:
    """One read: when it began (of the steady clock), and what came of it."""

    begun: Milliseconds
    is_read: bool
    is_news: bool


Reading = Callable[[Urgency], Awaitable[Read]]


BURST = 8
"""Reads of an account that may follow each other at the floor, before they take no more than their share for ever."""


class ReadPace:
    """How soon after one read that was asked for the next may begin.

    `floor` is the shortest time between two, `lasting` the one that the venue's limits allow for ever: a burst may go
    faster, and then has to wait until the average is right again.
    """

    def __init__(self, floor: Milliseconds, lasting: Callable[[], Milliseconds]) -> None:
        self._floor = floor
        self._lasting = lasting
        self._begun: Milliseconds | None = None
        self._credit = float(BURST)

    def wait(self) -> Milliseconds:
        """How long the next read has to wait now."""
        if self._begun is None:
            return 0
        apart = self._floor if self._credit_now() >= 1 else max(self._floor, self._lasting())
        return max(0, self._begun + apart - steady())

    def begin(self) -> None:
        """A read begins."""
        self._credit = max(0.0, self._credit_now() - 1)
        self._begun = steady()

    def _credit_now(self) -> float:
        if self._begun is None:
            return self._credit
        return min(float(BURST), self._credit + (steady() - self._begun) / max(self._floor, self._lasting(), 1))


class CoalescedReads:
    """The reads of one account, at a pace. `done` hears of each."""

    def __init__(self, read: Reading, done: Callable[[Read], None], pace: ReadPace) -> None:
        self._read = read
        self._done = done
        self._pace = pace
        self._nudged = asyncio.Event()
        self._urgency = Urgency.SCHEDULED
        self._later: list[float] = []
        self._failures = 0

    @property
    def is_waiting(self) -> bool:
        """Whether somebody nudged since the last read began."""
        return self._nudged.is_set()

    def nudge(self, urgency: Urgency = Urgency.PUSHED) -> None:
        """Read the account: at once, or as soon as the floor and the read under way allow."""
        self._urgency = min(self._urgency, urgency)
        self._nudged.set()

    async def run(self) -> None:
        """Read whenever it is due, until cancelled."""
        while True:
            nudged = await self._due()
            if nudged:
                await asyncio.sleep(self._pace.wait() / 1000)
                self._pace.begin()
            urgency, self._urgency = self._urgency, Urgency.SCHEDULED
            self._nudged.clear()
            read = await self._read(urgency)
            self._plan(read, nudged=nudged)
            self._done(read)

    async def _due(self) -> bool:
        """Wait for a nudge, or for the next later look; whether it is a nudge."""
        if not self._later:
            return await self._nudged.wait()
        return await set_within(self._nudged, self._later.pop(0))

    def _plan(self, read: Read, *, nudged: bool) -> None:
        if not read.is_read:
            self._failures += 1
            self._later = [backoff_s(self._failures, FIRST_WAIT_S, LONGEST_WAIT_S)]
            return
        if self._failures or nudged or read.is_news:
            self._later = list(LATER_S[: 1 if read.is_news else None])
        self._failures = 0
