"""Scheduled sweeps: one command a slot, whatever the workers, restarts, crashes and clocks; what is missed is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from schemas.book import ServedAccounts
from tests.support.hand_clock import HandClock
from tests.support.memory_venue import ACCOUNT, MemoryBus
from tests.support.worker_harness import Body, WorkerHarness, worker_harness
from worker.accounts.account import Accounts
from worker.accounts.slots import DAY, HOUR, MINUTE, slots_of
from worker.execution.sweeps import ACTOR, DEADLINE_MS, ScheduledSweeps, command_id_of

SLOT = 20_000 * DAY + 5 * MINUTE
"""At 00:05 of a day."""

SWEPT = ACCOUNT.model_copy(update={"auto_collect": slots_of("daily 00:05")})


@asynccontextmanager
async def sweeping(
    url: str, clock: HandClock, bus: MemoryBus | None = None, accounts: Accounts | None = None
) -> AsyncIterator[tuple[ScheduledSweeps, WorkerHarness]]:
    """A worker whose sweeps go by a clock that is set by hand."""
    accounts = Accounts((SWEPT,)) if accounts is None else accounts
    async with worker_harness(url, bus=bus, accounts=accounts) as harness:
        sweeps = ScheduledSweeps(harness.ledger, harness.worker.relay, accounts, harness.bus, clock)
        yield sweeps, harness


@pytest.fixture
async def seen(ledger_url: str) -> HandClock:
    """A clock a minute before a slot; a worker has seen the schedule by then."""
    clock = HandClock(SLOT - MINUTE)
    async with sweeping(ledger_url, clock) as (sweeps, harness):
        await sweeps.look()
        assert harness.bus.commands == []
    return clock


async def audited(harness: WorkerHarness) -> list[tuple[str, Body]]:
    rows = (await harness.ask("get_audit", {}))["data"]["entries"]
    return [(row["action"], row["details"]) for row in reversed(rows)]


async def test_a_slot_that_comes_is_one_command_of_the_schedule(ledger_url: str, seen: HandClock) -> None:
    async with sweeping(ledger_url, seen) as (sweeps, harness):
        for _ in range(5):
            await sweeps.look()
            seen.pass_(30_000)
        (command,) = harness.bus.commands
        assert (command.operation, command.actor, command.message_id) == (
            "pm_auto_collect",
            ACTOR,
            command_id_of(SWEPT.id, SLOT),
        )
        assert command.body == b'{"exchange_account_id":"memory-perp-001"}'
        assert command.deadline == SLOT + DEADLINE_MS
        told = {"slot": "2024-10-04T00:05:00Z", "schedule": "daily 00:05", "command_id": command.message_id}
        assert await audited(harness) == [("sweep", told)]


async def test_each_slot_is_done_once_by_all_workers_together(ledger_url: str, seen: HandClock) -> None:
    bus = MemoryBus()
    async with AsyncExitStack() as stack:
        workers = [(await stack.enter_async_context(sweeping(ledger_url, seen, bus)))[0] for _ in range(3)]
        for number in range(3):
            seen.time = SLOT + number * DAY
            for _ in range(3):
                await asyncio.gather(*(sweeps.look() for sweeps in workers))
    assert [command.message_id for command in bus.commands] == [
        command_id_of(SWEPT.id, SLOT + number * DAY) for number in range(3)
    ]


async def test_a_worker_that_dies_after_publishing_leaves_the_same_command_to_the_next(
    ledger_url: str, seen: HandClock
) -> None:
    seen.time, bus = SLOT, MemoryBus(unpublished=1)  # it may be there all the same
    async with sweeping(ledger_url, seen, bus) as (sweeps, _):
        await sweeps.look()
    async with sweeping(ledger_url, seen, bus) as (sweeps, harness):
        await sweeps.look()
        first, second = bus.commands
        assert first.message_id == second.message_id == command_id_of(SWEPT.id, SLOT)
        for command in bus.commands:  # both reach a worker
            await harness.worker.handle(replace(command, deadline=None))
        assert harness.changes == ["auto collect"]
        assert [action for action, _ in await audited(harness)] == ["sweep"]


class TestMissed:
    async def test_within_the_grace_it_is_done_late(self, ledger_url: str, seen: HandClock) -> None:
        seen.time = SLOT + 6 * HOUR
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            await sweeps.look()
            assert [command.message_id for command in harness.bus.commands] == [command_id_of(SWEPT.id, SLOT)]
            assert harness.bus.told("sweeps-missed") == []

    async def test_behind_the_grace_it_is_told_and_never_done(self, ledger_url: str, seen: HandClock) -> None:
        seen.time = SLOT + 6 * HOUR + 1
        async with AsyncExitStack() as stack:
            bus = MemoryBus()
            workers = [await stack.enter_async_context(sweeping(ledger_url, seen, bus)) for _ in range(2)]
            for sweeps, _ in (*workers, *workers):
                await sweeps.look()
            assert bus.commands == []
            (told,) = bus.told("sweeps-missed")
            assert (told["first"], told["last"], told["count"]) == (SLOT, SLOT, 1)
            assert told["reason"] == "it is 360 minutes ago, and the grace is 360"
            assert [action for action, _ in await audited(workers[0][1])] == ["sweep_missed"]

    async def test_of_several_the_newest_is_done_and_the_others_are_told(
        self, ledger_url: str, seen: HandClock
    ) -> None:
        seen.time = SLOT + 3 * DAY + HOUR
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            await sweeps.look()
            newest = SLOT + 3 * DAY
            assert [command.message_id for command in harness.bus.commands] == [command_id_of(SWEPT.id, newest)]
            (told,) = harness.bus.told("sweeps-missed")
            assert (told["first"], told["last"], told["count"]) == (SLOT, SLOT + 2 * DAY, 3)
            ((action, details),) = await audited(harness)
            assert (action, details["count"], details["slot"]) == ("sweep", 3, "2024-10-07T00:05:00Z")

    async def test_of_a_ledger_that_began_anew_nobody_knows(self, ledger_url: str, seen: HandClock) -> None:
        seen.time = SLOT + HOUR
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            await harness.ledger.epoch.begin((SLOT + MINUTE) // 1_000, [], seen())
            await sweeps.look()
            assert harness.bus.commands == []
            assert "began anew" in harness.bus.told("sweeps-missed")[0]["reason"]


class TestClocks:
    async def test_set_back_nothing_is_done_again(self, ledger_url: str, seen: HandClock) -> None:
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            for time in (SLOT, SLOT - HOUR, SLOT - DAY, SLOT - MINUTE, SLOT, SLOT + MINUTE):
                seen.time = time
                await sweeps.look()
            assert len(harness.bus.commands) == 1
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            for time in (SLOT - DAY, SLOT):
                seen.time = time
                await sweeps.look()
            assert harness.bus.commands == []

    async def test_set_forward_and_back_each_slot_comes_once(self, ledger_url: str, seen: HandClock) -> None:
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            for time in (SLOT, SLOT + DAY, SLOT + HOUR, SLOT + DAY, SLOT + 2 * DAY):
                seen.time = time
                await sweeps.look()
            ids = [command.message_id for command in harness.bus.commands]
            assert ids == [command_id_of(SWEPT.id, SLOT + number * DAY) for number in range(3)]

    async def test_workers_whose_clocks_differ_do_it_once(self, ledger_url: str, seen: HandClock) -> None:
        bus, late = MemoryBus(), HandClock(SLOT - 2 * MINUTE)
        async with sweeping(ledger_url, seen, bus) as (one, _), sweeping(ledger_url, late, bus) as (other, _):
            for _ in range(10):
                await one.look()
                await other.look()
                seen.pass_(MINUTE)
                late.pass_(MINUTE)
        assert len(bus.commands) == 1


class TestSchedules:
    async def test_one_that_is_new_begins_with_the_next_slot(self, ledger_url: str) -> None:
        clock = HandClock(SLOT + MINUTE)
        async with sweeping(ledger_url, clock) as (sweeps, harness):
            await sweeps.look()
            assert harness.bus.commands == []
            assert harness.bus.told("sweeps-missed") == []
            clock.time = SLOT + DAY
            await sweeps.look()
            assert len(harness.bus.commands) == 1

    async def test_one_that_changes_while_it_runs_begins_anew(self, ledger_url: str, seen: HandClock) -> None:
        accounts = Accounts((SWEPT,))
        async with sweeping(ledger_url, seen, accounts=accounts) as (sweeps, harness):
            await sweeps.look()
            accounts.replace([SWEPT.model_copy(update={"auto_collect": slots_of("hourly :30")})])
            seen.time = SLOT
            await sweeps.look()
            assert harness.bus.commands == []
            seen.time = SLOT + 25 * MINUTE
            await sweeps.look()
            assert [row.message_id for row in harness.bus.commands] == [command_id_of(SWEPT.id, SLOT + 25 * MINUTE)]
            accounts.replace([ACCOUNT])
            seen.time = SLOT + 5 * DAY
            await sweeps.look()
            accounts.replace([SWEPT])
            await sweeps.look()
            assert len(harness.bus.commands) == 1
            assert harness.bus.told("sweeps-missed") == []

    async def test_a_worker_that_stops_publishes_nothing_more(self, ledger_url: str, seen: HandClock) -> None:
        seen.time = SLOT
        async with sweeping(ledger_url, seen) as (sweeps, harness):
            sweeps.cease()
            await sweeps.look()
            assert harness.bus.commands == []

    async def test_get_accounts_tells_when_it_is_due_next(self, ledger_url: str) -> None:
        async with worker_harness(ledger_url, accounts=Accounts((SWEPT,))) as harness:
            (row,) = ServedAccounts.model_validate((await harness.ask("get_accounts", {}))["data"]).accounts
            assert row.auto_collect is not None
            assert (row.auto_collect.schedule, row.auto_collect.next_slot % DAY) == ("daily 00:05", 5 * MINUTE)
