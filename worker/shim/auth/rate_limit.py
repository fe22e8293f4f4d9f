"""How often a token may ask. Each shim counts for itself, in its memory."""

import math
import time

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from schemas import ErrorCode, failure
from worker.shim.auth.claims import Actor
from worker.shim.auth.tokens import Denied


class RateLimit:
    """So many requests in a time, for each subject; tokens that name none count as one."""

    def __init__(self, rate: RateLimitItem) -> None:
        self._rate = rate
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def take(self, actor: Actor) -> None:
        """Count a request. Raises Denied (429) when there were too many."""
        if await self._limiter.hit(self._rate, actor.bucket):
            return
        reset, _ = await self._limiter.get_window_stats(self._rate, actor.bucket)
        wait_s = max(1, math.ceil(reset - time.time()))
        message = f"more than {self._rate.amount} requests in {self._rate.get_expiry()} s; try again in {wait_s} s"
        envelope = failure(ErrorCode.RATE_LIMITED, message, details={"limit": str(self._rate)})
        raise Denied("rate_limit", envelope, {"Retry-After": str(wait_s)}, actor=actor)
