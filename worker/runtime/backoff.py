"""How long to wait after each failure in a row: twice as long every time, up to a limit, out of step with others."""

import asyncio
import random

MOST_DOUBLINGS = 30


def backoff_s(failures: int, first_s: float, longest_s: float, least: float = 0.5) -> float:
    """Seconds to wait after the n-th failure in a row, n from 1 on.

    They lie between `least`, a part of the longest wait that this failure has, and all of it. A `least` of 0 is full
    jitter, for those who must not come back together; 1 is none.
    """
    longest = min(longest_s, first_s * 2.0 ** min(failures - 1, MOST_DOUBLINGS))
    return longest * random.uniform(least, 1.0)  # noqa: S311 - spreads load, guards nothing


class Backoff:
    """The waits of one piece of work that is tried again until it succeeds."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def next_s(self) -> float:
        """It has failed once more: seconds until the next attempt."""
        self._failures += 1
        return backoff_s(self._failures, self._first_s, self._longest_s)

    async def wait(self) -> None:
        """It has failed once more: return when the next attempt is due."""
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        """It has succeeded: the next wait is the first one again."""
        self._failures = 0
