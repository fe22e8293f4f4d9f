"""`make soak`: ten minutes of commands, and of whatever can go wrong meanwhile, chosen by a seed.

PERPS_DMA_SOAK_S sets how long, PERPS_DMA_SOAK_SEED repeats a run.
"""

import asyncio
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping

import pytest

from tests.faults.conftest import Count
from tests.faults.engine import Engine, Wanted, to
from tests.faults.node import Node
from tests.faults.stage import LEVERAGE, PRODUCTION, Stage, WorkerProcess

SECONDS = float(os.environ.get("PERPS_DMA_SOAK_S", "600"))
SEED = os.environ.get("PERPS_DMA_SOAK_SEED") or secrets.token_hex(4)
ACCOUNTS = tuple(f"soak-{number}" for number in range(60))
HIGHEST = 125
BATCH = 10
LONGEST_CALM_S = 4.0
NONSENSE = ("html", "empty", "reset", "reset_mid_body")


def commands() -> Iterator[Wanted]:
    """Each account's leverages from 1x on, all accounts in turns: no two commands ask for the same."""
    for leverage in range(1, HIGHEST + 1):
        for account in ACCOUNTS:
            yield to(account, leverage)


class Trouble:
    """What can go wrong, by name. Each leaves everything as it has to be for the next."""

    def __init__(self, stage: Stage, node: Node, worker: WorkerProcess, chance: random.Random) -> None:
        self._stage = stage
        self._node = node
        self._worker = worker
        self._chance = chance

    def kinds(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """All of it."""
        return {
            "worker killed": self._kill,
            "worker stopped": self._stop,
            "broker restarted": self._node.restart,
            "broker killed": self._node.crash,
            "worker cut off": self._cut,
            "memory alarm": self._alarm,
            "venue answers nonsense": self._nonsense,
            "venue is slow": self._slow,
        }

    async def _kill(self) -> None:
        await self._worker.kill()
        await self._worker.start()

    async def _stop(self) -> None:
        self._worker.send(signal.SIGTERM)
        assert await self._worker.ended() == 0
        await self._worker.start()

    async def _cut(self) -> None:
        await self._node.cut(f"perps-dma worker ({self._chance.choice(('consume', 'publish'))})")

    async def _alarm(self) -> None:
        await self._node.alarm()
        await asyncio.sleep(self._chance.uniform(0.5, 2.0))  # so long it lasts
        await self._node.all_clear()

    async def _nonsense(self) -> None:
        fault = self._chance.choice(NONSENSE)
        self._stage.misbehave(fault=fault, method="POST", path=LEVERAGE, apply=True, times=self._chance.randint(1, 20))

    async def _slow(self) -> None:
        self._stage.hold(self._chance.randint(100, 2_000), times=self._chance.randint(1, 20))


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"soak: {text}", file=sys.stderr, flush=True)


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 300)
async def test_a_long_day(stage: Stage, node: Node, count: Count) -> None:
    say(f"seed {SEED}, {SECONDS:g} s")
    chance, happened, began = random.Random(SEED), Counter[str](), time.monotonic()
    stage.open_accounts(*ACCOUNTS)
    stage.lift_limits()
    worker = stage.worker(*PRODUCTION, PERPS_DMA_TIMEOUT_MS="600000")
    await worker.start()
    engine, wanted, trouble = Engine(stage), commands(), Trouble(stage, node, worker, chance).kinds()

    async def publishing() -> None:
        while time.monotonic() - began < SECONDS:
            await engine.publish(command for _, command in zip(range(BATCH), wanted, strict=False))
            await asyncio.sleep(SECONDS * BATCH / (HIGHEST * len(ACCOUNTS)))  # the load

    async def breaking() -> None:
        while time.monotonic() - began < SECONDS:
            name = chance.choice(sorted(trouble))
            await trouble[name]()
            happened[name] += 1
            say(f"{time.monotonic() - began:4.0f} s, {len(stage.tally.expected)} commands, {name}")
            await asyncio.sleep(chance.uniform(0.5, LONGEST_CALM_S))

    async with asyncio.TaskGroup() as group:
        group.create_task(publishing())
        group.create_task(breaking())
    await node.mend()
    await stage.tally.collect(stage.url, patience_s=200)
    commands_count, lost = len(stage.tally.expected), len(stage.tally.lost)
    count(commands_count, lost=lost, doubled=stage.doubled, seed=SEED, outcomes=dict(stage.tally.outcomes), **happened)
    assert set(stage.tally.outcomes) <= {"applied", "unknown"}
    assert stage.in_order
