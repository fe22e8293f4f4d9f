"""Taking samples: so many calls at so many at once, and what their times say."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Call = Callable[[], Awaitable[object]]

ROUND_S = 5.0
"""No call of a round begins later than this, so that a run ends in time on a slow machine too."""


@dataclass(slots=True)
class Samples:
    """Latencies in milliseconds, and the time it took to collect them."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    medians: list[float] = field(default_factory=list)
    """Of each round by itself."""

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return statistics.quantiles(self.latencies, n=100)[98]

    @property
    def rate(self) -> float:
        """Calls per second."""
        return len(self.latencies) / self.seconds


async def load(call: Call, samples: Samples, *, count: int, concurrency: int, longest_s: float = ROUND_S) -> None:
    """Make `count` calls, `concurrency` of them at any time, and add them to the samples; none begins after so long."""
    left, before = count, len(samples.latencies)
    end = time.perf_counter() + longest_s

    async def caller() -> None:
        nonlocal left
        while left > 0 and time.perf_counter() < end:
            left -= 1
            started = time.perf_counter()
            await call()
            samples.latencies.append((time.perf_counter() - started) * 1000)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as callers:
        for _ in range(concurrency):
            callers.create_task(caller())
    samples.seconds += time.perf_counter() - started
    samples.medians.append(statistics.median(samples.latencies[before:]))


async def interleaved(calls: dict[str, Call], *, rounds: int, count: int, concurrency: int) -> dict[str, Samples]:
    """Samples of several calls, taken in turns so that the machine's moods hit all of them alike."""
    taken = {name: Samples() for name in calls}
    for call in calls.values():
        await load(call, Samples(), count=max(concurrency, count // 4), concurrency=concurrency)
    for _ in range(rounds):
        for name, call in calls.items():
            await load(call, taken[name], count=count, concurrency=concurrency)
    return taken
