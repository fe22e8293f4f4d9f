"""A desk: 64 accounts with open positions, values that change, a ledger of 100,000 commands, a venue 20 ms away.

Over HTTP, against FastAPI with ccxt in process, and what such a command with the snapshot after it costs the worker.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from schemas import HTTP_PREFIXES
from tests.benchmarks.history import remember, snapshots_taken
from tests.benchmarks.measure import Call, Samples, interleaved, load
from tests.benchmarks.process_cpu import cpu_ms
from tests.benchmarks.routes import http_session
from tests.benchmarks.rows import Row, at_most, medians
from tests.benchmarks.scale import Scale
from tests.benchmarks.services import NO_SCHEDULE, NONE, Variables, answers, module, shim, worker
from tests.benchmarks.stage import DOCUMENTED, LIFTED, LIFTED_BY_US, Desk, Stage, stage
from tests.support.processes import free_port
from worker.config.settings import Settings
from worker.runtime.child import Child

ACCOUNTS = 64
KEPT = 100_000
VENUE_MS = 20
TARGETS = {1: 1.15, 16: 1.5, 64: 2.0}
CPU_TARGET_MS = 2.2
CPU_COMMANDS, CPU_AT_ONCE = 480, 16
QUIET_S = 1.0
"""For so long nothing is read any more once all snapshots are taken."""

OURS, THEIRS = "set_leverage over HTTP", "FastAPI + ccxt in process"
DOCUMENTED_CALLS = {1: 8, 16: 32, 64: 64}
DOCUMENTED_ROUNDS = 2
"""Few: a minute of documented limits has room for about 200 with their snapshots."""


@dataclass(slots=True)
class DeskRun:
    """Samples of both by how many were at once, and how often each answered with which status."""

    samples: dict[int, dict[str, Samples]] = field(default_factory=dict)
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: {OURS: Counter(), THEIRS: Counter()})

    def rows(self, limits: str) -> list[Row]:
        """The ratios of the medians, and how much was not carried out."""
        ratios = [
            medians(f"64 accounts, {limits}, HTTP : FastAPI + ccxt, median at {size}", taken.values(), TARGETS[size])
            for size, taken in self.samples.items()
        ]
        failed = {whose: statuses.total() - statuses[200] for whose, statuses in self.statuses.items()}
        return ratios + [
            Row(f"{whose}, {limits}: not answered 200", number) for whose, number in failed.items() if number
        ]


@asynccontextmanager
async def peer(venue: Stage) -> AsyncIterator[str]:
    """FastAPI with ccxt for all accounts of a venue; its base URL."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    settings = venue.worker("peer", ACCOUNTS)
    arguments = ("tests.benchmarks.fastapi_ccxt", str(settings.state), str(port))
    async with module("peer", *arguments, folder=settings.state, ready=lambda: answers(f"{base}/healthz")):
        yield base


@asynccontextmanager
async def desk_worker(venue: Stage, variables: Variables) -> AsyncIterator[tuple[Settings, Child, str]]:
    """A worker with the desk's accounts and past, and a shim before it: its settings, its process, and the routes."""
    settings = venue.worker("desk", ACCOUNTS)
    await remember(settings.ledger, KEPT, ACCOUNTS)
    async with worker(settings, variables) as child, shim(settings) as base:
        yield settings, child, base + HTTP_PREFIXES[0]


def changing(session: aiohttp.ClientSession, base: str, desk: Desk, statuses: Counter[int]) -> Call:
    """The next change of the desk, sent to either; a connection that is cut counts as status 0."""

    async def call() -> None:
        try:
            async with session.post(f"{base}/leverage", json=desk.change()) as response:
                await response.read()
                statuses[response.status] += 1
        except aiohttp.ClientConnectionError:
            statuses[0] += 1

    return call


async def with_lifted_limits(settings: Settings, folder: Path, scale: Scale) -> tuple[DeskRun, list[Row]]:
    """Both on one venue whose limits are out of the way; then the cost of ours."""
    run = DeskRun()
    async with (
        stage(settings, folder, ACCOUNTS, LIFTED) as venue,
        desk_worker(venue, NO_SCHEDULE | LIFTED_BY_US) as (own, child, base),
        peer(venue) as other,
        http_session(settings) as session,
    ):
        await venue.delay(VENUE_MS)
        desk = Desk(venue.accounts)
        calls = {
            OURS: changing(session, base, desk, run.statuses[OURS]),
            THEIRS: changing(session, other, desk, run.statuses[THEIRS]),
        }
        await _used(calls)
        for size, count in scale.desk.items():
            run.samples[size] = await interleaved(calls, rounds=scale.rounds, count=count, concurrency=size)
        return run, await _cost(own, child, calls[OURS])


async def with_documented_limits(settings: Settings, folder: Path, longest_s: float) -> DeskRun:
    """Each on a venue of its own, for the limit of an address is spent by all behind it; ours on default settings."""
    run = DeskRun()
    async with (
        stage(settings, folder / "ours", ACCOUNTS, DOCUMENTED) as venue,
        stage(settings, folder / "theirs", ACCOUNTS, DOCUMENTED) as alike,
        desk_worker(venue, NONE) as (_, _, base),
        peer(alike) as other,
        http_session(settings) as session,
    ):
        await venue.delay(VENUE_MS)
        await alike.delay(VENUE_MS)
        calls = {
            OURS: changing(session, base, Desk(venue.accounts), run.statuses[OURS]),
            THEIRS: changing(session, other, Desk(alike.accounts), run.statuses[THEIRS]),
        }
        await _used(calls)
        for size, count in DOCUMENTED_CALLS.items():
            run.samples[size] = taken = {name: Samples() for name in calls}
            for _ in range(DOCUMENTED_ROUNDS):
                for name, call in calls.items():
                    await load(call, taken[name], count=count, concurrency=size, longest_s=longest_s)
        return run


async def _used(calls: Mapping[str, Call]) -> None:
    """Use each account once on both sides: what was never used has no connection, and no brackets."""
    for call in calls.values():
        await load(call, Samples(), count=ACCOUNTS, concurrency=16)


async def _cost(settings: Settings, child: Child, call: Call) -> list[Row]:
    """Processor time of the worker for a command, from its delivery until its snapshot is published."""
    await _all_taken(settings)
    spent, snapshots = cpu_ms(child.pid), snapshots_taken(settings.ledger)
    samples = Samples()
    await load(call, samples, count=CPU_COMMANDS, concurrency=CPU_AT_ONCE)
    await _all_taken(settings)
    commands = len(samples.latencies)
    each = (cpu_ms(child.pid) - spent) / commands
    taken = (snapshots_taken(settings.ledger) - snapshots) / commands
    return [
        at_most("worker CPU of such a command with its snapshot, ms", each, CPU_TARGET_MS),
        Row("snapshots of such a command", taken),
    ]


async def _all_taken(settings: Settings) -> None:
    """Return when no snapshot was taken for a while."""
    before = -1
    while (count := snapshots_taken(settings.ledger)) != before:
        before = count
        await asyncio.sleep(QUIET_S)
