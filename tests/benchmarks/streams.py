"""How soon a pushed change is told, against a bare read and publish in the same process, and what a flood costs."""

import asyncio
import itertools
import json
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import aio_pika

from tests.benchmarks.measure import Call, Samples
from tests.benchmarks.rows import Row, at_most, medians
from tests.support.followed import FollowedVenue, followed
from tests.support.sandbox_harness import UNLIMITED
from worker.bus.amqp.topology import EVENTS_EXCHANGE
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import METERED, VENUES, limits_kept

EXCHANGE, FAMILIES = "binance", ("fapi", "dapi")
CALLS, FLOOD_S, FLOOD_PER_S = 40, 3.0, 1_000
TIMEOUT_MS = 5_000
APART_S = 0.05
"""Between two single changes."""


class StreamRuns(NamedTuple):
    """Latencies of a pushed change and of a bare read and publish, and of commands beside a flood and without one."""

    pushed: Samples
    bare: Samples
    flooded: Samples
    quiet: Samples
    reads_a_second: float


async def pushed_changes(amqp_url: str, rounds: int) -> StreamRuns:
    """Measure both, on a venue whose limits are out of the way, and a flood on one whose are not."""
    with tempfile.TemporaryDirectory() as folder:
        async with followed(EXCHANGE, amqp_url, Path(folder)) as venue:
            venue.sandbox.desks[EXCHANGE].venue.set_limits(dict.fromkeys(FAMILIES, UNLIMITED))
            async with venue.worker(unlimited=True, snapshot_push_floor_ms=0), _bare(venue) as bare:
                await venue.watched.live()
                pushed, read = await _one_by_one(_pushed(venue), bare, rounds=rounds)
            async with venue.worker():
                await venue.watched.live()
                quiet, flooded, reads = await _flooded(venue)
    return StreamRuns(pushed, read, flooded, quiet, reads)


def stream_rows(runs: StreamRuns) -> Iterable[Row]:
    """What is promised of them."""
    yield medians("a pushed change until its event is heard, against a bare read and publish", runs[:2], 2.0)
    yield at_most("the same, ms", runs.pushed.median, 25)
    yield at_most("the same, p99, ms", runs.pushed.p99, 120)
    yield at_most("reads a second of an account that is pushed 1,000 times a second", runs.reads_a_second, 4.1)
    yield medians("a command beside that flood, against one without it", (runs.flooded, runs.quiet))


async def _one_by_one(*calls: Call, rounds: int) -> list[Samples]:
    """Samples of calls in turns, each after a pause: a single change finds nothing else under way."""
    taken = [Samples() for _ in calls]
    for _ in range(rounds):
        for samples, call in zip(taken, calls, strict=True):
            await call()
            latencies = [await _timed(call) for _ in range(CALLS)]
            samples.latencies += latencies
            samples.medians.append(statistics.median(latencies))
    return taken


async def _timed(call: Call) -> float:
    await asyncio.sleep(APART_S)
    started = perf_counter()
    await call()
    return (perf_counter() - started) * 1000


def _pushed(venue: FollowedVenue) -> Call:
    sizes = itertools.cycle(map(str, range(3, 100)))

    async def call() -> None:
        size = next(sizes)
        venue.change(size=size)
        await venue.shown(size)

    return call


@asynccontextmanager
async def _bare(venue: FollowedVenue) -> AsyncIterator[Call]:
    """Read the account by its adapter, and publish what was read, confirmed, until the subscriber has it."""
    granted = {EXCHANGE: {scope.name: UNLIMITED for scope in METERED[EXCHANGE].scopes}}
    async with (
        VenueConnections(limits_kept(1.0, granted)) as connections,
        await aio_pika.connect(venue.amqp_url) as connection,
    ):
        site = VENUES[EXCHANGE](connections, venue.account.base_url, TIMEOUT_MS, "mainnet")
        await site.load()
        adapter = site.adapter(venue.account)
        exchange = await (await connection.channel()).get_exchange(EVENTS_EXCHANGE, ensure=False)

        async def call() -> None:
            found = await adapter.positions()
            data = [row.model_dump(mode="json") for row in found.positions]
            event = {"id": "bare", "type": "perps-dma.bare.v1", "subject": venue.account.id, "data": {"rows": data}}
            message = aio_pika.Message(json.dumps(event).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(message, f"positions.{EXCHANGE}.bare")
            await venue.watched.next("bare")

        yield call


async def _flooded(venue: FollowedVenue) -> tuple[Samples, Samples, float]:
    """Commands without a flood and beside one, and how often the account is read meanwhile."""
    quiet, flooded = Samples(), Samples()
    await _commands(venue, quiet)
    before, began = venue.readings(), perf_counter()
    venue.fault("flood", content={"flood": True}, times=int(FLOOD_S * FLOOD_PER_S), per_s=FLOOD_PER_S)
    await asyncio.sleep(FLOOD_S)
    reads = (venue.readings() - before - 1) / (perf_counter() - began)  # beside the first, which is read at once
    venue.fault("flood", content={"flood": True}, times=int(FLOOD_S * FLOOD_PER_S), per_s=FLOOD_PER_S)
    await _commands(venue, flooded)
    return quiet, flooded, reads


async def _commands(venue: FollowedVenue, samples: Samples) -> None:
    for leverage in (11, 12, 13, 14, 15, 16):
        started = perf_counter()
        await venue.set_leverage(leverage)
        samples.latencies.append((perf_counter() - started) * 1000)
    samples.medians.append(samples.median)
