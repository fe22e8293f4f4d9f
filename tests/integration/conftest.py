"""A worker on the real broker, with a venue in memory: what the bus does, apart from what a venue does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.memory_venue import ACCOUNT, MemoryVenue
from tests.support.operation_queues import emptied
from tests.support.strategy import Strategy
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.bus.rpc import RpcClient, connect_rpc
from worker.config.settings import Settings
from worker.ledger.ledger import Ledger, open_ledger


@pytest.fixture
async def venue(amqp_url: str, tmp_path: Path) -> AsyncIterator[MemoryVenue]:
    """The venue behind a running worker."""
    await emptied(amqp_url)
    venue = MemoryVenue()
    settings = Settings(amqp_url=amqp_url, timeout_ms=5_000, state=tmp_path, snapshot_interval_ms=0)
    async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue):
        yield venue


@pytest.fixture
async def strategy(amqp_url: str, venue: MemoryVenue) -> AsyncIterator[Strategy]:
    """A strategy engine that knows AMQP and nothing of our code."""
    async with Strategy.connected(amqp_url) as engine:
        yield engine


@pytest.fixture
async def rpc(amqp_url: str, venue: MemoryVenue) -> AsyncIterator[RpcClient]:
    """A client of the worker."""
    async with connect_rpc(amqp_url, "tests") as client:
        yield client


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    """A worker's ledger."""
    async with open_ledger(ledger_url) as ledger:
        yield ledger


@pytest.fixture
async def other(ledger_url: str, ledger: Ledger) -> AsyncIterator[Ledger]:
    """The same ledger, of another worker."""
    async with open_ledger(ledger_url) as other:
        yield other
