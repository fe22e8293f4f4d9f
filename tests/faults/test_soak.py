"""`make soak`: ten minutes of commands, and of whatever can go wrong meanwhile, chosen by a seed that is printed.

PERPS_DMA_SOAK_S sets how long, PERPS_DMA_SOAK_SEED repeats the order of what goes wrong.
"""

import asyncio
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.faults.breaking import Breaking, Fault, keep_every_request
from tests.faults.conftest import Count
from tests.faults.engine import Engine, Wanted, to
from tests.faults.node import Node, waiting
from tests.faults.stage import COLLECTION, LEVERAGE, PRODUCTION, Stage
from worker.bus.amqp.topology import DEAD_LETTERS

SOAK_S = float(os.environ.get("PERPS_DMA_SOAK_S", "600"))
SEED = os.environ.get("PERPS_DMA_SOAK_SEED") or secrets.token_hex(4)

ACCOUNTS = tuple(f"soak-{number}" for number in range(40))
PORTFOLIO = tuple(f"soak-pm-{number}" for number in range(4))
LEVERAGES = 125
PAUSE_S = max(0.05, SOAK_S / (len(ACCOUNTS) * LEVERAGES))
"""Between two commands, so that there is a new setting for each until the end."""

NONSENSE: tuple[dict[str, Any], ...] = (
    *({"fault": fault} for fault in ("html", "empty", "too_large", "reset", "reset_mid_body")),
    *({"fault": "status", "status": status} for status in (502, 504)),
)
TIMEOUT_MS, HEARTBEAT_S, HOLD_MS = 20_000, 2, 100
LONGEST_FREEZE_S = 12
"""Some freezes are shorter than the heartbeat allows, some longer."""


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


class Soak(Breaking):
    """Everything of the broker, the workers and the venue."""

    async def broker_restarted(self) -> None:
        await self.node.restart()

    async def broker_away(self) -> None:
        await self.node.stop()
        await self.a_while()
        await self.node.start()

    async def broker_killed(self) -> None:
        await self.node.crash()

    async def broker_frozen(self) -> None:
        self.node.broker.pause()
        await self.a_while()
        self.node.broker.resume()

    async def broker_alarmed(self) -> None:
        await self.node.alarm()
        await self.a_while()
        await self.node.all_clear()

    async def connection_cut(self) -> None:
        await self.node.cut(f"perps-dma worker ({self.dice.choice(['consume', 'publish'])})")

    async def worker_stopped(self) -> None:
        worker = self.worker
        worker.send(signal.SIGTERM)
        assert await worker.ended(60) == 0
        await worker.start()

    async def venue_mumbling(self) -> None:
        """It does what it is asked, and its answers are worth nothing."""
        nonsense = self.dice.choice(NONSENSE)
        path = self.dice.choice([LEVERAGE, COLLECTION])
        self.stage.sandbox.desks["binance"].faults.clear()
        self.stage.misbehave(method="POST", path=path, apply=True, times=self.dice.randint(1, 5), **nonsense)
        self.stage.hold(HOLD_MS)

    async def venue_slow(self) -> None:
        self.stage.sandbox.desks["binance"].faults.clear()
        self.stage.hold(self.dice.randint(500, 3_000), times=self.dice.randint(1, 20))
        self.stage.hold(HOLD_MS)

    @property
    def faults(self) -> Mapping[str, Fault]:
        """By what is printed of them."""
        return {
            "the broker restarted": self.broker_restarted,
            "the broker away for a while": self.broker_away,
            "the broker killed": self.broker_killed,
            "the broker frozen": self.broker_frozen,
            "an alarm of the broker": self.broker_alarmed,
            "a connection cut": self.connection_cut,
            "a worker killed": self.worker_killed,
            "a worker frozen": self.worker_frozen,
            "a worker stopped": self.worker_stopped,
            "the venue mumbling": self.venue_mumbling,
            "the venue slow": self.venue_slow,
        }

    async def run(self) -> Counter[str]:
        """Break one thing after the other until the time is over; how often each was broken."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < SOAK_S:
            name, fault = self.dice.choice(list(self.faults.items()))
            await self.break_it(name, fault, passed)
            await asyncio.sleep(self.dice.uniform(0.0, 3.0))
        return self.done


def commands(dice: random.Random) -> Iterator[Wanted]:
    """Settings that are all different and go up, account by account, with a collection now and then."""
    for leverage in range(1, LEVERAGES + 1):
        for account in ACCOUNTS:
            yield to(account, leverage)
            if dice.random() < 0.05:
                yield Wanted("pm_asset_collect", dice.choice(PORTFOLIO), {"asset": "USDT"})


async def publish(stage: Stage, over: asyncio.Event) -> Counter[str]:
    """Publish until it is over; how many collections of each account."""
    engine, collections = Engine(stage), Counter[str]()
    for wanted in commands(random.Random(SEED)):
        if over.is_set():
            break
        await engine.publish([wanted])
        if wanted.account in PORTFOLIO:
            collections[wanted.account] += 1
        await asyncio.sleep(PAUSE_S)
    return collections


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 600)
async def test_a_long_day(stage: Stage, node: Node, count: Count) -> None:
    sys.stdout.write(f"\nmixing faults for {SOAK_S:.0f} s by SEED={SEED}\n")
    stage.open_accounts(*ACCOUNTS)
    stage.open_accounts(*PORTFOLIO, portfolio_margin=True)
    keep_every_request(stage)
    stage.hold(HOLD_MS)
    url = f"{stage.url}?heartbeat={HEARTBEAT_S}"
    for _ in range(2):
        await stage.worker(*PRODUCTION, PERPS_DMA_AMQP_URL=url, PERPS_DMA_TIMEOUT_MS=str(TIMEOUT_MS)).start()
    over = asyncio.Event()
    publishing = asyncio.create_task(publish(stage, over))
    try:
        faults = await Soak(stage, node, random.Random(SEED), 0.2, LONGEST_FREEZE_S).run()
    finally:
        over.set()
    await node.mend()
    collections = await publishing
    await stage.tally.collect(stage.url, patience_s=240)
    sent = Counter(entry.account for entry in stage.taken if entry.path == COLLECTION)
    doubled = stage.doubled + sum(max(0, sent[account] - wanted) for account, wanted in collections.items())
    dead, outcomes = await waiting(stage.url, DEAD_LETTERS), dict(stage.tally.outcomes)
    more = {"seed": SEED, "faults": faults.total(), "dead_letters": dead, "outcomes": outcomes}
    more["refused"] = len(stage.changes) - len(stage.taken)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=doubled, **more)
    assert dead == 0
    assert set(outcomes) <= {"applied", "unknown", "expired"}
    assert stage.in_order
