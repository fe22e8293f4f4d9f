"""What the ledger promises, on SQLite and on PostgreSQL alike."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from tests.support.postgres import PostgresServer
from worker.ledger import migrations
from worker.ledger.commands import CommandEnding, Entry
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger, open_database, open_ledger
from worker.ledger.observed.newest import Kept
from worker.ledger.outbox import insertion
from worker.ledger.postgres import database as postgres
from worker.ledger.sql.database import MOST_NAMED, Database, Statement
from worker.ledger.sql.errors import LedgerTooNew, LedgerUnavailable, StaleWrite
from worker.ledger.sqlite import database as sqlite
from worker.messages.wire import Outgoing, Reply

ENTRY = Entry("c-1", "set_leverage", "binance", "a-1", "ann", "f-1", '{"leverage":10}', 1_000, 11_000)
EVENT = Outgoing("e-1", "perps-dma.result.v1", "result.set_leverage.binance.a-1", '{"id":"e-1","price":98000.00}')
ENDING = CommandEnding("applied", 2_000, 1, Reply(200, b'{"message":"done"}'), EVENT)


@pytest.fixture
async def database(ledger_url: str) -> AsyncIterator[Database]:
    """The bare database."""
    database = await open_database(ledger_url)
    yield database
    await database.close()


async def test_a_command_is_new_once(ledger: Ledger) -> None:
    assert (await ledger.commands.register(ENTRY)).is_new
    assert not (await ledger.commands.register(replace(ENTRY, fingerprint="f-2"))).is_new
    record = await ledger.commands.find("c-1")
    assert record is not None
    assert (record.entry, record.owner, record.attempts, record.finished) == (ENTRY, ledger.owner, 0, None)


async def test_of_fifty_at_once_one_is_new(ledger: Ledger, other: Ledger) -> None:
    noted = await asyncio.gather(*(side.commands.register(ENTRY) for side in (ledger, other) for _ in range(25)))
    assert [row.is_new for row in noted].count(True) == 1


async def test_a_result_is_kept_together_with_its_event(ledger: Ledger) -> None:
    await ledger.commands.register(ENTRY)
    async with ledger.commands.alone(ENTRY.account):
        await ledger.commands.record_intent(ENTRY, 1, 1_500, durable=True)
    position = await ledger.commands.finish("c-1", ENDING)
    record = await ledger.commands.find("c-1")
    assert record is not None
    assert (record.outcome, record.intended, record.attempts, record.finished) == ("applied", 1_500, 1, 2_000)
    assert (record.status, record.reply, record.event) == (200, ENDING.reply.body.decode(), EVENT.body)
    [waiting] = await ledger.outbox.of(ledger.owner, 10)
    assert (waiting.position, waiting.event) == (position, EVENT)
    assert position is not None
    await ledger.outbox.confirmed(position)
    assert await ledger.outbox.size() == 0


async def test_however_many_events_are_confirmed_at_once_all_are_struck_out_and_no_other(ledger: Ledger) -> None:
    events = [replace(EVENT, id=f"e-{number}") for number in range(2 * MOST_NAMED + 3)]
    written = await ledger.database.write(*(insertion(event, ledger.owner, 1) for event in events))
    first, *positions = [int(row[0] or 0) for (row,) in written]
    await ledger.outbox.confirmed(*positions)
    assert [row.position for row in await ledger.outbox.of(ledger.owner, len(events))] == [first]


async def test_the_first_intent_stays_the_first(ledger: Ledger) -> None:
    await ledger.commands.register(ENTRY)
    async with ledger.commands.alone(ENTRY.account):
        await ledger.commands.record_intent(ENTRY, 1, 1_500, durable=False)
    async with ledger.commands.alone(ENTRY.account):
        await ledger.commands.record_intent(ENTRY, 2, 1_700, durable=False)
    record = await ledger.commands.find("c-1")
    assert record is not None
    assert (record.intended, record.attempts) == (1_500, 2)


async def test_a_finished_command_stays_as_it_is(ledger: Ledger) -> None:
    await ledger.commands.register(ENTRY)
    await ledger.commands.finish("c-1", ENDING)
    with pytest.raises(StaleWrite):
        await ledger.commands.finish("c-1", replace(ENDING, outcome="unknown"))
    with pytest.raises(StaleWrite):
        async with ledger.commands.alone(ENTRY.account):
            await ledger.commands.record_intent(ENTRY, 1, 3_000, durable=False)
    assert await ledger.outbox.size() == 1


async def test_who_was_superseded_can_neither_send_nor_tell(ledger: Ledger, other: Ledger) -> None:
    await ledger.commands.register(ENTRY)
    record = await other.commands.find("c-1")
    assert record is not None
    await other.commands.take_over(record)
    with pytest.raises(StaleWrite):
        async with ledger.commands.alone(ENTRY.account):
            await ledger.commands.record_intent(ENTRY, 1, 1_500, durable=False)
    with pytest.raises(StaleWrite):
        await ledger.commands.finish("c-1", ENDING)
    with pytest.raises(StaleWrite):
        await ledger.commands.take_over(record)
    assert await ledger.outbox.size() == 0
    await other.commands.finish("c-1", ENDING)
    assert [waiting.event for waiting in await other.outbox.of(other.owner, 10)] == [EVENT]


@pytest.mark.parametrize("scope", ["all", "exchange:binance", "account:a-1"])
async def test_nothing_is_intended_in_a_frozen_scope(ledger: Ledger, other: Ledger, scope: str) -> None:
    await ledger.commands.register(ENTRY)
    await other.freezes.freeze(Freeze(scope, "audit", "ann", 1), EVENT)
    with pytest.raises(StaleWrite):
        async with ledger.commands.alone(ENTRY.account):
            await ledger.commands.record_intent(ENTRY, 1, 1_500, durable=False)
    noted = await ledger.commands.register(replace(ENTRY, id="c-2"))
    assert noted.freeze == Freeze(scope, "audit", "ann", 1)
    assert await ledger.freezes.of("binance", "a-1") == noted.freeze


@pytest.mark.parametrize("scope", ["exchange:okx", "account:a-2"])
async def test_a_freeze_reaches_no_further_than_its_scope(ledger: Ledger, scope: str) -> None:
    await ledger.freezes.freeze(Freeze(scope, "audit", None, 1), EVENT)
    assert (await ledger.commands.register(ENTRY)).freeze is None
    async with ledger.commands.alone(ENTRY.account):
        await ledger.commands.record_intent(ENTRY, 1, 1_500, durable=False)


async def test_every_change_of_a_freeze_is_an_event_and_an_audit_row(ledger: Ledger) -> None:
    freeze = Freeze("all", "audit", "ann", 1)
    await ledger.freezes.freeze(freeze, EVENT)
    with pytest.raises(StaleWrite):
        await ledger.freezes.freeze(replace(freeze, reason="once more"), EVENT)
    assert await ledger.freezes.all() == [freeze]
    await ledger.freezes.unfreeze(replace(freeze, actor="bob", since=2, reason=""), EVENT)
    with pytest.raises(StaleWrite):
        await ledger.freezes.unfreeze(freeze, EVENT)
    audited = await ledger.audit.newest(10)
    assert [(row.actor, row.action, row.subject) for row in audited] == [
        ("bob", "unfreeze", "all"),
        ("ann", "freeze", "all"),
    ]
    assert (await ledger.outbox.size(), await ledger.freezes.all()) == (2, [])


async def test_a_write_is_kept_whole_or_not_at_all(database: Database) -> None:
    insert = "INSERT INTO audit (at, action, subject, details) VALUES ($1, 'a', 's', '{}')"
    missing = Statement("DELETE FROM freezes WHERE scope = $1 RETURNING scope", ("nowhere",), must_match=True)
    with pytest.raises(StaleWrite):
        await database.write(Statement(insert, (1,)), missing)
    count = Statement("SELECT COUNT(*) FROM audit")
    assert await database.read(count) == [(0,)]
    outcomes = await asyncio.gather(
        *(database.write(Statement(insert, (number,))) for number in range(50)),
        *(database.write(Statement(insert, (number,)), missing) for number in range(50)),
        database.write(Statement("INSERT INTO audit (at) VALUES ($1)", (1,))),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[:100]] == [list] * 50 + [StaleWrite] * 50
    assert isinstance(outcomes[100], Exception)
    assert await database.read(count) == [(50,)]


async def test_an_accounts_lock_is_one_workers(ledger: Ledger, other: Ledger) -> None:
    async with ledger.commands.alone("a-1"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), other.commands.alone("a-1"):
                raise AssertionError("two workers hold one account")
        async with asyncio.timeout(40), other.commands.alone("a-2"):
            pass
    async with asyncio.timeout(40), other.commands.alone("a-1"):
        pass


async def is_gone(ledger: Ledger, owner: str) -> bool:
    async with ledger.gone(owner) as gone:
        return gone


HOLDER = """
import asyncio, sys
from worker.ledger.ledger import open_ledger
from worker.messages.wire import Outgoing
async def main():
    async with open_ledger(sys.argv[1]) as ledger, ledger.commands.alone("a-1"):
        await ledger.outbox.add(Outgoing("e", "t", "k", "{}"), 1)
        print(ledger.owner, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_who_waits_for_an_account_comes_before_its_holders_next_time(ledger: Ledger, other: Ledger) -> None:
    held: list[str] = []

    async def hold(side: Ledger, name: str) -> None:
        async with side.commands.alone("a-1"):
            held.append(name)

    async with ledger.commands.alone("a-1"):
        waiting = asyncio.create_task(hold(other, "who waited"))
        async with asyncio.timeout(40):
            while await is_free(ledger, "turn for account:a-1"):  # noqa: ASYNC110 - the other one takes it
                await asyncio.sleep(0)
    for _ in range(3):
        await hold(ledger, "who had it")
    await waiting
    assert held == ["who waited", *["who had it"] * 3]


async def is_free(ledger: Ledger, name: str) -> bool:
    async with ledger.database.try_lock(name) as held:
        return held


async def test_whoever_is_cancelled_while_taking_a_lock_leaves_nothing_locked(ledger: Ledger, other: Ledger) -> None:
    async def hold() -> None:
        async with ledger.commands.alone("a-1"):
            pass

    for moment in range(40):
        taking = asyncio.create_task(hold())
        await asyncio.sleep(moment / 20_000)  # from before the question to behind the answer
        taking.cancel()
        await asyncio.wait([taking])
        assert await is_free(other, "account:a-1")
        assert await is_free(other, "turn for account:a-1")


async def test_what_a_killed_worker_held_is_free_at_once(ledger: Ledger, ledger_url: str) -> None:
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, ledger_url), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    owner = (await holder.stdout.readline()).decode().strip()
    async with ledger.gone(owner) as gone:
        assert not gone
    os.kill(holder.pid, signal.SIGKILL)
    await holder.wait()
    async with asyncio.timeout(40), ledger.commands.alone("a-1"):
        pass
    async with asyncio.timeout(40):
        while not await is_gone(ledger, owner):  # noqa: ASYNC110 - its absence tells nobody
            await asyncio.sleep(0.02)
    assert [waiting.event.id for waiting in await ledger.outbox.of(owner, 10)] == ["e"]
    assert await ledger.outbox.owners() == [owner]


