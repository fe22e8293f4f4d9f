"""Calls to a venue on behalf of one command: kept inside its deadline, counted and timed."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from schemas.base import Milliseconds
from worker.execution.errors import Expired, Frozen
from worker.execution.retries import QUERY
from worker.ledger.owners import GONE_S
from worker.runtime.clock import Clock
from worker.venues.limits import CONTEXT, Urgency, requesting
from worker.venues.port.door import Door, KeptRoom
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


Intend = Callable[[int, Milliseconds], Awaitable[None]]
"""Records that the n-th attempt is about to be sent, now. Raises what forbids it; then nothing is sent."""


async def unrecorded(attempt: int, at: Milliseconds) -> None:
    """For calls that change nothing."""


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
        self.policy: str | None = None
        """The version of the guardrails that the command was checked against last."""
        self.ends = time.monotonic() + (deadline - clock()) / 1000
        """When the deadline is, by the monotonic clock, as it was seen from the beginning: nobody sets that one."""
        self._intend = intend
        self._held: tuple[KeptRoom, ...] = ()

    def remaining(self) -> Milliseconds:
        """Milliseconds until the deadline; negative behind it."""
        return math.ceil((self.ends - time.monotonic()) * 1000)

    async def read(self, read: Callable[[], Awaitable[T]]) -> T:
        """A call that changes nothing. Raises Expired when there is no time left for it."""
        remaining = self.remaining()
        left = max(remaining, RECOVERY_MS if self.interrupted else 0)
        if left <= 0:
            raise Expired("the deadline passed before the venue was asked")
        async with self._limited(left, max(0, left - remaining)):
            return await read()

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

    @asynccontextmanager
    async def change(self, *, read_back: bool) -> AsyncIterator[Door]:
        """In here something is changed, through the door. Each request is recorded before it leaves; none leaves late.

        With `read_back` to follow, some of the time left is kept for it. Raises Expired or NotSent where nothing was
        sent, and Ambiguous where only a part of what is to be sent could leave.
        """
        if (left := self.remaining()) <= 0:
            raise Expired("the deadline passed before it was sent")
        reserve = min(READ_BACK_RESERVE_MS, left // 3) if read_back else 0
        sending = _Sending(self, 2 if read_back else 1, (self.attempts, self.sent))
        try:
            async with self._limited(left - reserve, -reserve):
                yield sending
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
        while True:
            at = time.monotonic()  # at first, or by now: the ledger may have been slow
            if (left := math.ceil((self.ends - at) * 1000)) < needed:
                raise Expired(
                    f"{max(0, left)} ms before the deadline, and until it is confirmed this venue usually takes up to "
                    f"{needed} ms; nothing was sent"
                )
            if at - began < FRESH_S:
                break
            began = at
            await self._intend(self.attempts + 1, self.deadline - left)
        self.attempts += 1
        self.sent = self.sent or self.deadline - left

    def hold(self, room: KeptRoom) -> None:
        """Keep room for a read-back."""
        self._held += (room,)

    def release(self) -> None:
        """Give back the room that was kept for a read-back."""
        held, self._held = self._held, ()
        for room in held:
            room.end()

    @asynccontextmanager
    async def holding(self, room: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        """Keep room at the venue for a change that is to come. Raises Expired, or LimitReached if it comes too late."""
        if self.remaining() <= 0:
            raise Expired("the deadline passed before it was sent")
        async with AsyncExitStack() as stack:
            with requesting(deadline=self.deadline, urgency=self._urgency):
                await stack.enter_async_context(room)
            yield

    @asynccontextmanager
    async def _limited(self, limit: Milliseconds, behind: Milliseconds) -> AsyncIterator[None]:
        """What is asked of the venue in here takes no longer than this, until so long behind the deadline or before it.

        Raises Ambiguous when it would.
        """
        started = time.perf_counter()
        context = CONTEXT.set(
            replace(CONTEXT.get(), deadline=self.deadline + behind, urgency=self._urgency, held=self._held)
        )
        try:
            async with asyncio.timeout(limit / 1000):
                yield
        except TimeoutError as error:
            raise Ambiguous(f"no answer from the venue within {limit} ms") from error
        finally:
            CONTEXT.reset(context)
            self.venue_ms += (time.perf_counter() - started) * 1000


@dataclass(slots=True)
class _Sending:
    """One attempt at a change: the door (`Door`) of its requests, of which there may be several.

    So many `answers` must come in time; `before` is what the calls had noted of attempts until then.
    """

    calls: VenueCalls
    answers: int
    before: tuple[int, Milliseconds | None]
    recorded: int = 0
    unsettled: int = 0
    """Requests of which the venue may have made something."""

    @asynccontextmanager
    async def sending(self, usual_ms: Milliseconds) -> AsyncIterator[None]:
        """A request leaves in here, in time and recorded. Raises what forbids that: Expired, Frozen, TakenOver."""
        await self.calls.record(self.answers * usual_ms)
        self.recorded += 1
        self.unsettled += 1
        try:
            yield
        except Refused:
            self.unsettled -= 1
            raise

    def hold(self, room: KeptRoom) -> None:
        """Keep room for the read-back."""
        self.calls.hold(room)

    def take_back(self) -> None:
        """Nothing of this attempt has left this machine."""
        self.calls.attempts, self.calls.sent = self.before
