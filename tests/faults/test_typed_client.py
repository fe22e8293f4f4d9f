"""The typed client on a broker that stops, crashes, blocks and cuts it off: what it was told is true, and done once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from schemas import EventStream, PerpsDma, ResultEvent
from tests.faults.node import Node
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.operation_queues import emptied
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.config.settings import Settings

NAME = "a client that goes through a lot"
TROUBLES = ("restart", "crash", "cut", "alarm")
LONG_S = 60


@pytest.fixture
async def venue(breakable: str, tmp_path: Path) -> AsyncIterator[MemoryVenue]:
    """The venue behind a worker on the broker that is broken."""
    await emptied(breakable)
    venue = MemoryVenue()
    settings = Settings(amqp_url=breakable, timeout_ms=60_000, state=tmp_path, snapshot_interval_ms=0)
    async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue):
        yield venue


@asynccontextmanager
async def trouble(node: Node, kind: str) -> AsyncIterator[None]:
    """What is wrong lasts no longer than the context."""
    if kind == "cut":
        await node.cut(NAME)
        yield
    elif kind == "alarm":
        await node.alarm()
        yield
        await node.all_clear()
    else:
        broken = asyncio.create_task(node.restart() if kind == "restart" else node.crash())
        yield
        await broken


@pytest.mark.parametrize("kind", TROUBLES)
async def test_each_command_is_answered_and_done_once_and_all_are_told(
    breakable: str, node: Node, venue: MemoryVenue, kind: str
) -> None:
    async with PerpsDma(breakable, name=NAME, timeout_s=LONG_S) as dma:
        start = (await dma.get_snapshots()).data.next_offset
        wanted: list[int] = []
        events, numbers, over = dma.events(start=start, types=["result"]), count(1), asyncio.Event()

        async def commanding() -> list[str]:
            done: list[str] = []
            while not over.is_set() or len(done) < 5:
                wanted.append(1 + next(numbers) % 100)
                result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, wanted[-1])
                done.append(result.raise_for_outcome().command_id)
            return done

        commands = asyncio.create_task(commanding())
        heard = [(await _result(events)).data.command_id]
        async with trouble(node, kind):
            if kind != "alarm":
                heard.append((await _result(events)).data.command_id)
        over.set()
        sent = await commands
        while not set(sent) <= set(heard):
            heard.append((await _result(events)).data.command_id)
        await events.aclose()
    assert set(heard) == set(sent)  # what a crash came between may be told twice, and later than what follows it
    assert [line for line in venue.log if line.startswith("leverage ")] == [f"leverage {value}" for value in wanted]


async def _result(events: EventStream) -> ResultEvent:
    event = await anext(events)
    assert isinstance(event, ResultEvent)
    return event
