"""What a command costs where more is kept: more accounts in the registry, more commands in the ledger.

A change of leverage on an open position, at a pace at which each has a snapshot of its own. A worker is started for
each size in turn, and for all of them again the other way round. It follows no streams: a thousand accounts are dialled
for minutes, and what that costs, and what followed accounts cost, has a table of its own.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.bus import command
from tests.benchmarks.history import remember
from tests.benchmarks.measure import Call, Samples, load
from tests.benchmarks.process_cpu import cpu_ms
from tests.benchmarks.rows import Row, print_table
from tests.benchmarks.scale import Scale
from tests.benchmarks.services import NO_SCHEDULE, worker
from tests.benchmarks.stage import LIFTED, LIFTED_BY_US, Desk, Stage, stage
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings
from worker.console.kit.display import console

COMMANDS = 40
PACE_S = 0.13
"""From one command to the next: longer than commands of an account wait to share a snapshot."""

USUAL_ACCOUNTS = 100
ALONE = {**NO_SCHEDULE, **LIFTED_BY_US, "PERPS_DMA_STREAMS": "off"}

USED, WARM_UP = 8, 24
"""The commands go to so many of the accounts at most, each of which was used before."""


class Size(NamedTuple):
    """How much a worker knows, and its ledger keeps."""

    accounts: int
    kept: int


@dataclass(slots=True)
class Cost:
    """Of a command, in milliseconds: the median of a round's latencies, and the worker's processor time."""

    latencies: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def ratio(self, first: "Cost") -> tuple[float, float]:
        """Latency and processor time over another's."""
        return sum(self.latencies) / sum(first.latencies), sum(self.cpu) / sum(first.cpu)


Costs = dict[Size, Cost]


def sizes(scale: Scale) -> tuple[list[Size], list[Size]]:
    """Those with ever more accounts, and those with ever more commands."""
    fewest = scale.growth_kept[0]
    return (
        [Size(accounts, fewest) for accounts in scale.growth_accounts],
        [Size(USUAL_ACCOUNTS, kept) for kept in scale.growth_kept],
    )


async def growth(settings: Settings, folder: Path, scale: Scale) -> Costs:
    """The cost at each size."""
    accounts, kept = sizes(scale)
    costs: Costs = {size: Cost() for size in (*accounts, *kept)}
    async with stage(settings, folder, max(scale.growth_accounts), LIFTED) as venue:
        for size in costs:
            await remember(_settings(venue, size).ledger, size.kept, size.accounts)
        for number in range(scale.growth_rounds):
            for size in list(costs)[:: -1 if number % 2 else 1]:
                await _measure(venue, size, costs[size])
    return costs


def _settings(venue: Stage, size: Size) -> Settings:
    return venue.worker(f"{size.accounts}-accounts-{size.kept}-kept", size.accounts)


async def _measure(venue: Stage, size: Size, cost: Cost) -> None:
    settings, desk, samples = _settings(venue, size), Desk(venue.accounts[: min(size.accounts, USED)]), Samples()
    async with (
        worker(settings, ALONE) as child,
        connect_rpc(str(settings.amqp_url), "bench") as client,
    ):

        async def change() -> None:
            await command(client, json.dumps(desk.change()).encode())()

        await load(change, Samples(), count=WARM_UP, concurrency=1)
        spent = cpu_ms(child.pid)
        await _paced(change, samples)
        cost.cpu.append((cpu_ms(child.pid) - spent) / COMMANDS)
        cost.latencies.append(samples.median)


async def _paced(call: Call, samples: Samples) -> None:
    for _ in range(COMMANDS):
        began = time.perf_counter()
        await call()
        took = time.perf_counter() - began
        samples.latencies.append(took * 1000)
        await asyncio.sleep(max(0, PACE_S - took))


def show_growth(costs: Costs, scale: Scale, *, markdown: bool) -> None:
    """Each size beside the first of its kind."""
    rows = [_shown(costs, size, line[0]) for line in sizes(scale) for size in line]
    console.print("(j) a change of leverage on an open position, one at a time, as more is kept")
    console.print()
    columns = ("accounts", "commands kept", "median ms", ": first", "worker CPU ms", ": first")
    print_table(columns, rows, markdown=markdown)
    console.print()


def _shown(costs: Costs, size: Size, first: Size) -> tuple[str, ...]:
    cost = costs[size]
    latency, cpu = cost.ratio(costs[first])
    figures = (sum(cost.latencies) / len(cost.latencies), latency, sum(cost.cpu) / len(cost.cpu), cpu)
    return (f"{size.accounts:,}", f"{size.kept:,}", *(f"{figure:.2f}" for figure in figures))


def growth_rows(costs: Costs, scale: Scale) -> list[Row]:
    """The cost at each size over that at the first."""
    accounts, kept = sizes(scale)
    return [
        *_rows(costs, accounts, [f"{size.accounts:,} accounts : {accounts[0].accounts}" for size in accounts]),
        *_rows(costs, kept, [f"{size.kept:,} commands kept : {kept[0].kept:,}" for size in kept]),
    ]


def _rows(costs: Costs, line: Sequence[Size], names: Sequence[str]) -> list[Row]:
    rows = []
    for size, name in zip(line[1:], names[1:], strict=True):
        _, cpu = costs[size].ratio(costs[line[0]])
        rows.append(Row(f"worker CPU of a command with {name}", cpu))
    return rows
