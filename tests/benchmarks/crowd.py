"""One worker with ever more accounts whose venues push: memory, descriptors, processor time, requests, time until live.

    stand-in venues with TLS, in a process of their own ◀──▶ a worker as in production ◀──▶ RabbitMQ

All is measured from outside. Who may dial and ask by the venues' rules alone needs tens of minutes for a thousand
accounts: so both have `WIDENED` rules, and what the rules alone make of it is computed beside what was measured.
"""

import asyncio
import itertools
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import aiohttp

from schemas import OPERATIONS
from schemas.base import Milliseconds
from tests.benchmarks.crowd_venue import certificate
from tests.benchmarks.process_cpu import cpu_ms, descriptors, resident_mb
from tests.benchmarks.request_weights import Share, a_minute, shares
from tests.benchmarks.rows import Row, at_most, print_table
from tests.benchmarks.services import NONE, module, worker
from tests.support.followed import HELD
from worker.bus.rpc import RpcClient, connect_rpc
from worker.config.settings import Settings
from worker.console.kit.display import console
from worker.console.sandbox_control import CONTENTS, MarketChange
from worker.runtime.clock import now
from worker.venues.lifecycle.registry import METERED
from worker.venues.limits.tables import UNCOUNTED
from worker.venues.port.streams import FeedRules

WIDENED = 10
"""So many times what the venues allow may be dialled and asked. Live accounts are read as if it were not so."""

SEATS: Mapping[str, int] = {"hyperliquid": 10, "gate": 75}
"""Accounts that can be followed from one address: ten users, and 300 connections of which an account may need four."""

OTHERS = ("binance", "bybit", "okx")
LIVE_S = 180.0
MANY = 1_000
CHANGES_PER_S = 10
LOOK_S = 0.25
SIZES = itertools.count(3)
"""Of the positions that are changed: each time another one, or nothing would have changed."""

STATUS_MS: Milliseconds = 10_000

MEMORY_MB = 0.35
LIMIT_PERCENT = 5.0


