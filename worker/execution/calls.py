"""Calls to a venue on behalf of one command: kept inside its deadline, counted and timed."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.base import Milliseconds
from worker.execution.errors import Expired, Frozen
from worker.execution.retries import QUERY
from worker.ledger.owners import GONE_S
from worker.runtime.clock import Clock
from worker.venues.client.door import ChangeRequest, through
from worker.venues.limits import RequestContext, Urgency, requesting, reserved
from worker.venues.limits.permits import ReservedPermit
from worker.venues.port.errors import Ambiguous, LimitReached, NotSent, Refused, VenueError

T = TypeVar("T")

RECOVERY_MS = 5_000
"""What a command that was interrupted may take for its read-back, be its deadline past."""

READ_BACK_RESERVE_MS = 2_000
"""What a change leaves of its time for the read-back, or a third of it when that is less."""


FRESH_S = GONE_S / 3
"""For so long an intent proves that the account is ours: no other worker believes us gone so soon."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What an earlier worker had done of a command when it ended: so many attempts, the first of them then."""

    attempts: int
    sent: Milliseconds


Intend = Callable[[int], Awaitable[None]]
"""Records that the n-th attempt is about to be sent. Raises what forbids it; then nothing is sent."""


async def unrecorded(attempt: int) -> None:
    """For calls that change nothing."""


def _reserve(left: Milliseconds, *, read_back: bool) -> Milliseconds:
    """What a change leaves of its time."""
    return min(READ_BACK_RESERVE_MS, left // 3) if read_back else 0


class VenueCalls:
    """The calls of one command, and what they cost."""

    def __init__(
        self,
        deadline: Milliseconds,
        clock: Clock,
        intend: Intend = unrecorded,
        interrupted: Interrupted | None = None,
        *,
        urgency: Urgency = Urgency.COMMAND,
    ) -> None:
        self.deadline = deadline
        self._urgency = urgency
        self.interrupted = interrupted is not None
        self.attempts = interrupted.attempts if interrupted else 0
        self.sent: Milliseconds | None = interrupted.sent if interrupted else None
        self.venue_ms = 0.0
        self._clock = clock
        self._intend = intend
        self._held: tuple[ReservedPermit, ...] = ()

    def remaining(self) -> Milliseconds:
        """Milliseconds until the deadline; negative behind it."""
        return self.deadline - self._clock()

    async def read(self, read: Callable[[], Awaitable[T]]) -> T:
        """A call that changes nothing. Raises Expired when there is no time left for it."""
        left = max(self.remaining(), RECOVERY_MS if self.interrupted else 0)
        if left <= 0:
            raise Expired("the deadline passed before the venue was asked")
        async with self._limited(left):
            return await read()

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
        """A call that changes something. Each request of it is recorded before it leaves; none leaves late.

        With `read_back` to follow, some of the time left is kept for it. Raises Expired or NotSent where nothing was
        sent, and Ambiguous where only a part of what is to be sent could leave.
        """
        if (left := self.remaining()) <= 0:
            raise Expired("the deadline passed before it was sent")
        sending = _Sending(self, read_back=read_back)
        self.release()
        try:
            async with self._limited(left - _reserve(left, read_back=read_back)):
                with through(sending):
                    return await send()
        except (NotSent, LimitReached):
            sending.take_back()
            raise
        except (Frozen, Expired) as error:
            if sending.unsettled:
                raise Ambiguous(f"a part of it was sent, and then {error}") from error
            raise
        except Ambiguous as doubt:
            if sending.recorded:
                raise
            raise self._never_left(doubt) from doubt

    def _never_left(self, doubt: Ambiguous) -> Expired | NotSent:
        if isinstance(doubt.__cause__, TimeoutError):
            return Expired(f"the deadline came before it could be sent; {doubt.message}")
        return NotSent(f"{doubt.message}; so nothing was changed", venue_code=doubt.venue_code, raw=doubt.raw)

    async def record(self, needed: Milliseconds) -> None:
        """Record the next sending. Raises Expired when an answer is not to be had in time, and what forbids it.

        It is recorded once more when we learn of that so late that others may believe us gone by now.
        """
        began = -math.inf
        while time.monotonic() - began >= FRESH_S:
            self._require(needed)
            began = time.monotonic()
            await self._intend(self.attempts + 1)
        self._require(needed)  # the ledger may have been slow
        self.attempts += 1
        self.sent = self.sent or self._clock()

    def _require(self, needed: Milliseconds) -> None:
        if (left := self.remaining()) < needed:
            raise Expired(
                f"{max(0, left)} ms before the deadline, and until it is confirmed this venue usually takes up to "
                f"{needed} ms; nothing was sent"
            )

    def hold(self, reservation: ReservedPermit) -> None:
        """Keep room for a read-back."""
        self._held += (reservation,)

    def release(self) -> None:
        """Give back the room that was kept for a read-back."""
        held, self._held = self._held, ()
        for reservation in held:
            reservation.end()

    @asynccontextmanager
    async def holding(self, room: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        """Keep room at the venue for a change that is to come. Raises Expired, or LimitReached if it comes too late."""
        if self.remaining() <= 0:
            raise Expired("the deadline passed before it was sent")
        async with AsyncExitStack() as stack:
            with requesting(RequestContext(self.deadline, self._urgency)):
                await stack.enter_async_context(room)
            yield

    @asynccontextmanager
    async def _limited(self, limit: Milliseconds) -> AsyncIterator[None]:
        """What is asked of the venue in here takes no longer than this. Raises Ambiguous when it would."""
        started = time.perf_counter()
        context = RequestContext(self._clock() + limit, self._urgency)
        try:
            async with asyncio.timeout(limit / 1000):
                with requesting(context), reserved(*self._held):
                    yield
        except TimeoutError as error:
            raise Ambiguous(f"no answer from the venue within {limit} ms") from error
        finally:
            self.venue_ms += (time.perf_counter() - started) * 1000


class _Sending:
    """One attempt at a change: the door of its requests, of which there may be several."""

    def __init__(self, calls: VenueCalls, *, read_back: bool) -> None:
        self.recorded = 0
        self.unsettled = 0
        """Requests of which the venue may have made something."""
        self._calls = calls
        self._answers = 2 if read_back else 1
        self._before = (calls.attempts, calls.sent)

    async def send(self, request: ChangeRequest) -> Any:
        """Send one request: let go by the limiter, in time, recorded, and only then sent."""
        async with request.permit(self._calls.hold) as permit:
            await self._calls.record(self._answers * request.usual_ms)
            self.recorded += 1
            self.unsettled += 1
            try:
                return await request.send(permit)
            except Refused:
                self.unsettled -= 1
                raise

    def take_back(self) -> None:
        """Nothing of this attempt has left this machine."""
        self._calls.attempts, self._calls.sent = self._before
