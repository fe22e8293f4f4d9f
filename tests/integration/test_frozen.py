"""From the answer to a freeze on nothing leaves for a venue: whatever held a command up, and however short the way."""

import asyncio
import json
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas.control import Exchange
from tests.support.memory_venue import MemoryBus
from tests.support.postgres import PostgresServer
from tests.support.sandbox_harness import PATIENCE_MS, SandboxHarness, sandbox_harness
from worker.accounts.account import Account, Accounts
from worker.app.parts import Worker, build_worker
from worker.config.settings import Settings
from worker.ledger.commands import Entry
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger, open_ledger
from worker.messages.wire import Delivery, Outgoing
from worker.runtime.clock import now
from worker.venues.limits import Limits

CHANGES: dict[Exchange, dict[str, Any]] = {
    "binance": {"path": "/fapi/v1/leverage"},
    "bybit": {"path": "/v5/position/set-leverage"},
    "gate": {"method": "POST"},
    "okx": {"path": "/api/v5/account/set-leverage"},
    "hyperliquid": {"path": "/exchange"},
}
READS: dict[Exchange, dict[str, Any]] = {"hyperliquid": {"path": "/info"}}
SYMBOL = {"hyperliquid": "BTC/USDC:USDC"}
SWEEP = {"path": "/papi/v1/auto-collection"}
FEW, MANY = 4, 24
POLL_S = 0.005


@dataclass
class Kind:
    """What is changed at which stand-in, and the accounts that were opened there for it."""

    harness: SandboxHarness
    operation: str
    accounts: list[Account]


