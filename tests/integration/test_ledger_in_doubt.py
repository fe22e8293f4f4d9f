"""A commit that was not answered: kept or not, the ledger finds out, and nobody is told what is not so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.integration.test_ledger import ENDING, ENTRY, EVENT
from tests.support.postgres import PostgresServer
from tests.support.postgres_proxy import Break, PostgresProxy, postgres_proxy
from tests.support.worker_harness import COLLECT, TO_10X, Stalls, WorkerHarness, worker_harness
from worker.ledger.audit import Audited
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger, open_ledger
from worker.ledger.observed.newest import Kept
from worker.ledger.sql.database import Statement
from worker.ledger.sql.errors import CommitInDoubt, StaleWrite

CUT = (Break.BEFORE, Break.AFTER)
NOTE, ADOPT, INTEND = "INSERT INTO commands", "UPDATE commands SET owner", "UPDATE commands SET intended"
FINISH, FREEZE, UNFREEZE = "UPDATE commands SET finished", "INSERT INTO freezes", "DELETE FROM freezes"
FREEZE_ALL = {"all": True, "reason": "audit"}


@pytest.fixture
async def proxy(postgres: PostgresServer) -> AsyncIterator[PostgresProxy]:
    """A proxy in front of an empty ledger."""
    async with postgres_proxy(await postgres.database()) as proxy:
        yield proxy


@pytest.fixture
async def ledger(proxy: PostgresProxy) -> AsyncIterator[Ledger]:
    """A worker's ledger behind it."""
    async with open_ledger(proxy.url) as ledger:
        yield ledger


@pytest.mark.parametrize("how", CUT)
async def test_a_command_that_was_noted_in_doubt_is_new(ledger: Ledger, proxy: PostgresProxy, how: Break) -> None:
    proxy.plan(NOTE, how)
    assert (await ledger.commands.register(ENTRY)).is_new
    assert proxy.broke == 1
    assert not (await ledger.commands.register(replace(ENTRY, received=ENTRY.received + 1))).is_new


@pytest.mark.parametrize("how", CUT)
async def test_who_took_a_command_over_in_doubt_has_it(ledger: Ledger, proxy: PostgresProxy, how: Break) -> None:
    async with open_ledger(proxy.url) as other:
        await ledger.commands.register(ENTRY)
        record = await ledger.commands.find(ENTRY.id)
        assert record is not None
        proxy.plan(ADOPT, how)
        await other.commands.take_over(record)
        with pytest.raises(StaleWrite):
            await ledger.commands.finish(ENTRY.id, ENDING)
        assert await other.commands.finish(ENTRY.id, ENDING) is not None
    assert proxy.broke == 1


@pytest.mark.parametrize("how", [*CUT, pytest.param(Break.NO_ANSWER, marks=pytest.mark.long)])
async def test_a_result_in_doubt_is_told_once(ledger: Ledger, proxy: PostgresProxy, how: Break) -> None:
    await ledger.commands.register(ENTRY)
    proxy.plan(FINISH, how)
    position = await ledger.commands.finish(ENTRY.id, ENDING)
    assert [(row.position, row.event) for row in await ledger.outbox.of(ledger.owner, 10)] == [(position, EVENT)]
    assert proxy.broke == 1


@pytest.mark.parametrize("how", CUT)
async def test_a_result_of_somebody_else_is_not_taken_for_ours(
    ledger: Ledger, proxy: PostgresProxy, how: Break
) -> None:
    await ledger.commands.register(ENTRY)
    await ledger.commands.finish(ENTRY.id, replace(ENDING, event=replace(EVENT, body="another")))
    proxy.plan(FINISH, how)
    with pytest.raises(StaleWrite):
        await ledger.commands.finish(ENTRY.id, ENDING)


@pytest.mark.parametrize("how", CUT)
async def test_freezes_in_doubt_are_what_is_in_force(ledger: Ledger, proxy: PostgresProxy, how: Break) -> None:
    freeze = Freeze("all", "audit", "ann", 1)
    proxy.plan(FREEZE, how)
    set_at = await ledger.freezes.freeze(freeze, EVENT)
    assert await ledger.freezes.all() == [freeze]
    proxy.plan(UNFREEZE, how)
    lifted = replace(EVENT, id="e-2")
    lifted_at = await ledger.freezes.unfreeze(replace(freeze, since=2, reason=""), lifted)
    assert await ledger.freezes.all() == []
    waiting = [(row.position, row.event.id) for row in await ledger.outbox.of(ledger.owner, 10)]
    assert waiting == [(set_at, "e-1"), (lifted_at, "e-2")]
    assert [row.action for row in await ledger.audit.newest(10)] == ["unfreeze", "freeze"]
    assert proxy.broke == 2


