"""The longest stop of a worker's event loop while it works, collects garbage, reloads markets, deletes old commands."""

import json
import time
from pathlib import Path

from tests.benchmarks.bus import command
from tests.benchmarks.history import remember
from tests.benchmarks.measure import Samples, load
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.services import NO_SCHEDULE, worker
from tests.benchmarks.stage import LIFTED, LIFTED_BY_US, Desk, stage
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings

ACCOUNTS, KEPT, OLD = 64, 100_000, 33_000
AT_ONCE = 4
RELOAD_S = 5
TARGET_MS = 30
SOAK = {
    **NO_SCHEDULE,
    **LIFTED_BY_US,
    "PERPS_DMA_MARKETS_RELOAD_S": str(RELOAD_S),
}


async def longest_stop(settings: Settings, folder: Path, seconds: float) -> list[Row]:
    """Load it for a while, and read what it noted; the start is not counted."""
    async with stage(settings, folder, ACCOUNTS, LIFTED) as venue:
        own = venue.worker("soak", ACCOUNTS)
        noted = own.state / "stops"
        await remember(own.ledger, KEPT, ACCOUNTS, old=OLD)
        async with worker(own, SOAK, ("tests.benchmarks.watched_worker", str(noted))):
            ready = time.time()
            await _load(own, Desk(venue.accounts), seconds)
            loaded = time.time()
    return _rows([stop for at, *stop in _read(noted) if ready <= at <= loaded])


async def _load(settings: Settings, desk: Desk, seconds: float) -> None:
    async with connect_rpc(str(settings.amqp_url), "bench") as client:

        async def call() -> None:
            await command(client, json.dumps(desk.change()).encode())()

        await load(call, Samples(), count=1_000_000, concurrency=AT_ONCE, longest_s=seconds)


def _read(noted: Path) -> list[list[float]]:
    return [[float(figure) for figure in line.split()] for line in noted.read_text().splitlines()]


def _rows(stops: list[list[float]]) -> list[Row]:
    late, computed = (max(each) for each in zip(*stops, strict=True)) if stops else (0.0, 0.0)
    return [
        at_most("longest stop of the loop in a soak (collector, markets, retention), ms", late, TARGET_MS),
        Row("longest stop in which the loop computed; else it waited for a processor or the disk, ms", computed),
    ]
