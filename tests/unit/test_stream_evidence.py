"""Pushes that wait: in their order, and the newest of each market alone."""

import asyncio
from decimal import Decimal

from schemas.requests import MarginMode
from worker.streams.evidence import EvidenceQueue
from worker.venues.port.streams import Evidence, Nudge, Why


def nudge(symbol: str, leverage: int | None = None, mode: MarginMode | None = None) -> Nudge:
    return Nudge(Why.SETTINGS, evidence=(Evidence(symbol, None if leverage is None else Decimal(leverage), mode),))


async def test_each_market_waits_once_with_what_was_stated_last_and_nothing_is_left_out() -> None:
    queue = EvidenceQueue()
    for leverage in (3, 4):
        for number in range(500):
            queue.put(nudge(f"{number}", leverage), leverage)
    heard = [await queue.get() for _ in range(500)]
    assert heard == [(nudge(f"{number}", 4), 4) for number in range(500)]


async def test_a_leverage_and_a_mode_of_one_market_wait_side_by_side() -> None:
    queue = EvidenceQueue()
    queue.put(nudge("A", 3), 1)
    queue.put(nudge("A", mode=MarginMode.CROSS), 2)
    assert [(await queue.get())[1], (await queue.get())[1]] == [1, 2]


async def test_who_waits_hears_of_what_comes() -> None:
    queue = EvidenceQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put(nudge("A", 3), 1)
    assert (await waiting)[1] == 1