def spread(accounts: int) -> dict[str, int]:
    """How many accounts of each venue: as many as can be followed, the rest evenly."""
    seats = {name: min(most, accounts // 5) for name, most in SEATS.items()}
    each, odd = divmod(accounts - sum(seats.values()), len(OTHERS))
    return seats | {name: each + (place < odd) for place, name in enumerate(OTHERS)}


def widened_limits() -> dict[str, str]:
    """Settings under which a worker may ask so many times more than the venues document."""
    granted = {
        exchange: {scope.name: scope.limit * WIDENED for scope in limits.scopes if scope.limit < UNCOUNTED}
        for exchange, limits in METERED.items()
    }
    return {"PERPS_DMA_GRANTED_LIMITS": json.dumps(granted)}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited after all are live (connections of the start close after 15 s), and measured after that."""

    settled_s: float
    idle_s: float
    busy_s: float


FEW_PATIENCE, MANY_PATIENCE = Patience(4, 6, 4), Patience(14, 10, 6)


@dataclass(slots=True)
class CrowdRun:
    """What was measured with so many accounts."""

    accounts: int
    live_s: float = 0.0
    rule_s: float = 0.0
    memory_mb: float = 0.0
    descriptors: int = 0
    connections: int = 0
    idle_percent: float = 0.0
    busy_percent: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    """Idle, in a minute, by venue."""
    shares: list[Share] = field(default_factory=list)
    """Of each venue's limits, by the schedule that the worker tells."""


@dataclass(frozen=True, slots=True)
class CrowdedVenues:
    """The stand-ins, and the session in which they are controlled."""

    settings: Settings
    session: aiohttp.ClientSession
    listed: Mapping[str, Any]

    def of(self, accounts: int) -> list[dict[str, Any]]:
        """So many accounts, spread over the venues."""
        rows: list[dict[str, Any]] = []
        for exchange, count in spread(accounts).items():
            rows += [row for row in self.listed["accounts"] if row["exchange"] == exchange][:count]
        return rows

    def worker(self, accounts: int) -> Settings:
        """Settings of a worker with a state of its own, that serves so many of the accounts."""
        state = self.settings.state / f"{accounts}-accounts"
        state.mkdir(parents=True)
        (state / "sandbox.json").write_text(json.dumps({**self.listed, "accounts": self.of(accounts)}))
        return self.settings.model_copy(update={"state": state})

    async def ask(self, method: str, exchange: str, path: str, content: Any = None) -> Any:
        """A control endpoint of a stand-in."""
        url = f"{self.listed['venues'][exchange]['control_url']}/{path}"
        async with self.session.request(method, url, json=content) as answer:
            answer.raise_for_status()
            return await answer.json() if answer.status != 204 else None

    async def connections(self) -> dict[str, int]:
        """Open private connections, by venue."""
        listed = {name: await self.ask("GET", name, "streams") for name in self.listed["venues"]}
        return {name: len(found["streams"]) for name, found in listed.items()}

    async def requests(self) -> dict[str, list[dict[str, Any]]]:
        """What each venue was asked since this was called last."""
        asked = {}
        for name in self.listed["venues"]:
            asked[name] = (await self.ask("GET", name, "requests"))["requests"]
            await self.ask("DELETE", name, "requests")
        return asked


@asynccontextmanager
async def crowded_venues(settings: Settings, folder: Path, accounts: int) -> AsyncIterator[CrowdedVenues]:
    """The stand-ins with so many accounts, in a process of their own."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    own = settings.model_copy(update={"state": folder})
    program = ("tests.benchmarks.crowd_venue", str(folder), json.dumps(spread(accounts)))

    async def listed() -> bool:
        return own.sandbox_file.exists()

    async with module("venues", *program, folder=folder, ready=listed):
        tls = ssl.create_default_context(cafile=str(certificate(folder)))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
            yield CrowdedVenues(own, session, json.loads(own.sandbox_file.read_text()))


async def crowds(settings: Settings, folder: Path, sizes: Sequence[int]) -> list[CrowdRun]:
    """A worker of its own for each size."""
    async with crowded_venues(settings, folder, max(sizes)) as venues:
        return [await _measured(venues, accounts) for accounts in sizes]


async def _measured(venues: CrowdedVenues, accounts: int) -> CrowdRun:
    run, settings, began = CrowdRun(accounts), venues.worker(accounts), monotonic()
    patience = MANY_PATIENCE if accounts >= MANY else FEW_PATIENCE
    program = ("tests.benchmarks.crowd_worker", str(WIDENED), str(certificate(venues.settings.state)))
    async with (
        worker(settings, NONE | widened_limits(), program) as child,
        connect_rpc(str(settings.amqp_url), "bench") as client,
    ):
        await _all_live(client, accounts)
        run.live_s = monotonic() - began
        await asyncio.sleep(patience.settled_s)
        await _idle(venues, run, child.pid, patience.idle_s)
        run.busy_percent = await _cpu_percent(child.pid, _changes(venues, accounts, patience.busy_s))
        run.shares = shares(await _streams(client), await venues.requests())
    return run


async def _idle(venues: CrowdedVenues, run: CrowdRun, pid: int, seconds: float) -> None:
    there = await venues.connections()
    run.connections, run.rule_s = sum(there.values()), max(dialled_s(*row) for row in there.items())
    await venues.requests()
    run.idle_percent = await _cpu_percent(pid, asyncio.sleep(seconds))
    run.requests = a_minute(await venues.requests(), seconds)
    run.memory_mb, run.descriptors = resident_mb(pid), descriptors(pid)


def dialled_s(exchange: str, connections: int) -> float:
    """How long it takes to open so many connections by the venue's rule alone, from an address that opened none yet."""
    return gated_s(import_module(f"worker.venues.{exchange}.streams.feed").RULES, connections)


def gated_s(rules: FeedRules, connections: int) -> float:
    """The same by any rules."""
    return max(0, connections - 1) // rules.dials * rules.dials_in_s


async def _cpu_percent(pid: int, meanwhile: Any) -> float:
    """How much of a processor a process takes meanwhile."""
    began, spent = monotonic(), cpu_ms(pid)
    await meanwhile
    return (cpu_ms(pid) - spent) / (monotonic() - began) / 10


async def _changes(venues: CrowdedVenues, accounts: int, seconds: float) -> None:
    """Let positions change at the venues, each on another account, as fast as they are due."""
    rows, began = itertools.cycle(_mixed(venues.of(accounts))), monotonic()
    async with asyncio.TaskGroup() as changing:
        for number in range(int(seconds * CHANGES_PER_S)):
            await asyncio.sleep(max(0.0, began + number / CHANGES_PER_S - monotonic()))
            row, size = next(rows), str(next(SIZES))
            content = CONTENTS[row["exchange"]](MarketChange(HELD[row["exchange"]][0], size=size, entry_price="90000"))
            changing.create_task(venues.ask("PATCH", row["exchange"], f"accounts/{row['id']}", content))


def _mixed(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each venue in turn."""
    by_venue: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_venue.setdefault(row["exchange"], []).append(row)
    turns = itertools.zip_longest(*by_venue.values())
    return [row for turn in turns for row in turn if row is not None]


async def _streams(client: RpcClient) -> list[dict[str, Any]]:
    """How each account is followed, as the worker tells."""
    deadline = now() + STATUS_MS
    answer = await client.call(OPERATIONS["get_status"], b"{}", command_id=str(uuid4()), deadline=deadline)
    told: list[dict[str, Any]] = json.loads(answer.body)["data"]["streams"]
    return told


async def _all_live(client: RpcClient, accounts: int) -> None:
    async with asyncio.timeout(LIVE_S):
        while sum(row["state"] == "live" for row in await _streams(client)) < accounts:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_S)


def show_crowds(runs: Sequence[CrowdRun], *, markdown: bool) -> None:
    """What was measured at each size, and what the largest takes of the venues' limits."""
    columns = (
        *("accounts", "connections", "all live, s", "by the rules of dialling alone, s", "MB", "descriptors"),
        *("CPU idle, %", f"CPU at {CHANGES_PER_S} changes a second, %", "requests a minute, idle"),
    )
    console.print(
        f"(k) accounts whose venues push, over TLS; dials and limits widened {WIDENED}-fold until all are live"
    )
    console.print()
    print_table(columns, map(_shown, runs), markdown=markdown)
    console.print()
    limits = ("venue", "live accounts", "a reading weighs", "read each, s", "of the venue's limit, %")
    print_table(limits, (_shown_share(share) for share in runs[-1].shares), markdown=markdown)
    console.print()


def _shown(run: CrowdRun) -> tuple[str, ...]:
    figures = (f"{run.memory_mb:.0f}", str(run.descriptors), f"{run.idle_percent:.1f}", f"{run.busy_percent:.1f}")
    asked = ", ".join(f"{name} {count}" for name, count in run.requests.items() if count)
    return (f"{run.accounts:,}", str(run.connections), f"{run.live_s:.0f}", f"{run.rule_s:.0f}", *figures, asked)


def _shown_share(share: Share) -> tuple[str, ...]:
    return (share.exchange, str(share.accounts), f"{share.weight:.1f}", f"{share.each_s:.0f}", f"{share.percent:.2f}")


def crowd_rows(runs: Sequence[CrowdRun]) -> list[Row]:
    """What is promised of a thousand, and what fewer take."""
    fewer, most = runs[-2:]
    more, name = most.accounts - fewer.accounts, f"{most.accounts:,} live accounts"
    memory = (most.memory_mb - fewer.memory_mb) / more
    taken = max((share.percent for share in most.shares if share.exchange != "hyperliquid"), default=0.0)
    bound = [
        at_most(f"{name}: MB of memory for each, over TLS", memory, MEMORY_MB),
        at_most(f"{name}, idle: % of the limit of any venue but Hyperliquid", taken, LIMIT_PERCENT),
    ]
    return [
        *(bound if most.accounts >= MANY else [Row(row.name, row.measured) for row in bound]),
        Row(f"{name}: file descriptors for each", most.descriptors / most.accounts),
        Row(f"{name}, idle: % of a processor", most.idle_percent),
        Row(f"{name}, {CHANGES_PER_S} changes a second: % of a processor", most.busy_percent),
        Row(f"{name}: s until all are live, dials and limits widened {WIDENED}-fold", most.live_s),
        Row(f"{name}: s that the rules of dialling alone make of it", most.rule_s),
    ]
