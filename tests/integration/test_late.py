"""What leaves for a venue has the time to be answered, and the room to be confirmed; what has not is never sent."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Milliseconds
from tests.support.memory_venue import MemoryBus
from tests.support.sandbox_harness import PATIENCE_MS, SandboxHarness, sandbox_harness
from tests.support.worker_harness import COLLECT, TO_10X, worker_harness
from worker.accounts.account import Account, Accounts
from worker.app.parts import Worker, build_worker
from worker.config.settings import Settings
from worker.ledger.ledger import open_ledger
from worker.messages.wire import Delivery
from worker.runtime.clock import now
from worker.venues.client.observer import QUICKEST_MS, SAMPLES, SLOWEST_MS, UNMEASURED_MS, Latency
from worker.venues.limits import Limits

SYMBOL = "BTC/USDT:USDT"
LATENCY_MS = 60
ACCOUNTS = 12


@pytest.fixture(scope="module", params=["binance", "bybit"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[SandboxHarness]:
    async with sandbox_harness(request.param, PATIENCE_MS) as running:
        yield running


async def opened(harness: SandboxHarness, prefix: str, **content: Any) -> list[Account]:
    await harness.reset()
    return [harness.sandbox.open_account(harness.exchange, id=f"{prefix}-{n}", **content) for n in range(ACCOUNTS)]


def message(operation: str, account: Account, left: Milliseconds, **fields: Any) -> Delivery:
    body = json.dumps({"exchange_account_id": account.id, **fields}).encode()
    return Delivery(operation, body, reply_to="me", deadline=now() + left)


async def told(worker: Worker, bus: MemoryBus, messages: list[Delivery]) -> Counter[str]:
    """How often each outcome was told of these messages."""
    before = len(bus.told("result"))
    await asyncio.gather(*(worker.handle(one) for one in messages))
    return Counter(result["outcome"] for result in bus.told("result")[before:])


async def test_with_less_time_than_an_answer_takes_nothing_is_sent(harness: SandboxHarness, tmp_path: Path) -> None:
    sweep = harness.exchange == "binance"
    accounts = await opened(harness, "late", **({"portfolio_margin": True} if sweep else {}))
    await harness.limit({"papi": 10**6} if sweep else {})
    harness.connections.limits = Limits(granted={"binance": {"papi weight": 10**6}})
    settings, bus = Settings(state=tmp_path), MemoryBus()
    operation = "pm_auto_collect" if sweep else "set_leverage"
    async with open_ledger(settings.ledger) as ledger:
        worker = build_worker(settings, Accounts(tuple(accounts)), harness.venue.adapter, ledger, bus)
        await harness.fault(None, "delay", delay_ms=LATENCY_MS, times=10**6)

        def row(number: int, left: Milliseconds) -> Delivery:
            fields = {} if sweep else {"symbol": SYMBOL, "leverage": 2 + number % 7}
            return message(operation, accounts[number % ACCOUNTS], left, **fields)

        first = await told(worker, bus, [row(n, PATIENCE_MS) for n in range(ACCOUNTS)])
        assert first == {"applied": ACCOUNTS}
        late = await told(worker, bus, [row(n + 1, 1 + 3 * n) for n in range(4 * ACCOUNTS)])
        assert late["unknown"] == 0
        assert late["expired"] > 0
        expired = [row for row in bus.told("result") if row["outcome"] == "expired"]
        assert {row["attempts"] for row in expired} == {0}
        sent = [entry for entry in await harness.requests() if entry["method"] == "POST"]
        assert len(sent) == len(bus.told("result")) - len(expired)


async def test_a_change_that_is_confirmed_by_a_read_leaves_with_the_room_for_it(tmp_path: Path) -> None:
    async with sandbox_harness("bybit", PATIENCE_MS) as harness:
        accounts = await opened(harness, "crowd")
        await harness.limit(dict.fromkeys(("/v5/position/set-leverage", "/v5/account/info"), 10**6) | {"ip": 40})
        harness.connections.limits = Limits(granted={"bybit": {"requests by address": 40}})
        settings, bus = Settings(state=tmp_path, timeout_ms=1_500), MemoryBus()
        async with open_ledger(settings.ledger) as ledger:
            worker = build_worker(settings, Accounts(tuple(accounts)), harness.venue.adapter, ledger, bus)
            crowd = [
                message("set_leverage", account, 1_500, symbol=SYMBOL, leverage=3 + number)
                for account in accounts
                for number in range(5)
            ]
            outcomes = await told(worker, bus, crowd)
        assert outcomes["unknown"] == 0
        assert outcomes["applied"] >= 10
        assert outcomes["applied"] + outcomes["rejected"] + outcomes["expired"] == len(crowd)


async def test_sweeps_keep_their_place_among_the_changes_of_their_account(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as harness:
        wanted: list[str] = []
        tasks = []
        for number in range(20):
            body = {**TO_10X, "leverage": 10 + number}
            tasks.append(asyncio.create_task(harness.deliver("set_leverage", body)))
            tasks.append(asyncio.create_task(harness.deliver("pm_auto_collect", COLLECT)))
            wanted += [f"leverage {10 + number}", "auto collect"]
        await asyncio.gather(*tasks)
        assert harness.changes == wanted


class TestLatency:
    def test_what_was_never_measured_is_supposed_to_be_slow(self) -> None:
        assert Latency().usual("POST") == UNMEASURED_MS

    def test_nine_of_ten_answers_count_and_one_outlier_does_not(self) -> None:
        latency = Latency(lambda: 0.0)
        for took in [100.0] * 20 + [5_000.0]:
            latency.observe("POST", took)
        assert latency.usual("POST") == 125

    def test_another_endpoint_is_supposed_to_be_as_fast_as_those_that_are_known(self) -> None:
        latency = Latency(lambda: 0.0)
        latency.observe("GET", 200.0)
        assert latency.usual("POST") == 250

    def test_it_has_bounds_and_forgets_after_a_minute(self) -> None:
        at = 0.0
        latency = Latency(lambda: at)
        latency.observe("fast", 1.0)
        for _ in range(SAMPLES):
            latency.observe("slow", 60_000.0)
        assert (latency.usual("fast"), latency.usual("slow")) == (QUICKEST_MS, SLOWEST_MS)
        at = 61.0
        assert latency.usual("slow") == UNMEASURED_MS
