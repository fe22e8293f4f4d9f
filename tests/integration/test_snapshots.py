"""Position snapshots and drift, as a risk system hears of them from running workers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from schemas import MarketType
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.operation_queues import emptied
from tests.support.strategy import Body, Strategy
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.config.settings import Settings
from worker.snapshots.intervals import Interval
from worker.venues.port.adapter import Market, OpenPositions
from worker.venues.port.errors import AccessDenied

RISKY = ACCOUNT.model_copy(update={"id": "memory-risk-001"})
TO_10X: Body = {"exchange_account_id": RISKY.id, "symbol": BTC.symbol, "leverage": 10}
INTERVAL_MS = 100
NEVER = 3_600_000


@dataclass
class Risk:
    """A risk system, and the strategy engine it watches."""

    strategy: Strategy
    heard: list[Body] = field(default_factory=list)

    async def next(self, kind: str, is_it: Callable[[Body], bool] = lambda _: True) -> Body:
        """The data of the next event of a kind about the account."""
        async with asyncio.timeout(40):
            while True:
                event = json.loads((await self.strategy.events.get()).body)
                if event["subject"] != RISKY.id or self._is_repeated(event):
                    continue
                self.heard.append(event)
                if event["type"] == f"perps-dma.{kind}.v1" and is_it(event["data"]):
                    data: Body = event["data"]
                    return data

    def _is_repeated(self, event: Body) -> bool:
        """Whether a snapshot was told before: a worker that ends before the confirm leaves it to the next."""
        return "seq" in event["data"] and event["id"] in {earlier["id"] for earlier in self.heard}

    def all(self, kind: str) -> list[Body]:
        """What it has heard so far, each snapshot once."""
        return [event["data"] for event in self.heard if event["type"] == f"perps-dma.{kind}.v1"]


@dataclass
class AskedVenue(MemoryVenue):
    """Lets a test wait until it was asked for positions."""

    asked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        self.asked.release()
        return await MemoryVenue.positions(self, market_type, market)


@pytest.fixture
async def risk(amqp_url: str) -> AsyncIterator[Risk]:
    await emptied(amqp_url)
    async with Strategy.connected(amqp_url) as engine:
        yield Risk(engine)


@asynccontextmanager
async def worker(amqp_url: str, ledger_url: str, venue: MemoryVenue, heartbeat_ms: int = NEVER) -> AsyncIterator[None]:
    settings = Settings(
        amqp_url=amqp_url,
        ledger_url=SecretStr(ledger_url),
        timeout_ms=5_000,
        snapshot_interval_ms=INTERVAL_MS,
        snapshot_heartbeat_ms=heartbeat_ms,
    )
    async with running_worker(settings, Accounts((RISKY,)), lambda _: venue):
        yield


@pytest.fixture
def sqlite_url(tmp_path: Any) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


async def test_an_account_is_told_soon_after_the_start_and_then_when_something_but_prices_changed(
    amqp_url: str, sqlite_url: str, risk: Risk
) -> None:
    venue = AskedVenue()
    async with worker(amqp_url, sqlite_url, venue):
        first = await risk.next("positions")
        venue.mark_price += 1_000
        for _ in range(5):
            await venue.asked.acquire()
        venue.contracts = Decimal(7)
        second = await risk.next("positions")
    assert (first["seq"], first["trigger"], first["stale"], first["coverage"]) == (1, "schedule", False, ["linear"])
    assert (second["seq"], second["trigger"]) == (2, "schedule")
    assert [(row["contracts"], row["mark_price"]) for row in second["positions"]] == [(7, 99505)]


async def test_where_nothing_changes_a_snapshot_comes_every_heartbeat(
    amqp_url: str, sqlite_url: str, risk: Risk
) -> None:
    async with worker(amqp_url, sqlite_url, MemoryVenue(), heartbeat_ms=3 * INTERVAL_MS):
        told = [await risk.next("positions") for _ in range(4)]
    assert [snapshot["seq"] for snapshot in told] == [1, 2, 3, 4]
    rhythm = Interval(INTERVAL_MS, 0).of(RISKY.id)
    turns = [snapshot["as_of"] - INTERVAL_MS + rhythm.wait(snapshot["as_of"]) for snapshot in told]
    assert all(later - earlier >= 3 * INTERVAL_MS for earlier, later in pairwise(turns))


async def test_an_unreadable_venue_is_told_with_what_was_last_known_also_after_a_restart(
    amqp_url: str, sqlite_url: str, risk: Risk
) -> None:
    venue = MemoryVenue()
    async with worker(amqp_url, sqlite_url, venue):
        fresh = await risk.next("positions")
    venue.unreadable.extend([AccessDenied("the key has expired")] * 3)
    venue.contracts = Decimal(7)
    async with worker(amqp_url, sqlite_url, venue):
        stale, again = await risk.next("positions"), await risk.next("positions")
    assert (stale["seq"], stale["stale"], stale["positions"]) == (2, True, fresh["positions"])
    assert (again["seq"], again["stale"], again["positions"][0]["contracts"]) == (3, False, 7)
    assert fresh["as_of"] <= stale["as_of"] < again["as_of"]


async def test_only_what_was_changed_outside_is_drift(amqp_url: str, sqlite_url: str, risk: Risk) -> None:
    venue = MemoryVenue()
    async with worker(amqp_url, sqlite_url, venue):
        await risk.next("positions")
        await risk.strategy.publish("set_leverage", TO_10X)
        await risk.next("positions", lambda data: data["positions"][0]["leverage"] == 10)
        venue.leverage = Decimal(33)
        drift = await risk.next("drift")
    assert (drift["positions"][0]["leverage_before"], drift["positions"][0]["leverage"]) == (10, 33)
    assert len(risk.all("drift")) == 1
    (shown,) = [snapshot for snapshot in risk.all("positions") if snapshot["seq"] == drift["seq"]]
    assert (shown["positions"][0]["leverage"], shown["as_of"]) == (33, drift["as_of"])


async def test_a_command_that_is_delivered_again_takes_no_new_snapshot(
    amqp_url: str, sqlite_url: str, risk: Risk
) -> None:
    async with worker(amqp_url, sqlite_url, MemoryVenue()):
        twice = await risk.strategy.publish("set_leverage", TO_10X)
        await risk.next("positions", after(twice))
        await risk.strategy.publish("set_leverage", TO_10X, message_id=twice)
        await risk.next("result", lambda data: data["command_id"] == twice)
        last = await risk.strategy.publish("set_leverage", {**TO_10X, "leverage": 11})
        await risk.next("positions", after(last))
    assert [twice in snapshot["command_ids"] for snapshot in risk.all("positions")].count(True) == 1
    assert gapless(risk)


async def test_two_workers_on_one_ledger_count_together_and_read_an_account_once_a_turn(
    amqp_url: str, ledger_url: str, risk: Risk
) -> None:
    venue = MemoryVenue()
    async with worker(amqp_url, ledger_url, venue, heartbeat_ms=INTERVAL_MS):
        async with worker(amqp_url, ledger_url, venue, heartbeat_ms=INTERVAL_MS):
            for leverage in range(11, 21):
                command_id = await risk.strategy.publish("set_leverage", {**TO_10X, "leverage": leverage})
                await risk.next("positions", after(command_id))
        both = len(risk.all("positions"))
        await risk.next("positions", lambda data: data["seq"] >= both + 5)  # one of them is enough
        async with asyncio.timeout(40):
            while not gapless(risk):  # what the other has left is published soon, by the one that is there
                await risk.next("positions")
    assert risk.all("drift") == []
    rhythm = Interval(INTERVAL_MS, 0).of(RISKY.id)
    scheduled = [snapshot["as_of"] for snapshot in risk.all("positions") if snapshot["trigger"] == "schedule"]
    assert len({at + rhythm.wait(at) for at in scheduled}) == len(scheduled)


def after(command_id: str) -> Callable[[Body], bool]:
    """Whether a snapshot was taken after a command."""
    return lambda snapshot: command_id in snapshot["command_ids"]


def gapless(risk: Risk) -> bool:
    """Every number is there, and each once; of two workers the one may be told before the other."""
    seqs = sorted(snapshot["seq"] for snapshot in risk.all("positions"))
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_margin_is_told_on_the_rhythm_and_what_it_crosses_beside_it(
    amqp_url: str, sqlite_url: str, risk: Risk
) -> None:
    venue = MemoryVenue()
    async with worker(amqp_url, sqlite_url, venue):
        first = await risk.next("margin")
        venue.maintenance = venue.equity * Decimal("0.9")
        crossed = await risk.next("threshold")
    assert (first["seq"], first["trigger"], first["worst_ratio"], first["level"]) == (1, "schedule", 0.02, "ok")
    assert (crossed["pool"], crossed["direction"], crossed["level"], crossed["seq"]) == (
        "linear/USDT",
        "up",
        "critical",
        2,
    )
    assert risk.all("margin")[-1]["levels"] == {"linear/USDT": "critical"}
