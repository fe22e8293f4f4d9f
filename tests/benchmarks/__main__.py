"""`make bench`: what the architecture promises about speed, measured in one run on this machine."""

import argparse
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import uvloop

from schemas import HTTP_PREFIXES
from tests.benchmarks.as_users import measured_as_users
from tests.benchmarks.bus import bus_against_echo
from tests.benchmarks.crowd import crowd_rows, crowds, show_crowds
from tests.benchmarks.ledger import ledger_costs
from tests.benchmarks.limits import bursts, changes_after_collections
from tests.benchmarks.memory import account_costs
from tests.benchmarks.progress import measuring
from tests.benchmarks.report import (
    Runs,
    ledger_ratios,
    limit_ratios,
    memory_ratios,
    ratios,
    show_machine,
    show_samples,
)
from tests.benchmarks.routes import Venue, leverage_routes, positions_routes
from tests.benchmarks.rows import show
from tests.benchmarks.scale import FULL, QUICK, Scale
from tests.benchmarks.services import sandbox, shim, worker
from tests.benchmarks.streams import pushed_changes, stream_rows
from tests.benchmarks.terms import terms_rows
from tests.support.processes import free_port
from tests.support.rabbitmq4 import rabbitmq4
from worker.broker.private_broker import find_broker
from worker.config.settings import Settings
from worker.console.kit.display import console


class Measured(NamedTuple):
    """What was measured on the sandbox venue; the last three are left out of a quick run."""

    leverage: Runs
    positions: Runs
    reads: Runs
    after_collections: Runs
    memory: Mapping[str, float]


async def _measure_routes(settings: Settings, scale: Scale) -> Measured:
    reads: Runs = {}
    after_collections: Runs = {}
    memory: Mapping[str, float] = {}
    async with sandbox(settings):
        venue = await Venue.opened(settings.state)
        if scale.whole:
            with measuring("what limits cost against ccxt and its throttler"):
                reads, after_collections = await bursts(venue), await changes_after_collections(venue)
        async with worker(settings), shim(settings) as base:
            routes = base + HTTP_PREFIXES[0]
            with measuring("set_leverage over bus and HTTP against ccxt"):
                leverage = await leverage_routes(settings, venue, routes, scale.rounds)
            with measuring("GET /positions against ccxt"):
                positions = await positions_routes(settings, venue, routes, scale.rounds)
        if scale.whole:
            with measuring("what an account costs in memory against ccxt"):
                memory = await account_costs(settings.state)
    return Measured(leverage, positions, reads, after_collections, memory)


async def main(scale: Scale, *, markdown: bool) -> None:
    """Run all benchmarks and print their tables."""
    with tempfile.TemporaryDirectory() as folder:
        async with find_broker(Settings(state=Path(folder))) as broker:
            show_machine()
            console.print(f"rabbitmq: {broker.description}")
            settings = Settings(
                state=Path(folder),
                port=free_port(),
                amqp_url=broker.url,
                jwt_secret=secrets.token_hex(32),
                log_level="warning",
            )
            async with rabbitmq4() as other:
                if other is None:
                    console.print(
                        "no RabbitMQ 4.3 is measured beside it: PERPS_DMA_RABBITMQ4 names no tool that runs one"
                    )
                with measuring("the way through the bus against a bare echo"):
                    bus = await bus_against_echo(broker.url, other, scale.rounds)
            ledger: Runs = {}
            if scale.whole:
                with measuring("what the ledger adds to a command"):
                    ledger = await ledger_costs(broker.url)
            with measuring("how soon a pushed change is told"):
                streams = await pushed_changes(broker.url, scale.rounds)
            with measuring("what accounts cost whose venues push"):
                crowded = await crowds(settings, settings.state / "crowds", scale.crowds)
            terms = await terms_rows(settings, settings.state / "terms")
            there = await _measure_routes(settings, scale)
            as_users = await measured_as_users(settings, scale)
    console.print()
    for title, unit, runs in (
        ("(a) bare aio-pika RPC echo, (b) a command's way through the bus, no venue", "at once", bus),
        ("(b) (c) (d) set_leverage, the sandbox venue's time included", "at once", there.leverage),
        ("(e) positions, one call at a time", "positions", there.positions),
        ("(f) reads on one account, all at once", "at once", there.reads),
        ("(g) an auto-collection, and a change of leverage behind it", "at once", there.after_collections),
        ("(h) a command's way through the bus, with the ledger and without", "at once", ledger),
    ):
        show_samples(title, unit, runs, markdown=markdown)
    as_users.show(scale, markdown=markdown)
    show_crowds(crowded, markdown=markdown)
    rows = ratios(bus, there.leverage, there.positions) + as_users.rows + list(stream_rows(streams))
    rows += crowd_rows(crowded) + terms
    if scale.whole:
        rows += limit_ratios(there.reads, there.after_collections) + ledger_ratios(ledger) + memory_ratios(there.memory)
    show(rows, markdown=markdown)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer samples, no million of commands, no soak")
    options.add_argument("--markdown", action="store_true", help="tables as the documentation has them")
    chosen = options.parse_args()
    uvloop.run(main(QUICK if chosen.quick else FULL, markdown=chosen.markdown))
