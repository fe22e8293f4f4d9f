"""Nudges become reads: the first at once, one under way and one waiting at most, and once more a moment later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from worker.runtime.clock import steady
from worker.streams.reads import BURST, LATER_S, CoalescedReads, Read, ReadPace
from worker.venues.limits.request_context import Urgency

FLOOR_MS = 40


@dataclass
class Readings:
    """Reads that end when a test lets them, or at once."""

    news: list[bool] = field(default_factory=list)
    fails: int = 0
    holds: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[tuple[int, Urgency]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Queue[Read] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.holds.set()

    async def read(self, urgency: Urgency) -> Read:
        self.begun.append((steady(), urgency))
        self.began.set()
        await self.holds.wait()
        self.fails -= 1
        is_news = self.news.pop(0) if self.news else True
        return Read(self.begun[-1][0], is_read=self.fails < 0, is_news=is_news)

    async def next(self) -> Read:
        async with asyncio.timeout(10):
            return await self.done.get()


@asynccontextmanager
async def reading(readings: Readings, floor: int = FLOOR_MS, lasting: int = 0) -> AsyncIterator[CoalescedReads]:
    reads = CoalescedReads(readings.read, readings.done.put_nowait, ReadPace(floor, lambda: lasting))
    running = asyncio.create_task(reads.run())
    try:
        yield reads
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled(), running.exception()


async def test_the_first_nudge_is_read_at_once_and_the_next_after_the_floor() -> None:
    readings = Readings()
    async with reading(readings) as reads:
        nudged = steady()
        reads.nudge()
        await readings.next()
        reads.nudge()
        await readings.next()
    first, second = (at for at, _ in readings.begun)
    assert first - nudged < FLOOR_MS
    assert second - first >= FLOOR_MS


async def test_however_many_nudges_come_during_a_read_one_follows() -> None:
    readings = Readings()
    readings.holds.clear()
    async with reading(readings) as reads:
        reads.nudge()
        await readings.began.wait()
        for _ in range(1_000):
            reads.nudge()
        assert reads.is_waiting
        readings.holds.set()
        await readings.next()
        await readings.next()
        assert not reads.is_waiting
    assert len(readings.begun) == 2


async def test_the_most_urgent_nudge_says_how_urgent_the_read_is() -> None:
    readings = Readings()
    async with reading(readings) as reads:
        reads.nudge()
        reads.nudge(Urgency.RISK)
        reads.nudge()
        await readings.next()
        reads.nudge()
        await readings.next()
    assert [urgency for _, urgency in readings.begun] == [Urgency.RISK, Urgency.PUSHED]


async def test_an_account_is_looked_at_once_more_after_news_and_behind_all_else() -> None:
    readings = Readings(news=[True, False])
    async with reading(readings) as reads:
        reads.nudge()
        await readings.next()
        await readings.next()
    (first, _), (later, urgency) = readings.begun
    assert later - first >= LATER_S[0] * 1_000 - 1
    assert urgency is Urgency.SCHEDULED


async def test_a_read_that_fails_is_tried_again_without_a_nudge() -> None:
    readings = Readings(fails=1)
    async with reading(readings) as reads:
        reads.nudge()
        assert not (await readings.next()).is_read
        assert (await readings.next()).is_read


def test_a_burst_goes_at_the_floor_and_what_goes_on_at_what_the_limits_allow() -> None:
    pace, hour = ReadPace(0, lambda: 3_600_000), 3_600_000
    for _ in range(BURST):
        assert pace.wait() == 0
        pace.begin()
    assert hour - 1_000 < pace.wait() <= hour