@pytest.mark.parametrize("how", CUT)
async def test_snapshots_events_and_denials_in_doubt_are_kept_once(
    ledger: Ledger, proxy: PostgresProxy, how: Break
) -> None:
    for sql in ("INSERT INTO snapshots", "UPDATE snapshots", "INSERT INTO audit"):
        proxy.plan(sql, how)
    first, second, third = (replace(EVENT, id=f"e-{number}") for number in range(3))
    kept = await ledger.snapshots.keep(Kept("a-1", 1, 10, "{}"), [first])
    kept += await ledger.snapshots.keep(Kept("a-1", 2, 11, "{}"), [second])
    kept += [await ledger.audit.note(Audited(1, "ann", "denial", "x", {}), third)]
    assert [row.position for row in await ledger.outbox.of(ledger.owner, 10)] == kept
    assert proxy.broke == 3


async def test_an_event_recorded_in_doubt_waits_once(ledger: Ledger, proxy: PostgresProxy) -> None:
    proxy.plan("INSERT INTO outbox", Break.AFTER)
    position = await ledger.outbox.add(EVENT, 1)
    assert [row.position for row in await ledger.outbox.of(ledger.owner, 10)] == [position]


async def test_what_is_in_doubt_twice_is_said_to_be(ledger: Ledger, proxy: PostgresProxy) -> None:
    proxy.plan(FREEZE, Break.BEFORE, times=2)
    with pytest.raises(CommitInDoubt):
        await ledger.freezes.freeze(Freeze("all", "audit", "ann", 1), EVENT)


@pytest.fixture
async def behind(proxy: PostgresProxy) -> AsyncIterator[WorkerHarness]:
    """A worker whose ledger is behind the proxy."""
    async with worker_harness(proxy.url) as built:
        yield built


@pytest.mark.parametrize("how", CUT)
async def test_an_unfreeze_in_doubt_is_answered_by_what_is_in_force(
    behind: WorkerHarness, proxy: PostgresProxy, how: Break
) -> None:
    await behind.ask("freeze", FREEZE_ALL)
    proxy.plan(UNFREEZE, how)
    answer = await behind.ask("unfreeze", {"all": True})
    assert (answer["statusCode"], answer["data"]["changed"]) == (200, True)
    assert await behind.ledger.freezes.all() == []
    assert [told["frozen"] for told in behind.bus.told("freeze")] == [True, False]


async def test_a_control_that_stays_in_doubt_does_not_say_that_nothing_was_changed(
    behind: WorkerHarness, proxy: PostgresProxy
) -> None:
    proxy.plan(FREEZE, Break.BEFORE, times=2)
    answer = await behind.ask("freeze", FREEZE_ALL)
    assert (answer["statusCode"], answer["error"]["code"]) == (503, "ledger_unavailable")
    assert "nothing was changed" not in answer["message"]
    assert "something may have been changed" in answer["message"]


@pytest.mark.parametrize("sql", [NOTE, INTEND, FINISH])
@pytest.mark.parametrize("how", CUT)
async def test_a_command_is_carried_out_once_whatever_commit_is_in_doubt(
    behind: WorkerHarness, proxy: PostgresProxy, sql: str, how: Break
) -> None:
    for number, (operation, body) in enumerate({"set_leverage": TO_10X, "pm_auto_collect": COLLECT}.items(), start=1):
        proxy.plan(sql, how)
        await behind.ask(operation, body)
        assert (proxy.broke, behind.outcomes) == (number, ["applied"] * number)
    assert len(behind.changes) == 2


FORGET = Statement("DELETE FROM commands")


async def test_what_was_sent_and_is_forgotten_is_unknown(ledger_url: str) -> None:
    """As after a failover that lost commits."""
    venue = Stalls()
    async with worker_harness(ledger_url, venue) as worker:
        sending = asyncio.create_task(worker.ask("pm_auto_collect", COLLECT, "c-1"))
        await venue.reached.wait()
        await worker.ledger.database.write(FORGET)
        venue.go_on.set()
        answer = await sending
        assert (answer["statusCode"], answer["error"]["code"], worker.outcomes) == (502, "unknown", ["unknown"])
        assert "nothing was sent" not in answer["message"]
        [told] = worker.bus.told("result")
        assert told["attempts"] == 1
        assert await worker.ask("pm_auto_collect", COLLECT, "c-1") == answer
        assert len(worker.changes) == 1


async def test_what_was_not_sent_and_is_forgotten_is_carried_out(ledger_url: str) -> None:
    venue = Stalls()
    async with worker_harness(ledger_url, venue) as worker:
        first = asyncio.create_task(worker.ask(command_id="c-1"))
        await venue.reached.wait()
        second = asyncio.create_task(worker.deliver(body={**TO_10X, "leverage": 20}, command_id="c-2"))
        async with asyncio.timeout(10):
            while await worker.ledger.commands.find("c-2") is None:  # noqa: ASYNC110 - another task notes it
                await asyncio.sleep(0)
        await worker.ledger.database.write(Statement("DELETE FROM commands WHERE id = 'c-2'"))
        venue.go_on.set()
        await asyncio.gather(first, second)
        assert worker.outcomes == ["applied", "applied"]
        assert worker.changes == ["leverage 10", "leverage 20"]