@dataclass
class Scene:
    """A worker on the stand-in of one venue, its ledger, and the accounts that it serves."""

    harness: SandboxHarness
    worker: Worker
    ledger: Ledger
    bus: MemoryBus
    accounts: list[Account]
    operation: str
    deliveries: list["asyncio.Future[Any]"] = field(default_factory=list)

    @property
    def change(self) -> dict[str, Any]:
        """What the requests look like that change something."""
        return SWEEP if self.operation == "pm_auto_collect" else CHANGES[self.harness.exchange]

    def begin(self, count: int) -> None:
        """Deliver a command for each of so many accounts."""
        for number, account in enumerate(self.accounts[:count]):
            fields: dict[str, Any] = {}
            if self.operation == "set_leverage":
                symbol = SYMBOL.get(self.harness.exchange, "BTC/USDT:USDT")
                fields = {"symbol": symbol, "leverage": 3 + number % 5}
            self.deliveries.append(asyncio.ensure_future(self.worker.handle(self._message(account.id, fields))))

    def _message(self, account: str, fields: dict[str, Any]) -> Delivery:
        body = json.dumps({"exchange_account_id": account, **fields}).encode()
        return Delivery(self.operation, body, reply_to="me", deadline=now() + PATIENCE_MS)

    async def freeze(self) -> dict[str, Any]:
        """Freeze everything; what is answered."""
        await self.worker.handle(Delivery("freeze", b'{"all": true, "reason": "drill"}', reply_to="admin"))
        answer: dict[str, Any] = json.loads(self.bus.replies[-1][1].body)
        return answer

    async def ended(self) -> list[str]:
        """The outcomes, when all are told."""
        await asyncio.gather(*self.deliveries)
        return [result["outcome"] for result in self.bus.told("result")]

    async def sent(self) -> list[dict[str, Any]]:
        """The changes that have arrived at the venue."""
        return [entry for entry in await self.harness.requests() if _is_change(entry)]

    async def known(self, count: int) -> None:
        """Wait until the ledger knows so many commands."""
        while len(await self.ledger.command_list.overdue(now() + 2 * PATIENCE_MS, 1_000)) < count:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    async def arrived(self, matching: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until such a request is at the venue."""
        while not any(map(matching, await self.harness.requests())):  # noqa: ASYNC110 - the venue tells nobody
            await asyncio.sleep(POLL_S)


def _is_change(entry: dict[str, Any]) -> bool:
    return bool(entry["method"] == "POST" and entry["path"] != "/info")


@pytest.fixture(scope="module", params=["binance", "bybit", "gate", "hyperliquid", "okx", "sweeps"])
async def kind(request: pytest.FixtureRequest) -> AsyncIterator[Kind]:
    sweeps = request.param == "sweeps"
    operation, more = ("pm_auto_collect", {"portfolio_margin": True}) if sweeps else ("set_leverage", {})
    async with sandbox_harness("binance" if sweeps else request.param, PATIENCE_MS) as harness:
        opened = (harness.sandbox.open_account(harness.exchange, id=f"frozen-{one}", **more) for one in range(MANY))
        yield Kind(harness, operation, list(opened))


@pytest.fixture
async def scene(kind: Kind, tmp_path: Path) -> AsyncIterator[Scene]:
    harness, settings, bus = kind.harness, Settings(state=tmp_path), MemoryBus()
    await harness.reset()
    await harness.limit({"papi": 100_000} if harness.exchange == "binance" else {})
    harness.connections.limits = Limits(granted={"binance": {"papi weight": 100_000}})
    async with open_ledger(settings.ledger) as ledger:
        worker = build_worker(settings, Accounts(tuple(kind.accounts)), harness.venue.adapter, ledger, bus)
        yield Scene(harness, worker, ledger, bus, kind.accounts, kind.operation)


async def slow_reads(scene: Scene) -> None:
    """The reads before a change take a while; while they do, the freeze comes."""
    slow = READS.get(scene.harness.exchange, {"method": "GET"})
    await scene.harness.fault(slow.get("path"), "delay", delay_ms=300, times=100, method=slow.get("method"))
    scene.begin(FEW)
    await scene.known(FEW)


async def a_closed_limiter(scene: Scene) -> None:
    """The venue wants no more for a second; the commands wait for its end."""
    change, again = scene.change, {"x-gate-ratelimit-reset-timestamp": str(now() // 1_000 + 2)}
    refusal = {"status": 429, "code": -1003, "msg": "Too many.", "retry_after": 1, "headers": again}
    await scene.harness.fault(change.get("path"), "status", method=change.get("method"), **refusal)
    scene.begin(1)
    await asyncio.gather(*scene.deliveries)
    assert [entry["status"] for entry in await scene.sent()] == [429]
    scene.begin(FEW)
    await scene.known(FEW)


async def a_refused_timestamp(scene: Scene) -> None:
    """The venue's clock is far off; the refusal comes late, and the freeze before it."""
    (await scene.harness.control.put("/clock", json={"offset_ms": 600_000})).raise_for_status()
    change = scene.change
    await scene.harness.fault(change.get("path"), "delay", method=change.get("method"), delay_ms=200, times=100)
    scene.begin(FEW)
    await scene.known(FEW)


async def latency(scene: Scene) -> None:
    """Every answer takes 60 ms, as over an ocean."""
    await scene.harness.fault(None, "delay", delay_ms=60, times=10_000)
    scene.begin(MANY)
    await scene.known(MANY)


HINDRANCES: list[Callable[[Scene], Awaitable[None]]] = [slow_reads, a_closed_limiter, a_refused_timestamp, latency]


@pytest.mark.parametrize("hindrance", HINDRANCES, ids=lambda row: row.__name__)
async def test_nothing_leaves_after_a_freeze_is_answered(
    scene: Scene, hindrance: Callable[[Scene], Awaitable[None]]
) -> None:
    await hindrance(scene)
    answer = await scene.freeze()
    before = len(await scene.sent())
    assert answer["data"]["under_way"] == []
    outcomes = await scene.ended()
    assert len(await scene.sent()) == before
    assert "unknown" not in outcomes
    assert len(scene.bus.told("result")) == len(scene.deliveries)


async def test_a_freeze_waits_for_what_is_at_the_venue(scene: Scene) -> None:
    change = scene.change
    await scene.harness.fault(change.get("path"), "delay", method=change.get("method"), delay_ms=250)
    scene.begin(1)
    await scene.arrived(_is_change)
    answer = await scene.freeze()
    assert (answer["data"]["under_way"], await scene.ended()) == ([], ["applied"])


async def test_a_freeze_names_what_stays_at_the_venue(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.control.service.UNDER_WAY_S", 0.05)
    change = scene.change
    await scene.harness.fault(change.get("path"), "delay", method=change.get("method"), delay_ms=500)
    scene.begin(1)
    await scene.arrived(_is_change)
    answer = await scene.freeze()
    (command_id,) = answer["data"]["under_way"]
    assert command_id in answer["message"]
    assert await scene.ended() == ["applied"]
    assert [result["command_id"] for result in scene.bus.told("result")] == [command_id]


async def test_on_postgresql_a_freeze_waits_for_an_intent_that_began_before_it(postgres: PostgresServer) -> None:
    url = await postgres.database()
    entry = Entry("c-1", "set_leverage", "binance", "a-1", None, "f", "{}", now(), now() + PATIENCE_MS)
    told = Outgoing("e", "perps-dma.freeze.v1", "control.freeze", "{}")
    async with open_ledger(url) as ledger, open_ledger(url) as other:
        await ledger.commands.register(entry)
        holder, looker = await asyncpg.connect(url), await asyncpg.connect(url)
        holding = holder.transaction()
        await holding.start()
        await holder.execute("SELECT 1 FROM commands WHERE id = 'c-1' FOR UPDATE")
        intent = asyncio.create_task(ledger.commands.record_intent(entry, 1, now(), durable=True))
        await waiting_for_locks(looker, 1)
        freeze = asyncio.create_task(other.freezes.freeze(Freeze("all", "drill", None, now()), told))
        await asyncio.wait({freeze, asyncio.create_task(waiting_for_locks(looker, 2))}, return_when=FIRST_COMPLETED)
        assert not freeze.done()
        await holding.rollback()
        await asyncio.gather(intent, freeze)
        assert await other.command_list.under_way("all", 10) == ["c-1"]
        await asyncio.gather(holder.close(), looker.close())


async def waiting_for_locks(looker: "asyncpg.Connection[Any]", count: int) -> None:
    """Wait until so many sessions wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while await looker.fetchval(waiting) < count:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(POLL_S)
