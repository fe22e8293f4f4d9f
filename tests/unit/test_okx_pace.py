"""The pace of calls: never more in a window than OKX takes, and no wait where there is room."""

import asyncio
import time
from typing import Any

from worker.venues.okx.pace import LIMITS, Pace, PacedCalls

WINDOW_S = 0.1


class Times:
    """When each call arrived."""

    def __init__(self) -> None:
        self.arrived: list[float] = []

    def now(self) -> int:
        return 7

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.arrived.append(time.monotonic())
        return {"name": name, "params": params}


async def test_no_window_holds_more_calls_than_the_pace_allows() -> None:
    pace, begun = Pace(3, WINDOW_S), []

    async def begin() -> None:
        await pace.turn()
        begun.append(time.monotonic())

    await asyncio.gather(*(begin() for _ in range(8)))
    assert all(later - earlier >= WINDOW_S * 0.99 for earlier, later in zip(begun, begun[3:], strict=False))


async def test_calls_within_the_limit_do_not_wait() -> None:
    pace, started = Pace(3, 60), time.monotonic()
    for _ in range(3):
        await pace.turn()
    assert time.monotonic() - started < 1


async def test_each_endpoint_has_a_pace_of_its_own() -> None:
    times, started = Times(), time.monotonic()
    calls = PacedCalls(times)
    for name, limit in LIMITS.items():
        for _ in range(limit):
            assert await calls.call(name, {"a": "b"}) == {"name": name, "params": {"a": "b"}}
    assert len(times.arrived) == sum(LIMITS.values())
    assert times.arrived[-1] - started < 1
    assert calls.now() == 7
