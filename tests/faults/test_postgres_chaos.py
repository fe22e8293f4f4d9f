"""Chaos on PostgreSQL: two workers on a primary with a synchronous standby, one of them through a pgbouncer.

Workers, single sessions, the sessions of the locks, the postmaster, the standby and the pooler are broken in turns, in
an order by a seed that is printed; in the middle the primary dies for good, and its standby takes over. Counted are
commands that are lost, done twice, overtaken, or sent before the one ahead was answered, and
accounts whose setting is not the one told last.

PERPS_DMA_CHAOS_S sets how long, PERPS_DMA_CHAOS_SEED repeats the order; `make soak` runs it as long as the other one.
"""

import asyncio
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.faults.breaking import Breaking, Fault, keep_every_request
from tests.faults.conftest import Count
from tests.faults.engine import Engine, to
from tests.faults.node import Node, waiting
from tests.faults.stage import LEVERAGE, PRODUCTION, Stage
from tests.faults.test_soak import SOAK_S
from tests.faults.test_two_workers import overlaps
from tests.support.postgres import Pgbouncer, PostgresServer, pgbouncer, postgres_server, standby_of
from worker.bus.amqp.topology import DEAD_LETTERS
from worker.ledger.postgres.url import Server
from worker.runtime.stopping import set_within

CHAOS_S = float(os.environ.get("PERPS_DMA_CHAOS_S", "60"))
SEED = os.environ.get("PERPS_DMA_CHAOS_SEED") or secrets.token_hex(4)

LEVERAGES = 125
HOLD_MS, HEARTBEAT_S, TIMEOUT_MS = 300, 2, 20_000
LONGEST_S = 5
SYNCHRONOUS = {"synchronous_standby_names": "*", "synchronous_commit": "remote_apply"}
HELD = "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'perps-dma'"


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