async def test_snapshots_of_an_account_are_counted_without_gaps(ledger: Ledger, other: Ledger) -> None:
    assert await ledger.snapshots.newest("a-1") is None
    await ledger.snapshots.keep(Kept("a-1", 1, 10, "{}"), [EVENT])
    for late in (Kept("a-1", 1, 11, "{}"), Kept("a-1", 3, 11, "{}")):
        with pytest.raises(StaleWrite):
            await other.snapshots.keep(late, [EVENT])
    await other.snapshots.keep(Kept("a-1", 2, 12, '{"n":2}'), [EVENT, EVENT])
    assert await ledger.snapshots.newest("a-1") == Kept("a-1", 2, 12, '{"n":2}')
    assert await ledger.outbox.size() == 3


async def test_that_an_account_was_asked_again_is_noted_at_its_newest_snapshot_alone(
    ledger: Ledger, other: Ledger
) -> None:
    first = Kept("a-1", 1, 10, "{}")
    await ledger.snapshots.keep(first, [EVENT])
    await other.snapshots.unchanged(first, 20)
    assert await ledger.snapshots.newest("a-1") == Kept("a-1", 1, 20, "{}")
    await ledger.snapshots.keep(Kept("a-1", 2, 30, "{}"), [EVENT])
    await other.snapshots.unchanged(first, 40)
    assert await ledger.snapshots.newest("a-1") == Kept("a-1", 2, 30, "{}")
    assert await ledger.outbox.size() == 2


