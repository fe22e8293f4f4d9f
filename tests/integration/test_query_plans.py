"""No statement of the ledger costs more because more is kept: none passes over a whole table that grows.

Every public call of the ledger is made on a full one, and the plan of each statement that it ran is looked at. A call
that is added and not made here fails the test.
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from schemas.control import StreamHealth
from tests.integration.test_ledger import ENDING, ENTRY, EVENT
from tests.support.postgres import PostgresServer
from worker.execution.aftermath.recovery import BATCH, Retention
from worker.ledger.audit import Audited, AuditTrail
from worker.ledger.command_list import CommandList
from worker.ledger.commands import Commands
from worker.ledger.epoch import Contents, Epoch
from worker.ledger.freezes import Freeze, Freezes
from worker.ledger.ledger import Ledger, open_database, open_ledger
from worker.ledger.observed.margin_readings import MarginReadings
from worker.ledger.observed.newest import Kept
from worker.ledger.observed.owed_snapshots import OwedSnapshots
from worker.ledger.observed.pushed_drifts import PushedDrift, PushedDrifts
from worker.ledger.observed.snapshots import SnapshotLog
from worker.ledger.observed.stream_leases import Lease, StreamLeases
from worker.ledger.outbox import Outbox
from worker.ledger.sent_changes import SentChanges
from worker.ledger.sql.database import Database, Latch, Row, Statement
from worker.ledger.sweep_slots import SweepSlots
from worker.ledger.terms.kept_terms import Keeping, KeptTerms, Mend
from worker.ledger.terms.terms_applies import TermsApplies, TermsApply
from worker.ledger.unresolved import Doubts, Setting
from worker.runtime.clock import now

COMMANDS, AUDITED = 200_000, 20_000
GROWS = ("commands", "audit")
FILL = (
    # Finished commands of 1,000 accounts, one a second, and as many rows of the audit as a busy month leaves.
    f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COMMANDS})
    INSERT INTO commands (id, operation, exchange, account, fingerprint, request, received, deadline, owner, attempts,
                          intended, finished, outcome, status, reply, headers, event)
    SELECT 'old-' || i, 'set_leverage', 'binance', 'a-' || (i % 1000), 'f', '{{}}', i * 1000, i * 1000 + 10000, 'gone',
           1, i * 1000, i * 1000 + 5, 'applied', 200, '{{}}', '{{}}', '{{}}' FROM n""",
    f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {AUDITED})
    INSERT INTO audit (at, actor, action, subject, details, previous, hash)
    SELECT i * 1000, 'ann', 'denied', 's', '{{}}', 'before', 'its own' FROM n""",
    "UPDATE audit_chain SET position = (SELECT MAX(position) FROM audit)",
)


class Recorded:
    """A database that keeps every statement it was given."""

    def __init__(self, database: Database) -> None:
        self.statements: dict[str, Statement] = {}
        self._database = database

    async def write(
        self, *statements: Statement, durable: bool = True, latch: Latch | None = None, holding: str | None = None
    ) -> list[list[Row]]:
        self.statements |= {statement.sql: statement for statement in statements}
        return await self._database.write(*statements, durable=durable, latch=latch, holding=holding)

    async def read(self, statement: Statement) -> list[Row]:
        self.statements[statement.sql] = statement
        return await self._database.read(statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


@pytest.fixture
async def full(ledger_url: str, ledger_server: PostgresServer | None) -> AsyncIterator[Recorded]:
    database = await open_database(ledger_url)
    if ledger_server:  # which looks at its tables by itself, now and then; SQLite does when it is told to
        connection = await asyncpg.connect(ledger_url)
        for statement in (*FILL, "ANALYZE"):
            await connection.execute(statement)
        await connection.close()
    else:
        for statement in FILL:
            await database.write(Statement(statement))
    yield Recorded(database)
    await database.close()


Calls = Mapping[str, Callable[[], Awaitable[object]]]
FREEZE = Freeze("account:a-1", "drill", "ann", 1)
SETTING = Setting("a-1", "set_leverage", "s")
APPLY = TermsApply("c-2", "a-1", "w-1", "[]", 1)
KEEPING = Keeping("a-1", "binance", 1, "{}", "ann", 1, 1)
SUSPENDED = Audited(8, "keeper", "suspend_terms", "a-1", {"reason": "drill"})
AUDIT = Audited(7, "ann", "denied", "s", {})
LEASE = Lease("a-1", "w-1", StreamHealth.LIVE, 1, None)
PUSHED = PushedDrift("a-1", "s", "long", "5", "cross", 1)


def every_call(ledger: Ledger) -> dict[type, Calls]:
    """Each public call of each part of the ledger."""

    async def adopted() -> None:
        record = await ledger.commands.find("c-1")
        assert record is not None
        await ledger.commands.take_over(record)

    async def begun() -> None:
        await ledger.commands.register(replace(ENTRY, id=APPLY.command))
        await ledger.applies.begin(APPLY, EVENT)

    async def keep_margin() -> None:
        await ledger.margin.keep(Kept("a-1", 1, 1, "{}"), [EVENT], ledger.epoch.number)

    async def put_off() -> None:
        await ledger.doubts.put_off(await ledger.doubts.of("a-1"), 2)

    async def resolve() -> None:
        (doubt,) = await ledger.doubts.of("a-1")
        await ledger.doubts.resolve(doubt, EVENT, "{}", 2, read=2)

    return {
        Commands: {
            "register": lambda: ledger.commands.register(ENTRY),
            "find": lambda: ledger.commands.find("c-1"),
            "found": lambda: ledger.commands.found("c-1"),
            "take_over": adopted,
            "record_intent": lambda: ledger.commands.record_intent(ENTRY, 1, 5, durable=True),
            "over_elsewhere": lambda: ledger.commands.over_elsewhere("old-1"),
            "finish": lambda: ledger.commands.finish("c-1", replace(ENDING, outcome="unknown"), SETTING),
            "forget": lambda: ledger.commands.forget(1_500, 100),
        },
        CommandList: {
            "under_way": lambda: ledger.command_list.under_way("account:a-1", 10),
            "overdue": lambda: ledger.command_list.overdue(20_000, 10),
            "unfinished": lambda: ledger.command_list.unfinished(100),
            "finished_before": lambda: ledger.command_list.finished_before((2**62, "x"), 100),
            "of_ids": lambda: ledger.command_list.of_ids(("c-1", "old-1")),
        },
        SentChanges: {"since": lambda: ledger.sent_changes.since("a-1", (COMMANDS - 5_000) * 1_000)},
        Outbox: {
            "add": lambda: ledger.outbox.add(EVENT, 1),
            "of": lambda: ledger.outbox.of("gone", 10),
            "owners": ledger.outbox.owners,
            "oldest": ledger.outbox.oldest,
            "position_of": lambda: ledger.outbox.position_of(EVENT),
            "holds": lambda: ledger.outbox.holds(EVENT.id),
            "size": ledger.outbox.size,
            "confirmed": lambda: ledger.outbox.confirmed(1, 2),
        },
        Freezes: {
            "freeze": lambda: ledger.freezes.freeze(FREEZE, EVENT),
            "all": ledger.freezes.all,
            "of": lambda: ledger.freezes.of("binance", "a-1"),
            "unfreeze": lambda: ledger.freezes.unfreeze(FREEZE, EVENT),
        },
        AuditTrail: {
            "note": lambda: ledger.audit.note(AUDIT, EVENT),
            "adopt": lambda: ledger.audit.adopt(AUDIT),
            "newest": lambda: ledger.audit.newest(50),
            "after": lambda: ledger.audit.after(5, 50),
            "head": ledger.audit.head,
            "forget": lambda: ledger.audit.forget(10_000, 100, 20_000),
        },
        SnapshotLog: {
            "keep": lambda: ledger.snapshots.keep(Kept("a-1", 1, 1, "{}"), [EVENT]),
            "newest": lambda: ledger.snapshots.newest("a-1"),
            "all": ledger.snapshots.all,
            "seen": ledger.snapshots.seen,
            "unchanged": lambda: ledger.snapshots.unchanged(Kept("a-1", 1, 1, "{}"), 2),
        },
        MarginReadings: {
            "keep": keep_margin,
            "newest": lambda: ledger.margin.newest("a-1"),
            "all": ledger.margin.all,
        },
        PushedDrifts: {
            "tell": lambda: ledger.pushed_drifts.tell([PUSHED], EVENT, 1),
            "waiting": lambda: ledger.pushed_drifts.waiting("a-1", 1),
            "correct": lambda: ledger.pushed_drifts.correct(PUSHED, EVENT, 2),
            "confirm": lambda: ledger.pushed_drifts.confirm([PUSHED]),
        },
        StreamLeases: {
            "beat": lambda: ledger.streams.beat(1),
            "workers": ledger.streams.workers,
            "add": lambda: ledger.streams.add(["a-1", "a-2"], 1),
            "all": ledger.streams.all,
            "take": lambda: ledger.streams.take({"a-1": None, "a-2": None}),
            "tell": lambda: ledger.streams.tell(LEASE, EVENT),
            "give": lambda: ledger.streams.give(["a-2"], "w-2", 2),
            "leave": lambda: ledger.streams.leave(3, [EVENT]),
            "forget": lambda: ledger.streams.forget("w-2", 3),
            "remove": lambda: ledger.streams.remove(["a-2"]),
        },
        SweepSlots: {
            "begin": lambda: ledger.sweep_slots.begin("a-1", "daily 00:05", 1),
            "over": lambda: ledger.sweep_slots.over("a-1", "daily 00:05", 2, AUDIT, EVENT),
            "forget": lambda: ledger.sweep_slots.forget("a-1", "daily 00:05"),
        },
        Doubts: {
            "ended_by": lambda: ledger.doubts.ended_by(SETTING, "applied"),
            "all": ledger.doubts.all,
            "of": lambda: ledger.doubts.of("a-1"),
            "of_command": lambda: ledger.doubts.of_command("c-1"),
            "next_looks": ledger.doubts.next_looks,
            "put_off": put_off,
            "resolve": resolve,
            "oldest": ledger.doubts.oldest,
            "forget": lambda: ledger.doubts.forget(1),
        },
        OwedSnapshots: {
            "settle": lambda: ledger.owed.settle(("c-1",)),
            "owners": ledger.owed.owners,
            "ours": lambda: ledger.owed.ours(10),
            "take_over": lambda: ledger.owed.take_over("gone"),
            "oldest": ledger.owed.oldest,
            "forget": lambda: ledger.owed.forget(1),
        },
        TermsApplies: {
            "begin": begun,
            "find": lambda: ledger.applies.find(APPLY.command),
            "of_account": lambda: ledger.applies.of_account("a-1"),
            "owners": ledger.applies.owners,
            "ours": ledger.applies.ours,
            "take_over": lambda: ledger.applies.take_over("gone"),
            "tell": lambda: ledger.applies.tell(APPLY.command, "{}", EVENT, 1),
            "cancel": lambda: ledger.applies.cancel(APPLY.command, 1, "ann"),
            "drop": lambda: ledger.applies.drop("gone"),
        },
        KeptTerms: {
            "keep": lambda: ledger.kept.keep(KEEPING, AUDIT, EVENT),
            "all": ledger.kept.all,
            "of": lambda: ledger.kept.of("a-1"),
            "due": lambda: ledger.kept.due(2),
            "looked_at": lambda: ledger.kept.looked_at(KEEPING, 1, 2, None, 0),
            "mended": lambda: ledger.kept.mended(KEEPING, [Mend("s", "leverage", 1, "c-1", 0)]),
            "mends_of": lambda: ledger.kept.mends_of("a-1", 0),
            "forget": lambda: ledger.kept.forget(1),
            "suspend": lambda: ledger.kept.suspend(KEEPING, SUSPENDED, EVENT),
            "drop": lambda: ledger.kept.drop("a-1", AUDIT, EVENT),
        },
        Epoch: {
            "look": ledger.epoch.look,
            "proven": ledger.epoch.proven,
            "recorded": ledger.epoch.recorded,
            "take_at_its_word": ledger.epoch.take_at_its_word,
            "begin": lambda: ledger.epoch.begin(9, [EVENT], 1),
            "lacks": lambda: ledger.epoch.lacks(Contents(frozenset({"old-1"}), {"a-1": 1})),
        },
    }


def public_calls(part: type) -> set[str]:
    """The names of what a part of the ledger can be asked for."""
    return {name for name, _ in inspect.getmembers(part, inspect.iscoroutinefunction) if not name.startswith("_")}


async def test_no_statement_passes_over_a_table_that_grows(
    full: Recorded, ledger_url: str, ledger_server: PostgresServer | None
) -> None:
    ledger = Ledger(full, "w-1")
    parts = {type(part) for name, part in vars(ledger).items() if name not in {"database", "patience"}}
    assert {part for part in parts if public_calls(part)} == set(every_call(ledger))
    for part, calls in every_call(ledger).items():
        assert public_calls(part) == set(calls), f"{part.__name__} has calls that are not made here"
        for call in calls.values():
            await call()
    plans = await _postgres_plans(ledger_url, full) if ledger_server else await sqlite_plans(full)
    assert len(plans) > 25
    assert {sql: plan for sql, plan in plans.items() if plan} == {}
    if not ledger_server:
        await full._database.write(Statement("ANALYZE"))
        assert {sql: plan for sql, plan in (await sqlite_plans(full)).items() if plan} == {}


async def sqlite_plans(full: Recorded) -> dict[str, list[str]]:
    """The scans of growing tables in the plan of each statement; to read the first few rows in order is none."""
    plans = {}
    for sql, statement in full.statements.items():
        rows = await full._database.read(Statement(f"EXPLAIN QUERY PLAN {sql}", statement.values))
        steps = [str(row[3]) for row in rows]
        in_order = " WHERE " not in sql and sql.endswith("LIMIT $1") and not any("TEMP B-TREE" in row for row in steps)
        scans = (step for step in steps if step.startswith("SCAN ") and step.split()[1] in GROWS)
        plans[sql] = [] if in_order else list(scans)
    return plans


async def _postgres_plans(url: str, full: Recorded) -> dict[str, list[str]]:
    connection = await asyncpg.connect(url)
    try:
        plans = {}
        for sql, statement in full.statements.items():
            document = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *statement.values)
            plans[sql] = list(_scans(json.loads(document)[0]["Plan"]))
        return plans
    finally:
        await connection.close()


def _scans(plan: dict[str, Any]) -> Any:
    if plan["Node Type"] == "Seq Scan" and plan.get("Relation Name") in GROWS:
        yield f"Seq Scan on {plan['Relation Name']}"
    for below in plan.get("Plans", ()):
        yield from _scans(below)


async def test_retention_gives_the_loop_back_between_small_batches(ledger_url: str) -> None:
    batches, turns, over = 20, 0, asyncio.Event()
    async with open_ledger(ledger_url) as ledger:
        await ledger.database.write(Statement(FILL[0].replace(str(COMMANDS), str(batches * BATCH))))

        async def others() -> None:
            nonlocal turns
            while not over.is_set():
                turns += 1
                await asyncio.sleep(0)

        running = asyncio.create_task(others())
        assert await Retention(ledger, 1, 1, now).clean() == batches * BATCH
        over.set()
        await running
        assert turns > batches
