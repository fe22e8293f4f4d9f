"""What the ledger adds to a command: a worker with it, and one on a database that answers at once and keeps nothing.

Beside them a bare flush of this disk, one of which every command waits for.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.benchmarks.bus import BODY, CONCURRENCIES, command
from tests.benchmarks.measure import Samples, load
from tests.benchmarks.processes import program
from worker.bus.rpc import connect_rpc
from worker.ledger.sql.database import Latch, Row, Statement

ROUNDS = 4
WARM_UP = 600
"""Commands before anything is measured: the ledger's log of writes has then begun anew, as it does ever after."""

KINDS = ("with the ledger", "without a ledger")
EPOCH = 1
FLUSH = "a bare flush of this disk"
FLUSHES = 100
FLUSH_PAUSE_S = 0.002
"""About as often as a command comes when one waits for the other."""


@asynccontextmanager
async def _held() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _taken() -> AsyncIterator[bool]:
    yield True


def _returned(what: str) -> list[Row]:
    """What a new command is told when it is registered, or one number; nothing for who asks for nothing."""
    if not what:
        return []
    return [(0, 0, EPOCH)] if "EXISTS" in what else [(0,)]


class ForgetfulDatabase:
    """Says yes to everything and remembers none of it: every command is new, and nothing is frozen."""

    locks_can_be_lost = False

    async def write(
        self, *statements: Statement, durable: bool = True, latch: Latch | None = None, holding: str | None = None
    ) -> list[list[Row]]:
        """A row for whatever returns one: new, neither frozen nor in doubt, in its epoch; a position of the outbox."""
        return [_returned(statement.sql.partition("RETURNING")[2]) for statement in statements]

    async def read(self, statement: Statement) -> list[Row]:
        """The epoch, and nothing else."""
        return [(EPOCH,)] if statement.sql.startswith("SELECT number FROM epoch") else []

    async def flushed(self, *, gathered: bool = False) -> None:
        """There is nothing to flush."""

    def lock(self, name: str) -> AbstractAsyncContextManager[None]:
        """Nobody else is there."""
        return _held()

    def keep(self, name: str) -> AbstractAsyncContextManager[None]:
        """Nobody else is there."""
        return _held()

    async def renew(self, name: str) -> None:
        """Nothing is lost."""

    async def require_locks(self) -> None:
        """They are there."""

    def try_lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Nobody else is there."""
        return _taken()

    async def close(self) -> None:
        """Nothing to close."""


async def ledger_costs(url: str) -> dict[int, dict[str, Samples]]:
    """Samples of a command with and without, in turns; each turn has a worker of its own."""
    taken = {concurrency: {kind: Samples() for kind in KINDS} for concurrency in CONCURRENCIES}
    taken[1][FLUSH] = Samples()
    for _ in range(ROUNDS):
        await _flush(taken[1][FLUSH])
        for kind in KINDS:
            async with program("tests.benchmarks.memory_worker", url, kind), connect_rpc(url, "bench") as client:
                call = command(client, BODY)
                await load(call, Samples(), count=WARM_UP, concurrency=16)
                for concurrency, count in CONCURRENCIES.items():
                    await load(call, Samples(), count=max(concurrency, 50), concurrency=concurrency)
                    await load(call, taken[concurrency][kind], count=count, concurrency=concurrency)
    return taken


async def _flush(samples: Samples) -> None:
    """Write a page over one that is there, and flush."""
    with tempfile.TemporaryFile() as file:
        file.write(bytes(4096 * FLUSHES))
        os.fsync(file.fileno())
        for number in range(FLUSHES):
            os.pwrite(file.fileno(), os.urandom(4096), 4096 * number)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took = time.perf_counter() - began
            samples.latencies.append(took * 1000)
            samples.seconds += took
            await asyncio.sleep(FLUSH_PAUSE_S)
