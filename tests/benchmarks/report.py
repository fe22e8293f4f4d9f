"""The tables of a run, and its ratios beside their targets."""

import os
import platform
from collections.abc import Mapping

from tests.benchmarks.measure import Samples
from tests.benchmarks.rows import Row, at_most, medians, print_table
from worker.console.kit.display import console

Runs = Mapping[int, Mapping[str, Samples]]


def show_samples(title: str, unit: str, runs: Runs, *, markdown: bool) -> None:
    """Median, p99 and rate of every call at every size; nothing where nothing was measured."""
    if not runs:
        return
    rows = (
        (str(size), name, f"{taken.median:.2f}", f"{taken.p99:.2f}", f"{taken.rate:.0f}")
        for size, calls in runs.items()
        for name, taken in calls.items()
    )
    console.print(title)
    console.print()
    print_table((unit, "call", "median ms", "p99 ms", "per second"), rows, markdown=markdown)
    console.print()


def show_machine() -> None:
    """What it ran on."""
    console.print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def ratios(bus: Runs, leverage: Runs, positions: Runs) -> list[Row]:
    """The ratios that matter."""
    alone, crowd, many, first = bus[1], bus[128], positions[100], leverage[1]
    pair = alone["set_leverage"], alone["bare echo"]
    rate = crowd["set_leverage"].rate / crowd["bare echo"].rate
    routes = first["set_leverage over HTTP"], first["set_leverage over the bus"]
    return [
        medians("command through the bus : bare aio-pika echo, median at 1", pair, 1.3),
        Row("its rate : the echo's, at 128, one account", rate, "at least 0.6", rate >= 0.6),
        medians("GET /positions, 100 positions : ccxt in process, median", many.values(), 0.7),
        medians("set_leverage over HTTP : over the bus, median at 1", routes),
    ]


def limit_ratios(reads: Runs, after_collections: Runs) -> list[Row]:
    """What keeping to limits costs, beside what ccxt's spacing costs."""
    return [
        medians("20 reads at once : ccxt with its throttler, median of all", _only(reads), 0.5),
        medians("collection, then leverage : ccxt with its throttler, median", _only(after_collections), 0.1),
    ]


def _only(runs: Runs) -> tuple[Samples, Samples]:
    ((ours, theirs),) = (calls.values() for calls in runs.values())
    return ours, theirs


def ledger_ratios(ledger: Runs) -> list[Row]:
    """What the ledger costs: milliseconds of a median, and a part of the rate."""
    alone, crowd = (list(ledger[size].values()) for size in (1, 128))
    return [
        at_most("ledger: ms that it adds to the median at 1", alone[0].median - alone[1].median, 0.5),
        Row("a bare flush of this disk, ms, median; a command waits for one", alone[2].median),
        Row("with the ledger : without, rate at 128", crowd[0].rate / crowd[1].rate),
    ]


def memory_ratios(memory: Mapping[str, float]) -> list[Row]:
    """What an account costs."""
    ours, theirs = memory.values()
    return [
        at_most("an account of 100: MB in memory", ours, 0.2),
        Row("an account of 100 : a ccxt instance that shares its markets", ours / theirs),
    ]
