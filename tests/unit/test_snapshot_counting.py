"""Whatever happens, and in whatever order: the snapshots of an account are counted without gaps."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import MarketType
from tests.support.hand_clock import HandClock
from tests.support.memory_venue import ACCOUNT, MemoryBus, MemoryVenue
from tests.unit.snapshot_desk import Desk, desk
from worker.ledger.outbox import Waiting
from worker.messages.wire import Outgoing
from worker.venues.port.adapter import Market, OpenPositions
from worker.venues.port.errors import AccessDenied

WORKERS = 2


@dataclass(frozen=True)
class Step:
    """One thing that happens. `cut` is after how many turns of the loop its worker ends in the middle of it."""

    what: str
    worker: int
    cut: int | None


@dataclass
class SlowVenue(MemoryVenue):
    """What it answers was so when it was asked, and arrives some turns of the loop later. Every trade adds to it."""

    turns: int = 0

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        self.turns = (self.turns + 5) % 13
        found = await MemoryVenue.positions(self, market_type, market)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return found


@dataclass
class World:
    """A venue, a broker, and workers on one ledger that end and come back."""

    url: str
    venue: SlowVenue = field(default_factory=SlowVenue)
    bus: MemoryBus = field(default_factory=MemoryBus)
    clock: HandClock = field(default_factory=HandClock)
    done: list[str] = field(default_factory=list)
    left: list[Waiting] = field(default_factory=list)

    @asynccontextmanager
    async def workers(self) -> AsyncIterator[list[Desk]]:
        async with AsyncExitStack() as stack:
            opened = [desk(self.url, self.venue, self.bus, self.clock, gather_ms=0) for _ in range(WORKERS)]
            workers = [await stack.enter_async_context(one) for one in opened]
            yield workers
            # Each ends: what it has begun is cut off, what it has recorded is published, or left to others.
            await asyncio.gather(*(worker.after_commands.close(0) for worker in workers))
            await asyncio.gather(*(worker.relay.close() for worker in workers))
            for worker in workers:
                self.left += await worker.ledger.outbox.of(worker.ledger.owner, 1_000)

    async def happens(self, step: Step, worker: Desk, command_id: str) -> None:
        match step.what:
            case "look":
                await worker.schedule.look(ACCOUNT)
            case "command":
                await worker.after(command_id)
                self.done.append(command_id)
            case "trade":
                self.venue.contracts += 1
            case "drift":
                self.venue.leverage = Decimal(1) if self.venue.leverage == 20 else Decimal(20)
            case "outage":
                self.venue.unreadable.append(AccessDenied("the key has expired"))

    async def round(self, steps: list[Step], number: int) -> None:
        """Steps that happen at the same time, to workers that were started just before."""
        async with self.workers() as workers:
            self.clock.pass_(4_000)
            tasks = [
                asyncio.create_task(self.happens(step, workers[step.worker], f"{number}.{index}"))
                for index, step in enumerate(steps)
            ]
            await asyncio.gather(*(_cut(task, step.cut) for task, step in zip(tasks, steps, strict=True)))

    @property
    def events(self) -> list[Outgoing]:
        """All there are: published, or recorded and left to be published by others."""
        return [*self.bus.events, *(waiting.event for waiting in self.left)]


async def _cut(task: asyncio.Task[None], after: int | None) -> None:
    if after is not None:
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()):
        raise error


steps = st.builds(
    Step,
    st.sampled_from(["look", "look", "command", "command", "trade", "drift", "outage"]),
    st.integers(0, WORKERS - 1),
    st.none() | st.integers(0, 60),
)
rounds = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=6)


@pytest.mark.usefixtures("a_loop_apart")
@settings(max_examples=60, deadline=None)
@given(rounds)
def test_whatever_happens_snapshots_are_counted_without_gaps_and_none_is_of_an_older_state(
    happening: list[list[Step]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(f"sqlite:///{Path(folder) / 'ledger.db'}")

        async def live() -> None:
            for number, steps in enumerate(happening):
                await world.round(steps, number)

        asyncio.run(live())
    snapshots = _by_seq(world.events, "positions")
    assert list(snapshots) == list(range(1, len(snapshots) + 1))
    assert _ascending([snapshot["as_of"] for snapshot in snapshots.values()])
    assert _ascending([snapshot["positions"][0]["contracts"] for snapshot in _readable(snapshots)])
    assert set(world.done) <= {command_id for snapshot in snapshots.values() for command_id in snapshot["command_ids"]}
    assert _by_seq(world.events, "drift").keys() == _drifted(snapshots)


def _by_seq(events: list[Outgoing], kind: str) -> dict[int, dict[str, Any]]:
    """The events of a kind by their numbers. The same number is always the same event, with the same id."""
    found: dict[int, Outgoing] = {}
    for event in events:
        if event.type == f"perps-dma.{kind}.v1":
            assert found.setdefault(json.loads(event.body)["data"]["seq"], event) == event
    assert len({event.id for event in found.values()}) == len(found)
    return {seq: json.loads(found[seq].body)["data"] for seq in sorted(found)}


def _readable(snapshots: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that show anything."""
    return [snapshot for snapshot in snapshots.values() if snapshot["positions"]]


def _drifted(snapshots: dict[int, dict[str, Any]]) -> set[int]:
    """No command here asks the venue for anything: every change of leverage between two readings is drift."""
    seen = [(snapshot["seq"], snapshot["positions"][0]["leverage"]) for snapshot in _readable(snapshots)]
    return {seq for (_, before), (seq, after) in pairwise(seen) if before != after}


def _ascending(values: list[Any]) -> bool:
    return values == sorted(values)
