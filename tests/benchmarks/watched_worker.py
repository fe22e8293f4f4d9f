"""A worker as in production, and beside it a task that notes how long its event loop was held up, and when.

    python -m tests.benchmarks.watched_worker FILE

writes a line `time of day in s, ms late, ms of these in which the loop's thread computed` for each stop when it ends.
"""

import asyncio
import sys
import time
from pathlib import Path

from worker.app.bootstrap import run_worker
from worker.config.logs import configure_logging
from worker.config.settings import Settings
from worker.console.kit.terminal import read_settings, run
from worker.runtime.background import in_background

EACH_S = 0.005
NOTED_MS = 5.0


async def watch(stops: list[str]) -> None:
    """Sleep for a moment again and again, and note when it took longer."""
    while True:
        began, computed = time.perf_counter(), time.thread_time()
        await asyncio.sleep(EACH_S)
        late_ms = (time.perf_counter() - began - EACH_S) * 1000
        if late_ms >= NOTED_MS:
            stops.append(f"{time.time()} {late_ms} {(time.thread_time() - computed) * 1000}\n")


async def main(settings: Settings, file: Path) -> None:
    """Work until told to stop."""
    stops: list[str] = []
    async with in_background(watch(stops)):
        await run_worker(settings)
    await asyncio.to_thread(file.write_text, "".join(stops))


if __name__ == "__main__":
    given = read_settings()
    configure_logging(given, "worker")
    run(main(given, Path(sys.argv[1])))
