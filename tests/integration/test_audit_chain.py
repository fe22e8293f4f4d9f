"""The audit is a chain: several writers make one, and whatever is done to a record behind its back shows."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

import asyncpg
import pytest

from schemas.audit.chain import BEGINNING, GENESIS, Chain, ChainBroken, ChainRecord, Link
from tests.support.postgres import PostgresServer
from worker.console.audit.archive import beginning_of, record_of
from worker.ledger import migrations
from worker.ledger.audit import Audited, audit_rows
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger, open_ledger
from worker.ledger.postgres import database as postgres_database
from worker.ledger.sql.database import Statement
from worker.ledger.sql.errors import StaleWrite
from worker.ledger.sqlite import database as sqlite_database
from worker.messages.wire import Outgoing
from worker.runtime.errors import OperatorError

EVENT = Outgoing("e", "perps-dma.denial.v1", "control.denial", "{}")


def said(number: int, actor: str | None = "ann") -> Audited:
    return Audited(
        1_000 + number, actor, "denial", f"set_leverage {number}", {"reason": "Geschäft 🙂", "count": number}
    )


async def written(ledger: Ledger, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        await ledger.audit.note(said(number, None if number % 3 == 0 else "ann"), EVENT)


async def proved(ledger: Ledger, page: int = 3, anchors: tuple[Link, ...] = ()) -> Chain:
    """The chain as it stands, read in pages. Raises ChainBroken."""
    chain, after = Chain(anchors), 0
    while True:
        head = await ledger.audit.head()
        if not (rows := await ledger.audit.after(after, page)):
            chain.end_at(head)
            chain.end()
            return chain
        for row in rows:
            chain.add(row)
        after = rows[-1].position


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as ledger:
        yield ledger


async def test_an_empty_audit_is_a_chain_that_begins(ledger: Ledger) -> None:
    assert await ledger.audit.head() == BEGINNING
    assert (await proved(ledger)).count == 0


async def test_each_record_holds_the_hash_of_the_one_before(ledger: Ledger) -> None:
    await written(ledger, 7)
    await ledger.freezes.freeze(Freeze("all", "audit", "ann", 5), EVENT)
    chain = await proved(ledger)
    assert (chain.count, chain.is_whole, chain.last) == (8, True, await ledger.audit.head())
    rows = await ledger.audit.after(0, 100)
    assert [row.position for row in rows] == list(range(1, 9))
    assert [row.previous for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]


async def test_workers_that_write_at_once_make_one_chain(ledger_url: str) -> None:
    workers, each = 4, 25

    async def write(number: int) -> None:
        async with open_ledger(ledger_url) as ledger:
            for row in range(each):
                if row % 5 == 0:
                    freeze = Freeze(f"account:{number}-{row}", "audit", "ann", row)
                    await ledger.freezes.freeze(freeze, EVENT)
                else:
                    await written(ledger, 1, first=1_000 * number + row)

    await asyncio.gather(*map(write, range(workers)))
    async with open_ledger(ledger_url) as ledger:
        chain = await proved(ledger, page=7)
        assert (chain.count, chain.last) == (workers * each, Link.model_validate(chain.last))
        assert [row.position for row in await ledger.audit.after(0, 1_000)] == list(range(1, workers * each + 1))


async def test_the_same_record_from_two_workers_at_once_is_one(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as one, open_ledger(ledger_url) as other:
        for number in range(20):
            writes = (ledger.audit.note(said(number), EVENT) for ledger in (one, other))
            ended = await asyncio.gather(*writes, return_exceptions=True)
            assert sorted(isinstance(end, StaleWrite) for end in ended) == [False, True]
        assert (await proved(one)).count == 20


async def test_a_write_that_is_taken_back_leaves_no_trace_in_the_chain(ledger: Ledger) -> None:
    await written(ledger, 1)
    with pytest.raises(StaleWrite):
        await ledger.database.write(*audit_rows(said(2)), Statement("DELETE FROM freezes RETURNING scope", (), True))
    await written(ledger, 1, first=3)
    assert (await proved(ledger)).count == 2


TAMPERED: dict[str, tuple[str, int]] = {
    "at": ("UPDATE audit SET at = at + 1 WHERE position = 4", 4),
    "actor": ("UPDATE audit SET actor = 'eve' WHERE position = 4", 4),
    "no actor": ("UPDATE audit SET actor = NULL WHERE position = 4", 4),
    "an actor where there was none": ("UPDATE audit SET actor = '' WHERE position = 6", 6),
    "action": ("UPDATE audit SET action = 'unfreeze' WHERE position = 4", 4),
    "subject": ("UPDATE audit SET subject = 'set_margin_mode' WHERE position = 4", 4),
    "details": ("UPDATE audit SET details = '{\"count\": 4}' WHERE position = 4", 4),
    "a blank in the details": ("UPDATE audit SET details = details || ' ' WHERE position = 4", 4),
    "text from one field to the next": (
        "UPDATE audit SET action = action || 's', subject = 'et_leverage 4' WHERE position = 4",
        4,
    ),
    "previous": ("UPDATE audit SET previous = hash WHERE position = 4", 4),
    "hash": (f"UPDATE audit SET hash = '{'f' * 64}' WHERE position = 4", 4),
    "no hash": ("UPDATE audit SET hash = NULL WHERE position = 4", 4),
    "position": ("UPDATE audit SET position = 99 WHERE position = 7", 99),
    "deleted": ("DELETE FROM audit WHERE position = 4", 5),
    "deleted at the beginning": ("DELETE FROM audit WHERE position <= 2", 3),
    "deleted at the end": ("DELETE FROM audit WHERE position = 7", 7),
    "all deleted": ("DELETE FROM audit", 7),
    "put in": (
        "INSERT INTO audit (position, at, action, subject, details, previous, hash) "
        "SELECT 8, at, action, subject, details, hash, hash FROM audit WHERE position = 7",
        8,
    ),
    "head": (f"UPDATE audit_chain SET hash = '{'f' * 64}'", 7),
    "head moved back": ("UPDATE audit_chain SET position = 3, hash = (SELECT hash FROM audit WHERE position = 3)", 3),
}


async def first_broken(ledger: Ledger) -> int | None:
    """The first record that shows that the chain is not whole."""
    try:
        chain = await proved(ledger)
    except ChainBroken as broken:
        return broken.position
    return None if chain.is_whole or chain.begins is None else chain.begins.position + 1


@pytest.mark.parametrize(("tamper", "position"), TAMPERED.values(), ids=TAMPERED)
async def test_what_is_tampered_with_shows_and_so_does_where(ledger: Ledger, tamper: str, position: int) -> None:
    await written(ledger, 7)
    assert (await proved(ledger)).is_whole
    await ledger.database.write(Statement(tamper))
    assert await first_broken(ledger) == position


async def test_two_records_that_change_places_show(ledger: Ledger) -> None:
    await written(ledger, 5)
    for move in ("99 WHERE position = 2", "2 WHERE position = 4", "4 WHERE position = 99"):
        await ledger.database.write(Statement(f"UPDATE audit SET position = {move}"))
    with pytest.raises(ChainBroken, match="record 2"):
        await proved(ledger)


async def test_a_cut_at_the_end_shows_against_an_anchor_even_when_the_head_was_made_to_fit(ledger: Ledger) -> None:
    await written(ledger, 5)
    anchor = await ledger.audit.head()
    await ledger.database.write(
        Statement("DELETE FROM audit WHERE position > 3"),
        Statement("UPDATE audit_chain SET position = 3, hash = (SELECT hash FROM audit WHERE position = 3)"),
    )
    assert (await proved(ledger)).is_whole  # by itself it can't know
    with pytest.raises(ChainBroken, match=r"record 5: the anchor is .*the end is gone"):
        await proved(ledger, anchors=(anchor,))
    await written(ledger, 3, first=50)  # and neither does it help to write others in their place
    with pytest.raises(ChainBroken, match=r"record 5: its hash is .*the anchor says"):
        await proved(ledger, anchors=(anchor,))


class TestRetention:
    async def test_what_is_left_begins_at_a_checkpoint(self, ledger: Ledger) -> None:
        await written(ledger, 10)
        assert await ledger.audit.forget(1_005, 100, 2_000) == 4
        chain = await proved(ledger)
        assert (chain.is_whole, chain.count, chain.begins) == (True, 7, Link(position=4, hash=chain.begins.hash))  # type: ignore[union-attr]
        (newest,) = await ledger.audit.newest(1)
        assert (newest.action, newest.actor, newest.position) == ("checkpoint", "retention", 11)
        assert json.loads(newest.stored)["records"] == 4

    async def test_again_and_again_and_in_batches(self, ledger: Ledger) -> None:
        await written(ledger, 40)
        while await ledger.audit.forget(1_031, 7, 1_029) == 7:
            assert (await proved(ledger)).is_whole
        assert (await ledger.audit.after(0, 1))[0].position == 31
        # Checkpoints get old as well: they go, but for one, which would only make another.
        for at in range(10_000, 10_005):
            await ledger.audit.forget(at, 7, at)
            assert (await proved(ledger)).is_whole
        rows = await ledger.audit.after(0, 100)
        assert [row.action for row in rows] == ["checkpoint"]

    async def test_a_beginning_that_nobody_has_recorded_is_not_whole(self, ledger: Ledger) -> None:
        await written(ledger, 10)
        await ledger.audit.forget(1_005, 100, 2_000)
        await ledger.database.write(Statement("DELETE FROM audit WHERE position <= 6"))
        assert not (await proved(ledger)).is_whole

    async def test_two_workers_that_clean_at_once_make_one_checkpoint_of_it(self, ledger_url: str) -> None:
        async with open_ledger(ledger_url) as one, open_ledger(ledger_url) as other:
            await written(one, 30)
            cleaned = await asyncio.gather(*(ledger.audit.forget(1_021, 100, 2_000) for ledger in (one, other)))
            assert sorted(cleaned) == [0, 20]
            assert (await proved(one)).count == 11

    async def test_what_is_not_old_enough_keeps_what_follows_it(self, ledger: Ledger) -> None:
        for number in (1, 2, 9, 3):
            await written(ledger, 1, first=number)
        assert await ledger.audit.forget(1_005, 100, 2_000) == 2
        assert (await proved(ledger)).is_whole


SCRIPTS = sorted(file.name for file in files(migrations).iterdir() if file.name.endswith(".sql"))
BEFORE_THE_CHAIN = next(number for number, name in enumerate(SCRIPTS) if "audit_hash" in name)


async def at_an_older_version(url: str, server: PostgresServer | None, rows: int) -> None:
    """A ledger as it was before its audit was a chain, with gaps and what people write."""
    values = ", ".join(
        f"""({2 * number}, {number}, {"NULL" if number % 3 else "'jöhn 🙂'"}, 'freeze', 'all', '{{"reason": "ü"}}')"""
        for number in range(1, rows + 1)
    )
    fill = f"INSERT INTO audit (position, at, actor, action, subject, details) VALUES {values}" if rows else "SELECT 1"
    if server:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
        for number, statements in migrations.missing(
            0, postgres_database.IDENTITY, "", postgres_database.PLACE, "postgresql"
        ):
            for statement in statements if number <= BEFORE_THE_CHAIN else ():
                await connection.execute(statement)
        await connection.execute(f"INSERT INTO schema_version (version) VALUES ({BEFORE_THE_CHAIN})")
        await connection.execute(fill)
        await connection.close()
        return
    with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
        file.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
        for number, statements in migrations.missing(0, sqlite_database.IDENTITY, ""):
            for statement in statements if number <= BEFORE_THE_CHAIN else ():
                file.execute(statement)
        file.execute("INSERT INTO schema_version (version) VALUES (?)", (BEFORE_THE_CHAIN,))
        file.execute(fill)
    file.close()


@pytest.mark.parametrize("rows", [0, 1, 500])
async def test_the_records_of_an_older_ledger_become_the_beginning_of_the_chain(
    ledger_url: str, ledger_server: PostgresServer | None, rows: int
) -> None:
    await at_an_older_version(ledger_url, ledger_server, rows)
    async with open_ledger(ledger_url) as ledger:
        assert (await proved(ledger, page=100)).count == rows
        await written(ledger, 3)
        chain = await proved(ledger, page=100)
        assert (chain.count, chain.is_whole, chain.last) == (rows + 3, True, await ledger.audit.head())


def entry(record: ChainRecord) -> dict[str, Any]:
    return {**record.model_dump(), "details": json.loads(record.stored)}


async def test_archives_of_a_ledger_with_gaps_fit_together(
    ledger_url: str, ledger_server: PostgresServer | None
) -> None:
    await at_an_older_version(ledger_url, ledger_server, 5)  # at positions 2, 4, 6, 8 and 10
    chain = Chain()
    async with open_ledger(ledger_url) as ledger:
        await written(ledger, 2)
        for after in (0, 5, 8, 11):  # which are behind 0, 4, 8 and 11
            entries = [entry(row) for row in await ledger.audit.after(after, 2)]
            chain.begin(beginning_of(after, entries, await ledger.audit.head()))
            for row in entries:
                chain.add(record_of(row))
        assert (chain.is_whole, chain.last, chain.count) == (True, await ledger.audit.head(), 7)
        with pytest.raises(OperatorError, match="there is nothing behind 13"):
            beginning_of(13, [], await ledger.audit.head())


async def test_an_entry_whose_details_are_not_what_is_hashed_is_none(ledger: Ledger) -> None:
    await written(ledger, 1)
    (record,) = await ledger.audit.newest(1)
    assert record_of(entry(record)) == record
    changes: tuple[dict[str, Any], ...] = (
        {"details": {}},
        {"stored": "{}"},
        {"stored": "no JSON"},
        {"stored": None},
        {"position": "1"},
    )
    for change in changes:
        with pytest.raises(ChainBroken):
            record_of({**entry(record), **change})