@dataclass(slots=True)
class Chaos(Breaking):
    """Everything of the ledger, and its workers. `primary` is the server that takes writes now."""

    primary: PostgresServer = field(kw_only=True)
    standby: PostgresServer | None = field(kw_only=True)
    pooler: Pgbouncer = field(kw_only=True)
    seconds: float = field(kw_only=True)

    async def ended(self, which: str) -> None:
        await self.primary.say(f"SELECT pg_terminate_backend(pid) FROM ({which}) AS held")

    async def session_ended(self) -> None:
        await self.ended(f"{OURS} ORDER BY random() LIMIT 1")

    async def all_sessions_ended(self) -> None:
        await self.ended(OURS)

    async def lock_sessions_ended(self) -> None:
        await self.ended(HELD)

    async def locks_and_broker_lost(self) -> None:
        """Another worker gets both the accounts and the commands of one that lives."""
        await asyncio.gather(self.ended(HELD), self.node.cut_one("perps-dma worker (consume)"))

    async def locks_lost_by_a_frozen_worker(self) -> None:
        worker = self.worker
        worker.send(signal.SIGSTOP)
        await self.ended(HELD)
        await self.a_while()
        worker.send(signal.SIGCONT)

    async def session_frozen(self) -> None:
        """The server stands still in the middle of a session, which keeps what it holds."""
        found = await self.primary.say(f"{HELD} ORDER BY pid LIMIT 1")
        for row in found:
            os.kill(row["pid"], signal.SIGSTOP)
        await self.a_while()
        for row in found:
            os.kill(row["pid"], signal.SIGCONT)

    async def postmaster_killed(self) -> None:
        await self.primary.kill()
        await self.a_while()
        await self.primary.start()

    async def pooler_killed(self) -> None:
        await self.pooler.kill()
        await self.a_while()
        await self.pooler.start()

    async def standby_stopped(self) -> None:
        """No commit comes to an end meanwhile."""
        if self.standby is not None:
            await self.standby.kill()
            await self.a_while()
            await self.standby.start()

    async def failed_over(self) -> None:
        """The primary dies for good; who follows it has every commit."""
        assert self.standby is not None
        await self.primary.kill()
        await self.standby.say("SELECT pg_promote()")
        self.primary, self.standby = self.standby, None

    @property
    def faults(self) -> Mapping[str, Fault]:
        """By what is printed of them."""
        return {
            "a worker killed": self.worker_killed,
            "a worker frozen": self.worker_frozen,
            "a session ended": self.session_ended,
            "all sessions ended": self.all_sessions_ended,
            "the sessions of the locks ended": self.lock_sessions_ended,
            "the sessions of the locks ended, and the broker lost": self.locks_and_broker_lost,
            "the sessions of the locks ended while a worker is frozen": self.locks_lost_by_a_frozen_worker,
            "the session of a worker's locks frozen": self.session_frozen,
            "the postmaster killed": self.postmaster_killed,
            "the pooler killed": self.pooler_killed,
            "the standby killed": self.standby_stopped,
        }

    async def run(self) -> Counter[str]:
        """Break everything in turns until the time is over, and fail over in the middle; how often each was broken."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self.seconds:
            if self.standby is not None and passed > self.seconds / 2:
                await self.break_it("the primary dead, and its standby promoted", self.failed_over, passed)
            least = min(self.done[name] for name in self.faults)
            name = self.dice.choice([name for name in self.faults if self.done[name] == least])
            await self.break_it(name, self.faults[name], passed)
            await asyncio.sleep(self.dice.uniform(0.2, 2.0))
        return self.done


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[PostgresServer, PostgresServer, Pgbouncer]]:
    """A primary, its synchronous standby, and a pooler in front of the primary."""
    async with (
        postgres_server(**SYNCHRONOUS) as primary,
        standby_of(primary) as standby,
        pgbouncer(primary) as pooler,
    ):
        yield primary, standby, pooler


def through(host: Server, then: PostgresServer, database: str) -> str:
    """A URL of two hosts."""
    here = f"127.0.0.1:{then.port}"
    return database.replace(here, f"{host.host}:{host.port},{here}")


async def publish(stage: Stage, accounts: tuple[str, ...], pause_s: float, over: asyncio.Event) -> None:
    """Publish settings that are all different and go up, for all accounts at once, until it is over."""
    engine = Engine(stage)
    for leverage in range(1, LEVERAGES + 1):
        await engine.publish(to(account, leverage) for account in accounts)
        if await set_within(over, pause_s):
            break


def overtaken(stage: Stage) -> list[tuple[str | None, int, int, float]]:
    """Each time that an account was set to a lower value than before: which, from what to what, and when."""
    newest, found = Counter[str | None](), list[tuple[str | None, int, int, float]]()
    for entry in stage.changes:
        before, wanted = newest[entry.account], int(entry.params["leverage"])
        if wanted < before:
            found.append((entry.account, before, wanted, entry.time))
        newest[entry.account] = wanted
    return found


def not_in_force(stage: Stage) -> int:
    """How many accounts have another setting than the one that was told last, where nothing is in doubt behind it."""
    at_venue = {entry.account: int(entry.params["leverage"]) for entry in stage.changes}
    told: dict[str, int] = {}
    for command_id, (account, leverage) in stage.published.items():
        if stage.tally.outcome(command_id) in ("applied", "unchanged", "unknown"):
            told[account] = max(told.get(account, 0), leverage)
    sure = {account for account in told if (account, told[account]) not in doubted(stage)}
    return sum(at_venue.get(account) != told[account] for account in sure)


def doubted(stage: Stage) -> set[tuple[str, int]]:
    """Settings that ended as unknown."""
    return {stage.published[name] for name in stage.tally.results if stage.tally.outcome(name) == "unknown"}


async def play(stage: Stage, node: Node, count: Count, seconds: float) -> None:
    sys.stdout.write(f"\nchaos for {seconds:.0f} s by SEED={SEED}\n")
    accounts = tuple(f"chaos-{number}" for number in range(20 + int(seconds / 10)))
    stage.open_accounts(*accounts)
    keep_every_request(stage)
    stage.hold(HOLD_MS)
    broker = f"{stage.url}?heartbeat={HEARTBEAT_S}"
    async with servers() as (primary, standby, pooler):
        direct = through(Server("127.0.0.1", primary.port), standby, standby.url_of("postgres"))
        pooled = through(pooler.server, standby, standby.url_of("postgres"))
        for url in (direct, pooled):
            settings = {"PERPS_DMA_AMQP_URL": broker, "PERPS_DMA_LEDGER_URL": url}
            await stage.worker(*PRODUCTION, PERPS_DMA_TIMEOUT_MS=str(TIMEOUT_MS), **settings).start()
        over, pause_s = asyncio.Event(), seconds / LEVERAGES
        publishing = asyncio.create_task(publish(stage, accounts, pause_s, over))
        try:
            chaos = Chaos(
                *(stage, node, random.Random(SEED), 0.5, LONGEST_S),
                primary=primary,
                standby=standby,
                pooler=pooler,
                seconds=seconds,
            )
            faults = await chaos.run()
        finally:
            over.set()
        await publishing
        await stage.tally.collect(stage.url, patience_s=240)
    dead, outcomes = await waiting(stage.url, DEAD_LETTERS), dict(stage.tally.outcomes)
    late = overtaken(stage)
    wrong = {
        "overtaken": len(late),
        "side_by_side": overlaps(stage, HOLD_MS),
        "not_in_force": not_in_force(stage),
        "dead_letters": dead,
    }
    more = {**wrong, "seed": SEED, "faults": faults.total(), "outcomes": outcomes}
    doubled = sum(times - 1 for times in stage.seen(LEVERAGE).values()) + len(stage.tally.contradicted)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=doubled, **more)
    assert set(wrong.values()) == {0}, (wrong, late)
    assert set(outcomes) <= {"applied", "unknown", "expired"}
    assert faults["the primary dead, and its standby promoted"] == 1


@pytest.mark.long
@pytest.mark.timeout(CHAOS_S + 420)
async def test_chaos_on_postgresql(stage: Stage, node: Node, count: Count) -> None:
    await play(stage, node, count, CHAOS_S)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 600)
async def test_a_long_day_on_postgresql(stage: Stage, node: Node, count: Count) -> None:
    await play(stage, node, count, SOAK_S)
