"""The session that holds a worker's locks dies, stalls, or is cut off: nobody sends for another's account."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from time import monotonic

import asyncpg
import pytest

from schemas import OPERATIONS
from schemas.requests import SetLeverage
from tests.integration.test_ledger import ENDING, ENTRY, is_free, is_gone
from tests.support.memory_venue import ACCOUNT
from tests.support.postgres import PostgresServer
from tests.support.postgres_proxy import Break, PostgresProxy, postgres_proxy
from tests.support.worker_harness import COLLECT, TO_10X, Stalls, WorkerHarness, in_time, worker_harness
from worker.execution.requests import Command, entry_of
from worker.ledger.commands import Entry, Registration
from worker.ledger.ledger import Ledger, open_ledger
from worker.ledger.owners import GONE_S
from worker.ledger.sql.errors import LedgerUnavailable, LockLost, NotInTime
from worker.runtime.clock import now
from worker.venues.port.adapter import Echo, Market
from worker.venues.port.door import Door

LOCK_HOLDERS = """
    SELECT DISTINCT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
"""
SOON_S = 10
TO_20X = {**TO_10X, "leverage": 20}


async def end_lock_sessions(url: str) -> list[int]:
    """What an administrator can do to each session that holds a lock: the pids of those that were."""
    connection = await asyncpg.connect(url)
    try:
        pids = [int(row[0]) for row in await connection.fetch(LOCK_HOLDERS)]
        for pid in pids:
            await connection.execute("SELECT pg_terminate_backend($1)", pid)
        async with asyncio.timeout(SOON_S):
            while await connection.fetchval("SELECT COUNT(*) FROM pg_stat_activity WHERE pid = ANY($1)", pids):
                pass
    finally:
        await connection.close()
    return pids


@pytest.fixture
async def ledger_url(postgres: PostgresServer) -> str:
    """A ledger on PostgreSQL, and on nothing else."""
    return await postgres.database()


@pytest.fixture
async def proxy(ledger_url: str) -> AsyncIterator[PostgresProxy]:
    """A way to it that can be cut, or stall."""
    async with postgres_proxy(ledger_url) as proxy:
        yield proxy


async def until_held(name: str, by_anybody_but: Ledger) -> None:
    async with asyncio.timeout(SOON_S):
        while await is_free(by_anybody_but, name):  # noqa: ASYNC110 - another session takes it
            await asyncio.sleep(0.005)


async def until_ready(ledger: Ledger) -> None:
    async with asyncio.timeout(SOON_S):
        while not await is_ready(ledger):  # noqa: ASYNC110 - it recovers by itself
            await asyncio.sleep(0.01)


async def is_ready(ledger: Ledger) -> bool:
    try:
        await ledger.probe()
    except LedgerUnavailable:
        return False
    return True


async def test_a_worker_whose_locks_were_lost_is_there_again_at_once_and_never_gone(
    ledger: Ledger, other: Ledger, ledger_url: str
) -> None:
    began = monotonic()
    assert await end_lock_sessions(ledger_url)
    assert not await is_gone(other, ledger.owner)
    await until_held(f"worker:{ledger.owner}", by_anybody_but=other)
    await until_held(f"worker:{other.owner}", by_anybody_but=ledger)
    assert monotonic() - began < GONE_S
    await until_ready(ledger)


async def test_who_does_not_hold_an_account_can_intend_nothing_there(
    ledger: Ledger, other: Ledger, ledger_url: str
) -> None:
    entry = replace(ENTRY, deadline=now() + 500)
    await ledger.commands.register(entry)
    async with ledger.commands.alone(entry.account):
        await end_lock_sessions(ledger_url)
        async with other.commands.alone(entry.account):
            with pytest.raises(LockLost):
                await ledger.database.write(holding=f"account:{entry.account}")
            with pytest.raises(NotInTime):
                await ledger.commands.record_intent(entry, 1, now(), durable=False)
    record = await ledger.commands.find(entry.id)
    assert record is not None
    assert record.intended is None


async def test_who_has_lost_an_account_takes_nothing_over_there(ledger: Ledger, other: Ledger, ledger_url: str) -> None:
    await other.commands.register(ENTRY)
    record = await ledger.commands.find(ENTRY.id)
    assert record is not None
    async with ledger.commands.alone(ENTRY.account):
        await end_lock_sessions(ledger_url)
        async with other.commands.alone(ENTRY.account):
            with pytest.raises(LockLost):
                await ledger.commands.take_over(record, holding=ENTRY.account)
            await other.commands.record_intent(ENTRY, 1, now(), durable=False)  # it is still the other's to send


async def test_an_account_that_was_lost_and_is_free_is_taken_anew_at_the_door(ledger: Ledger, ledger_url: str) -> None:
    entry = replace(ENTRY, deadline=now() + 10_000)
    await ledger.commands.register(entry)
    async with ledger.commands.alone(entry.account):
        await end_lock_sessions(ledger_url)
        await ledger.commands.record_intent(entry, 1, now(), durable=False)
    await ledger.commands.finish(entry.id, ENDING)
    async with open_ledger(ledger_url) as other, asyncio.timeout(SOON_S), other.commands.alone(entry.account):
        pass  # it was given back


async def test_what_is_only_true_while_an_account_is_ours_is_not_told_when_it_was_lost(
    ledger: Ledger, ledger_url: str
) -> None:
    await ledger.commands.register(ENTRY)
    async with ledger.commands.alone(ENTRY.account):
        await end_lock_sessions(ledger_url)
        with pytest.raises(LockLost):
            await ledger.commands.finish(ENTRY.id, ENDING, holding=ENTRY.account)
    assert await ledger.outbox.size() == 0
    async with ledger.commands.alone(ENTRY.account):
        assert await ledger.commands.finish(ENTRY.id, ENDING, holding=ENTRY.account) is not None


class StallsOnce(Stalls):
    """A venue that answers its first change when it is told to, and carries it out no earlier."""

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        if self.reached.is_set():
            self.go_on, go_on = asyncio.Event(), self.go_on
            self.go_on.set()
            try:
                return await super().set_leverage(market, leverage, door)
            finally:
                self.go_on = go_on
        return await super().set_leverage(market, leverage, door)


@pytest.mark.long
@pytest.mark.parametrize("is_same_command", [False, True])
async def test_who_takes_an_account_waits_for_what_a_living_worker_has_under_way(
    ledger_url: str, is_same_command: bool
) -> None:
    venue = StallsOnce()
    async with worker_harness(ledger_url, venue) as one, worker_harness(ledger_url, venue) as two:
        first = asyncio.create_task(one.deliver(command_id="c-1", deadline=in_time(30_000)))
        await venue.reached.wait()
        await end_lock_sessions(ledger_url)
        body, command_id = (TO_10X, "c-1") if is_same_command else (TO_20X, "c-2")
        second = asyncio.create_task(two.deliver(body=body, command_id=command_id, deadline=in_time(30_000)))
        done, _ = await asyncio.wait({second}, timeout=GONE_S + 1)  # longer than one is waited for that is gone
        assert not done
        venue.go_on.set()
        await asyncio.gather(first, second)
        assert (one.outcomes, two.outcomes) == (["applied"], ["applied"])
        assert one.changes == (["leverage 10"] if is_same_command else ["leverage 10", "leverage 20"])


LEFT = """
import asyncio, sys
from worker.ledger.commands import Entry
from worker.ledger.ledger import open_ledger
async def main():
    entry = Entry("c-1", "set_leverage", "binance", "a-1", None, "f", "{}", 1, int(sys.argv[2]))
    async with open_ledger(sys.argv[1]) as ledger, ledger.commands.alone("a-1"):
        await ledger.commands.register(entry)
        await ledger.commands.record_intent(entry, 1, entry.deadline - 10_000, durable=True)
        print(flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("deadline_in_ms", [pytest.param(60_000, marks=pytest.mark.long), 500])
async def test_what_a_dead_worker_left_is_waited_for_until_it_is_gone_or_its_deadline_is_past(
    ledger: Ledger, ledger_url: str, deadline_in_ms: int
) -> None:
    began = now()
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LEFT, ledger_url, str(began + deadline_in_ms)), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    holder.kill()
    await holder.wait()
    killed = now()
    async with asyncio.timeout(GONE_S + SOON_S), ledger.commands.alone("a-1"):
        waited = now() - killed
    assert now() >= began + min(deadline_in_ms, int(GONE_S * 1000))
    assert waited < (GONE_S + 2) * 1000


