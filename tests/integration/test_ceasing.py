"""A worker that is about to stop: it finishes what it has begun, and begins nothing more."""

import asyncio
import json

from tests.support.memory_venue import ACCOUNT
from tests.support.worker_harness import TO_10X, Stalls, WorkerHarness, in_time, worker_harness
from worker.execution.aftermath.recovery import Recovery
from worker.ledger.commands import Entry
from worker.messages.wire import ShuttingDown
from worker.runtime.clock import now

OVERDUE = Entry("c-0", "set_leverage", "binance", ACCOUNT.id, "ann", "f", json.dumps(TO_10X), 1_000, 11_000)


async def deliver(harness: WorkerHarness, number: int) -> None:
    await harness.deliver(body={**TO_10X, "leverage": 10 + number}, command_id=f"c-{number}", deadline=in_time(60_000))


async def test_what_is_at_the_venue_is_finished_and_what_waits_behind_it_is_left(ledger_url: str) -> None:
    venue = Stalls()
    async with worker_harness(ledger_url, venue) as stopping:
        first, *waiting = [asyncio.create_task(deliver(stopping, number)) for number in range(6)]
        await venue.reached.wait()
        stopping.worker.cease()
        venue.go_on.set()
        await first
        left = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(error) for error in left} == {ShuttingDown}
        assert (stopping.changes, stopping.outcomes) == (["leverage 10"], ["applied"])
    async with worker_harness(ledger_url, venue) as following:
        for number in range(6):
            await deliver(following, number)
        assert following.changes == [f"leverage {10 + number}" for number in range(6)]
        assert following.outcomes == ["applied"] * 6


async def test_a_copy_of_what_is_left_is_left_too(ledger_url: str) -> None:
    venue = Stalls()
    async with worker_harness(ledger_url, venue) as stopping:
        first, *copies = [asyncio.create_task(deliver(stopping, number)) for number in (1, 2, 2)]
        await venue.reached.wait()
        stopping.worker.cease()
        venue.go_on.set()
        await first
        left = await asyncio.gather(*copies, return_exceptions=True)
        assert [type(error) for error in left] == [ShuttingDown, asyncio.CancelledError]
        assert stopping.changes == ["leverage 11"]


async def test_it_looks_for_no_overdue_commands_any_more(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as stopping:
        await stopping.ledger.commands.register(OVERDUE)
        stopping.worker.cease()
        later = Recovery(stopping.ledger, stopping.worker.handle, lambda _: False, now)
        await later.look()
        assert (stopping.changes, stopping.outcomes) == ([], [])
