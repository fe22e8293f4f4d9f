"""How fast events are read again from the stream, as `perps-dma watch --from first` does."""

import json
import statistics
import time
from contextlib import aclosing

from schemas.client.stream import followed as events
from tests.benchmarks.rows import Row

EVENTS = 2_000
ROUNDS = 3


async def replay(url: str) -> list[Row]:
    """Events a second, from the oldest on; they must be there."""
    rates = sorted([await _rate(url) for _ in range(ROUNDS)])
    spread = f"{rates[0]:.0f} to {rates[-1]:.0f}"
    return [Row("events replayed from the stream, a second", statistics.median(rates), spread=spread)]


async def _rate(url: str) -> float:
    began, read = time.perf_counter(), 0
    async with aclosing(events(url, "first")) as messages:
        async for message in messages:
            json.loads(message.body)
            read += 1
            if read == EVENTS:
                break
    return EVENTS / (time.perf_counter() - began)