async def test_overdue_commands_are_those_that_nobody_finished(ledger: Ledger) -> None:
    for number in range(3):
        await ledger.commands.register(replace(ENTRY, id=f"c-{number}", deadline=1_000 * number))
    await ledger.commands.finish("c-0", ENDING)
    assert [record.entry.id for record in await ledger.command_list.overdue(2_000, 10)] == ["c-1"]


async def test_the_commands_since_a_moment_are_those_that_may_explain_a_change(ledger: Ledger) -> None:
    for number, finished in enumerate((500, 2_000, None)):
        entry = replace(ENTRY, id=f"c-{number}", request=f"{number}")
        await ledger.commands.register(entry)
        async with ledger.commands.alone(entry.account):
            await ledger.commands.record_intent(entry, 1, 400, durable=False)
        if finished is not None:
            await ledger.commands.finish(entry.id, replace(ENDING, finished=finished))
    await ledger.commands.register(replace(ENTRY, id="never sent", request="never sent"))
    assert sorted(change.request for change in await ledger.sent_changes.since("a-1", 1_000)) == ["1", "2"]


async def test_of_commands_that_asked_for_the_same_no_more_is_read_than_tells_what_they_did(ledger: Ledger) -> None:
    for number, (operation, outcome) in enumerate(
        (
            ("set_leverage", "applied"),
            ("set_leverage", "applied"),
            ("set_leverage", "rejected"),
            ("set_margin_mode", "applied"),
        )
    ):
        entry = replace(ENTRY, id=f"c-{number}", operation=operation)
        await ledger.commands.register(entry)
        async with ledger.commands.alone(entry.account):
            await ledger.commands.record_intent(entry, 1, 400, durable=False)
        await ledger.commands.finish(entry.id, replace(ENDING, outcome=outcome))
    found = {(change.operation, change.outcome): change for change in await ledger.sent_changes.since("a-1", 1)}
    assert len(found) == len(await ledger.sent_changes.since("a-1", 1)) == 3
    assert {key for key, change in found.items() if change.reply is not None} == {("set_leverage", "rejected")}
    assert {key for key, change in found.items() if change.event is not None} == {("set_margin_mode", "applied")}


