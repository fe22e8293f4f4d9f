"""Calls to a venue on behalf of one command: kept inside its deadline, counted and timed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from schemas.base import Milliseconds
from worker.clock import Clock
from worker.execution.retries import QUERY
from worker.venues.errors import Ambiguous, VenueError
from worker.venues.limits import within

T = TypeVar("T")

RECOVERY_MS = 5_000
"""What a command that was interrupted may take for its read-back, be its deadline past."""

READ_BACK_RESERVE_MS = 2_000
"""What a change leaves of its time for the read-back, or a third of it when that is less."""


class Expired(Exception):
    """The deadline passed before anything was sent."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What an earlier worker had done of a command when it ended: so many attempts, the first of them then."""

    attempts: int
    sent: Milliseconds


Intend = Callable[[int], Awaitable[None]]
"""Records that the n-th attempt is about to be sent. Raises what forbids it; then nothing is sent."""


async def unrecorded(attempt: int) -> None:
    """For calls that change nothing."""


class VenueCalls:
    """The calls of one command, and what they cost."""

    def __init__(
        self,
        deadline: Milliseconds,
        clock: Clock,
        intend: Intend = unrecorded,
        interrupted: Interrupted | None = None,
    ) -> None:
        self.deadline = deadline
        self.interrupted = interrupted is not None
        self.attempts = interrupted.attempts if interrupted else 0
        self.sent: Milliseconds | None = interrupted.sent if interrupted else None
        self.venue_ms = 0.0
        self._clock = clock
        self._intend = intend

    def remaining(self) -> Milliseconds:
        """Milliseconds until the deadline; negative behind it."""
        return self.deadline - self._clock()

    async def read(self, read: Callable[[], Awaitable[T]]) -> T:
        """A call that changes nothing. Raises Expired when there is no time left for it."""
        left = max(self.remaining(), RECOVERY_MS if self.interrupted else 0)
        if left <= 0:
            raise Expired("the deadline passed before the venue was asked")
        return await self._timed(read, left)

    async def check(self, check: Callable[[], Awaitable[None]]) -> None:
        """A check before anything is sent; what was sent already needs none."""
        if not self.interrupted:
            await self.read(check)

    async def query(self, read: Callable[[], Awaitable[T]]) -> T:
        """A read that is repeated when the venue fails it, within the deadline."""
        failures = 0
        while True:
            try:
                return await self.read(read)
            except VenueError as error:
                failures += 1
                left = max(self.remaining(), RECOVERY_MS if self.interrupted else 0)
                if (wait := QUERY.wait(error, failures, left)) is None:
                    raise
                await asyncio.sleep(wait / 1000)

    async def change(self, send: Callable[[], Awaitable[T]], *, read_back: bool) -> T:
        """A call that changes something, recorded before it is sent. Raises Expired instead of sending late.

        With `read_back` to follow, some of the time left is kept for it.
        """
        if self.remaining() > 0:
            await self._intend(self.attempts + 1)
        if (left := self.remaining()) <= 0:
            raise Expired("the deadline passed before it was sent")
        reserve = min(READ_BACK_RESERVE_MS, left // 3) if read_back else 0
        self.attempts += 1
        self.sent = self.sent or self._clock()
        return await self._timed(send, left - reserve)

    @asynccontextmanager
    async def holding(self, room: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        """Keep room at the venue for a change that is to come. Raises Expired, or LimitReached if it comes too late."""
        if self.remaining() <= 0:
            raise Expired("the deadline passed before it was sent")
        async with AsyncExitStack() as stack:
            with within(self.deadline):
                await stack.enter_async_context(room)
            yield

    def not_sent(self) -> None:
        """Take back an attempt that never left this machine."""
        self.attempts -= 1
        if not self.attempts:
            self.sent = None

    async def _timed(self, call: Callable[[], Awaitable[T]], limit: Milliseconds) -> T:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(limit / 1000):
                with within(self._clock() + limit):
                    return await call()
        except TimeoutError as error:
            raise Ambiguous(f"no answer from the venue within {limit} ms") from error
        finally:
            self.venue_ms += (time.perf_counter() - started) * 1000
