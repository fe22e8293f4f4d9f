"""A real worker on a venue that answers at once: what is left is the way through the bus, and the ledger."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from tests.benchmarks.ledger import KINDS, ForgetfulDatabase
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.accounts.account import Accounts
from worker.app.bootstrap import consuming
from worker.app.parts import build_worker
from worker.config.logs import configure_logging
from worker.config.settings import Settings
from worker.ledger.ledger import Ledger, open_ledger
from worker.runtime.collector import collect_seldom


@asynccontextmanager
async def _ledger(kind: str, settings: Settings) -> AsyncIterator[Ledger]:
    if kind == KINDS[1]:
        yield Ledger(ForgetfulDatabase(), "nobody")
        return
    async with open_ledger(settings.ledger) as ledger:
        yield ledger


async def serve(url: str, kind: str) -> None:
    """Consume until killed."""
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(amqp_url=url, state=Path(state), snapshot_interval_ms=0, streams="off")
        configure_logging(settings, "worker")
        collect_seldom()
        venue = MemoryVenue()
        async with (
            _ledger(kind, settings) as ledger,
            consuming(settings, lambda bus: build_worker(settings, Accounts((ACCOUNT,)), lambda _: venue, ledger, bus)),
        ):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], (*sys.argv, KINDS[0])[2]))