async def test_retention_forgets_what_is_finished_and_nothing_else(ledger: Ledger) -> None:
    for number in range(5):
        await ledger.commands.register(replace(ENTRY, id=f"c-{number}"))
        if number < 4:
            await ledger.commands.finish(f"c-{number}", replace(ENDING, finished=1_000 * number))
    assert await ledger.commands.forget(2_500, 2) == 2
    assert await ledger.commands.forget(2_500, 2) == 1
    known = [await ledger.commands.find(f"c-{number}") is not None for number in range(5)]
    assert known == [False, False, False, True, True]
    assert (await ledger.commands.register(replace(ENTRY, id="c-0"))).is_new


async def test_a_file_that_is_written_to_all_the_time_keeps_a_short_log(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with open_ledger(f"sqlite:///{path}") as ledger:

        async def carry_out(engine: int) -> None:
            for number in range(500):
                entry = replace(ENTRY, id=f"{engine}-{number}")
                await ledger.commands.register(entry)
                await ledger.commands.record_intent(entry, 1, 1_500, durable=True)
                position = await ledger.commands.finish(entry.id, ENDING)
                assert position is not None
                await ledger.outbox.confirmed(position)

        longest = 0
        for round_of_engines in range(4):
            await asyncio.gather(*(carry_out(2 * round_of_engines + side) for side in range(2)))
            longest = max(longest, path.with_name("ledger.db-wal").stat().st_size)
        applied = Statement("SELECT COUNT(*) FROM commands WHERE outcome = 'applied'")
        assert await ledger.database.read(applied) == [(4_000,)]
    assert longest < 30_000_000  # a fraction of what was written


async def test_a_ledger_opened_by_many_at_once_is_made_once(ledger_url: str) -> None:
    opened = await asyncio.gather(*(open_database(ledger_url) for _ in range(12)))
    steps = len(migrations.missing(0, "", ""))
    versions = await opened[0].read(Statement("SELECT version FROM schema_version ORDER BY version"))
    assert versions == [(number,) for number in range(1, steps + 1)]
    for database in opened:
        await database.close()


async def test_a_ledger_of_a_newer_program_is_refused(ledger_url: str, database: Database) -> None:
    await database.write(Statement("INSERT INTO schema_version (version) VALUES ($1)", (1_000,)))
    with pytest.raises(LedgerTooNew, match="schema version 1000, and this program knows versions up to"):
        await open_database(ledger_url)


OLDER = 2
"""The version of a ledger of an older program."""


def older_sqlite(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
        for number, statements in migrations.missing(0, sqlite.IDENTITY, "here")[:OLDER]:
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
        connection.commit()
    return f"sqlite:///{path}"


async def older_postgres(server: PostgresServer) -> str:
    url = await server.database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
    for number, statements in migrations.missing(0, postgres.IDENTITY, "here", database="postgresql")[:OLDER]:
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("INSERT INTO schema_version (version) VALUES ($1)", number)
    await connection.close()
    return url


async def test_a_ledger_of_an_older_program_is_brought_up_to_date(
    ledger_server: PostgresServer | None, tmp_path: Path
) -> None:
    url = await older_postgres(ledger_server) if ledger_server else older_sqlite(tmp_path / "older.db")
    later = await open_database(url)
    assert await later.read(Statement("SELECT COUNT(*) FROM snapshots")) == [(0,)]
    newest = len(migrations.missing(0, "", ""))
    assert await later.read(Statement("SELECT MAX(version) FROM schema_version")) == [(newest,)]
    await later.close()


async def test_a_ledger_that_is_not_to_be_had_says_so_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for url in (f"sqlite:///{tmp_path / 'file' / 'ledger.db'}", "postgresql://dma:hush@127.0.0.1:1/dma"):
        with pytest.raises((LedgerUnavailable, OSError)) as raised:
            await open_database(url)
        assert "hush" not in str(raised.value)


async def test_a_url_of_another_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="sqlite:/// or postgresql://"):
        await open_database("mysql://localhost/dma")