TAKE = "pg_try_advisory_lock(hashtextextended($2::text, 0))"


async def test_a_lock_that_was_granted_and_not_answered_is_free_when_its_session_was_given_up(
    ledger_url: str, proxy: PostgresProxy
) -> None:
    async with worker_harness(proxy.url) as one, worker_harness(ledger_url) as two:
        proxy.plan(TAKE, Break.NO_ANSWER)
        await one.deliver(deadline=in_time(20_000))
        assert proxy.broke == 1
        await two.deliver(deadline=in_time(2_000))
        assert (one.outcomes, two.outcomes) == (["applied"], ["applied"])


async def answer_to(harness: WorkerHarness) -> tuple[int, str, bool]:
    """The first answer that comes: its status, its code, and whether it claims an outcome."""
    async with asyncio.timeout(SOON_S):
        while not harness.bus.replies:  # noqa: ASYNC110 - it is another task's
            await asyncio.sleep(0.005)
    reply = harness.bus.replies[0][1]
    return reply.status, json.loads(reply.body)["error"]["code"], "Outcome" in reply.headers


@pytest.mark.long
async def test_a_deadline_is_kept_while_the_ledger_stalls(ledger_url: str, proxy: PostgresProxy) -> None:
    async with worker_harness(proxy.url) as one, worker_harness(ledger_url) as two:
        await one.deliver()
        one.bus.replies.clear()
        proxy.stall()
        deadline = in_time(1_000)
        carrying_out = asyncio.create_task(one.deliver("pm_auto_collect", COLLECT, "c-2", deadline=deadline))
        assert await answer_to(one) == (504, "timeout", False)
        assert deadline <= now() < deadline + 500
        with pytest.raises(LedgerUnavailable):
            await one.ledger.probe()
        proxy.flow()
        await carrying_out
        assert one.outcomes == ["applied", "expired"]
        assert len(one.bus.replies) == 1
        await until_ready(one.ledger)
        await two.deliver(body=TO_20X, deadline=in_time(2_000))
        assert two.outcomes == ["applied"]


