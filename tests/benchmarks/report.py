"""The tables of a run, and its ratios beside their targets."""

import os
import platform
from collections.abc import Mapping

from tests.benchmarks.measure import Samples
from worker.console.display import console, table

Runs = Mapping[int, Mapping[str, Samples]]

NO_TARGET = "(no target)"


def show_samples(title: str, unit: str, runs: Runs) -> None:
    """Median, p99 and rate of every call at every size."""
    rows = (
        (size, name, f"{taken.median:.2f}", f"{taken.p99:.2f}", f"{taken.rate:.0f}")
        for size, calls in runs.items()
        for name, taken in calls.items()
    )
    console.print(title)
    console.print(table([unit, "call", "median ms", "p99 ms", "per second"], rows))
    console.print()


def show_ratios(rows: list[tuple[str, float, str, bool]]) -> None:
    """Each ratio, its target, and whether it was met."""
    shown = (
        (name, f"{ratio:.2f}", target, "" if target == NO_TARGET else "met" if met else "MISSED")
        for name, ratio, target, met in rows
    )
    console.print("Ratios, each within this one run")
    console.print(table(["ratio", "measured", "target", ""], shown))


def show_machine() -> None:
    """What it ran on."""
    console.print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def ratios(bus: Runs, leverage: Runs, positions: Runs) -> list[tuple[str, float, str, bool]]:
    """The ratios that matter."""
    alone, crowd, many = bus[1], bus[128], positions[100]
    latency = alone["set_leverage"].median / alone["bare echo"].median
    rate = crowd["set_leverage"].rate / crowd["bare echo"].rate
    reads = many["GET /positions over HTTP"].median / many["ccxt fetch_positions in process"].median
    http = leverage[1]["set_leverage over HTTP"].median / leverage[1]["set_leverage over the bus"].median
    return [
        ("bus command : bare echo, median at 1", latency, "at most 1.5", latency <= 1.5),
        ("bus command : bare echo, rate at 128", rate, "at least 0.5", rate >= 0.5),
        ("100 positions over HTTP : ccxt in process, median", reads, "below 1", reads < 1),
        ("set_leverage over HTTP : over the bus, median at 1", http, NO_TARGET, True),
    ]


def limit_ratios(reads: Runs, after_collections: Runs) -> list[tuple[str, float, str, bool]]:
    """What keeping to limits costs, beside what ccxt's spacing costs."""
    burst, sweep = (_first_to_second(runs) for runs in (reads, after_collections))
    return [
        ("20 reads at once : ccxt with its throttler, median of all", burst, "at most 0.5", burst <= 0.5),
        ("collection, then leverage : ccxt with its throttler, median", sweep, "at most 0.1", sweep <= 0.1),
    ]


def _first_to_second(runs: Runs) -> float:
    ((ours, theirs),) = (calls.values() for calls in runs.values())
    return ours.median / theirs.median


def ledger_ratios(ledger: Runs) -> list[tuple[str, float, str, bool]]:
    """What the ledger costs: milliseconds of a median, and a part of the rate."""
    alone, crowd = (list(ledger[size].values()) for size in (1, 128))
    added, rate = alone[0].median - alone[1].median, crowd[0].rate / crowd[1].rate
    return [
        ("ledger: ms that it adds to the median at 1", added, "at most 0.5", added <= 0.5),
        ("a bare flush of this disk, ms, median; a command waits for one", alone[2].median, NO_TARGET, True),
        ("with the ledger : without, rate at 128", rate, NO_TARGET, True),
    ]


def memory_ratios(memory: Mapping[str, float]) -> list[tuple[str, float, str, bool]]:
    """What an account costs."""
    ours, theirs = memory.values()
    return [
        ("an account of 100: MB in memory", ours, "at most 0.2", ours <= 0.2),
        ("an account of 100 : a ccxt instance that shares its markets", ours / theirs, NO_TARGET, True),
    ]
