"""A real worker on a venue that answers at once: what is left is the way through the bus."""

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.fakes import ACCOUNT, MemoryVenue
from worker.accounts import Accounts
from worker.bootstrap import running_worker
from worker.settings import Settings
from worker.telemetry import configure_logging


async def serve(url: str) -> None:
    """Consume until killed."""
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(amqp_url=url, state=Path(state))
        configure_logging(settings, "worker")
        venue = MemoryVenue()
        async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
