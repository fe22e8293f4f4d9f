"""A worker on venues in memory that writes down when each change began and ended, until it is killed.

Every worker has a ledger of its own, so that nothing but the broker keeps two of them off one account.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import uvloop

from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.config.logs import configure_logging
from worker.config.settings import Settings
from worker.venues.port.adapter import Echo, Market
from worker.venues.port.door import Door

VENUE_S = 0.005
"""How long the venue takes to change something."""

ACCOUNTS = tuple(ACCOUNT.model_copy(update={"id": f"memory-perp-{number:03}"}) for number in range(20))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of leverage at the venue; times are those of the machine's monotonic clock, in ns."""

    account: str
    leverage: int
    began: int
    ended: int
    worker: int


@dataclass(slots=True)
class RecordedVenue(MemoryVenue):
    """Writes what begins and ends at once, so that a kill hides nothing."""

    account: str = ""
    record: int = -1
    wanted: Decimal = Decimal(0)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """It takes any: each command has a value of its own."""

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        self.wanted = leverage
        echo = await super(RecordedVenue, self).set_leverage(market, leverage, door)
        self._write("ended", leverage)
        return echo

    async def under_way(self) -> None:
        self._write("began", self.wanted)
        await asyncio.sleep(VENUE_S)

    def _write(self, what: str, leverage: Decimal) -> None:
        line = [what, self.account, int(leverage), time.monotonic_ns(), os.getpid()]
        os.write(self.record, f"{json.dumps(line)}\n".encode())


def read_record(files: Iterable[Path], killed: int) -> list[Change]:
    """The changes of all workers by the time they began. What a killed worker left open ended when it was killed."""
    changes, began = list[Change](), dict[tuple[str, int, int], int]()
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    for what, account, leverage, at, worker in sorted(lines, key=lambda line: line[3]):
        if what == "began":
            began[account, leverage, worker] = at
        else:
            changes.append(Change(account, leverage, began.pop((account, leverage, worker)), at, worker))
    left = [Change(account, leverage, at, killed, worker) for (account, leverage, worker), at in began.items()]
    return sorted(changes + left, key=lambda change: change.began)


async def serve(url: str, shards: int, state: Path) -> None:
    """Consume until told to stop or killed."""
    settings = Settings(amqp_url=url, shards=shards, workers=2, state=state, timeout_ms=60_000)
    configure_logging(settings, "worker")
    state.mkdir()  # noqa: ASYNC240 - before anything else runs
    record = os.open(state / "record", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    venues = {account.id: RecordedVenue(account=account.id, record=record) for account in ACCOUNTS}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    async with running_worker(settings, Accounts(ACCOUNTS), lambda account: venues[account.id]):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