async def test_what_was_sent_and_cant_be_recorded_is_answered_in_time_and_told_later(
    proxy: PostgresProxy,
) -> None:
    venue = Stalls()
    async with worker_harness(proxy.url, venue) as one:
        deadline = in_time(1_000)
        carrying_out = asyncio.create_task(one.deliver(command_id="c-1", deadline=deadline))
        await venue.reached.wait()
        proxy.stall()
        venue.go_on.set()
        assert await answer_to(one) == (504, "timeout", False)
        assert now() < deadline + 500
        proxy.flow()
        await carrying_out
        assert (one.outcomes, len(one.bus.replies), len(one.changes)) == (["applied"], 1, 1)


async def test_an_account_held_elsewhere_is_answered_by_expired_not_by_the_ledger(ledger_url: str) -> None:
    async with (
        worker_harness(ledger_url) as one,
        open_ledger(ledger_url) as holder,
        holder.commands.alone(TO_10X["exchange_account_id"]),
    ):
        deadline = in_time(500)
        await one.deliver(deadline=deadline)
        assert (one.outcomes, now() < deadline + 300) == (["expired"], True)
        assert one.replies[0]["error"]["code"] == "expired"


async def test_what_is_behind_a_command_that_another_worker_took_does_not_overtake_it(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as one, open_ledger(ledger_url) as other:
        async with other.commands.alone(TO_10X["exchange_account_id"]):
            first = asyncio.create_task(one.deliver(command_id="c-1"))
            second = asyncio.create_task(one.deliver(body=TO_20X, command_id="c-2"))
            async with asyncio.timeout(SOON_S):
                while (record := await other.commands.find("c-1")) is None:  # noqa: ASYNC110 - another task notes it
                    await asyncio.sleep(0)
            await other.commands.take_over(record)
        done, _ = await asyncio.wait({first, second}, timeout=0.5)
        assert (done, one.changes) == (set(), [])
        await other.commands.finish("c-1", ENDING)
        await asyncio.gather(first, second)
        assert one.changes == ["leverage 20"]


@pytest.mark.parametrize("was_sent", [False, True])
async def test_what_another_worker_took_and_left_is_carried_out_before_what_is_behind_it(
    ledger_url: str, was_sent: bool
) -> None:
    async with worker_harness(ledger_url) as one:
        async with open_ledger(ledger_url) as other, other.commands.alone(TO_10X["exchange_account_id"]):
            first = asyncio.create_task(one.deliver(command_id="c-1", deadline=in_time(30_000)))
            second = asyncio.create_task(one.deliver(body=TO_20X, command_id="c-2", deadline=in_time(30_000)))
            async with asyncio.timeout(SOON_S):
                while (record := await other.commands.find("c-1")) is None:  # noqa: ASYNC110 - another task notes it
                    await asyncio.sleep(0)
            await other.commands.take_over(record)
            if was_sent:
                await other.commands.record_intent(record.entry, 1, now(), durable=True)
        await asyncio.gather(first, second)
        assert one.changes == ["leverage 10", "leverage 20"]
        assert one.outcomes == ["applied", "applied"]


async def test_who_lost_an_account_without_knowing_takes_no_command_from_a_living_worker(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = TO_10X["exchange_account_id"]
    async with worker_harness(ledger_url) as one, open_ledger(ledger_url) as other:
        register, go_on = one.ledger.commands.register, asyncio.Event()

        async def slow_registration(entry: Entry) -> Registration:
            await go_on.wait()
            return await register(entry)

        monkeypatch.setattr(one.ledger.commands, "register", slow_registration)
        second = asyncio.create_task(one.deliver(command_id="c-1", deadline=in_time(30_000)))
        await until_held(f"account:{account}", by_anybody_but=other)
        await end_lock_sessions(ledger_url)
        async with other.commands.alone(account):
            made = SetLeverage.model_validate(TO_10X)
            fingerprint = entry_of(Command("c-1", OPERATIONS["set_leverage"], made, ACCOUNT, None, 1, 1)).fingerprint
            entry = replace(ENTRY, id="c-1", account=account, fingerprint=fingerprint, deadline=in_time(30_000))
            await other.commands.register(entry)
            await other.commands.record_intent(entry, 1, now(), durable=False)
            go_on.set()
            done, _ = await asyncio.wait({second}, timeout=0.5)
            assert (done, one.changes) == (set(), [])
            await other.commands.finish("c-1", ENDING)
        await second
        assert one.changes == []


async def test_what_another_worker_took_and_left_is_told_though_the_account_stays_held(ledger_url: str) -> None:
    account = TO_10X["exchange_account_id"]
    async with worker_harness(ledger_url) as one, open_ledger(ledger_url) as holder:
        async with open_ledger(ledger_url) as other, other.commands.alone(account):
            told = asyncio.create_task(one.deliver(command_id="c-1", deadline=in_time(6_000)))
            async with asyncio.timeout(SOON_S):
                while (record := await other.commands.find("c-1")) is None:  # noqa: ASYNC110 - another task notes it
                    await asyncio.sleep(0)
            await other.commands.take_over(record)
            held = asyncio.create_task(hold(holder, account, until=told))
            await asyncio.sleep(0)
        await asyncio.gather(told, held)
        assert (one.outcomes, one.changes) == (["expired"], [])


async def hold(ledger: Ledger, account: str, until: "asyncio.Task[object]") -> None:
    async with ledger.commands.alone(account):
        await asyncio.wait({until})
