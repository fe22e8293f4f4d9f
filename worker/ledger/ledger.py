"""The ledger as the rest of the program knows it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from worker.ledger.audit import AuditTrail
from worker.ledger.command_list import CommandList
from worker.ledger.commands import Commands
from worker.ledger.epoch import Epoch
from worker.ledger.freezes import Freezes
from worker.ledger.observed.margin_readings import MarginReadings
from worker.ledger.observed.owed_snapshots import OwedSnapshots
from worker.ledger.observed.pushed_drifts import PushedDrifts
from worker.ledger.observed.snapshots import SnapshotLog
from worker.ledger.observed.stream_leases import StreamLeases
from worker.ledger.outbox import Outbox
from worker.ledger.owners import Presence
from worker.ledger.patience import Patience
from worker.ledger.postgres.database import PostgresDatabase
from worker.ledger.sent_changes import SentChanges
from worker.ledger.sql.database import KINDS, POSTGRES, SQLITE, Database, Statement
from worker.ledger.sql.errors import LedgerInPlace, LedgerUnavailable
from worker.ledger.sqlite.database import SqliteDatabase
from worker.ledger.sqlite.identity import Remembered
from worker.ledger.sweep_slots import SweepSlots
from worker.ledger.terms.kept_terms import KeptTerms
from worker.ledger.terms.terms_applies import TermsApplies
from worker.ledger.unresolved import Doubts
from worker.telemetry.stages import STAGES, Stage

PROBE_S = 0.7
"""How long a write may take before the ledger counts as one that can't be used. Who asks waits little longer."""


class Ledger:
    """Commands, outbox, freezes, audit and snapshots, on behalf of one worker, its `owner`."""

    def __init__(self, database: Database, owner: str) -> None:
        self.owner = owner
        self.patience = Patience()
        self.doubts = Doubts(database, owner)
        self.epoch = Epoch(database, owner)
        self.commands = Commands(database, owner, self.patience, self.doubts, self.epoch)
        self.command_list = CommandList(database)
        self.sent_changes = SentChanges(database)
        self.outbox = Outbox(database, owner)
        self.freezes = Freezes(database, owner)
        self.audit = AuditTrail(database, owner)
        self.snapshots = SnapshotLog(database, owner, self.epoch)
        self.margin = MarginReadings(database, owner, self.epoch)
        self.owed = OwedSnapshots(database, owner)
        self.kept = KeptTerms(database, owner)
        self.applies = TermsApplies(database, owner)
        self.streams = StreamLeases(database, owner)
        self.sweep_slots = SweepSlots(database, owner)
        self.pushed_drifts = PushedDrifts(database, owner)
        self.presence = Presence(database, owner)
        self.database = database

    async def probe(self) -> None:
        """Write and take a lock, to see whether it can be done, and soon. Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(PROBE_S):
                await self.database.write(Statement("UPDATE schema_version SET version = version"), durable=False)
                await self.database.require_locks()
        except TimeoutError:
            raise LedgerUnavailable(
                f"the ledger took no write within {PROBE_S:g} s: another program holds it, or what it lies on hangs"
            ) from None

    async def flushed(self, *, gathered: bool = False) -> None:
        """Return when a power failure could not take back what is written by now; for as long as it takes.

        `gathered` is for whoever keeps nobody waiting.
        """
        began = perf_counter()
        await self.patience.retry_while_unavailable(partial(self.database.flushed, gathered=gathered))
        STAGES.get().intervals.append((Stage.LEDGER, began, perf_counter()))

    def turn(self, what: str) -> AbstractAsyncContextManager[bool]:
        """The right to do something that one worker shall do at a time; tells whether it is ours."""
        return self.database.try_lock(f"turn:{what}")

    def alive(self) -> AbstractAsyncContextManager[None]:
        """Held by a worker for as long as it runs; others can tell by it that it is gone."""
        return self.presence.here()

    def gone(self, owner: str) -> AbstractAsyncContextManager[bool]:
        """Whether a worker is gone; while the context lasts, nobody else acts on it."""
        return self.presence.gone(owner)


async def open_database(url: str, state: Path | None = None) -> Database:
    """The database of a URL: `sqlite:///path`, or `postgresql://user:password@host/name`.

    That a SQLite file is here is remembered beside it and in the folder `state`.
    Raises LedgerTooNew, LedgerGone, LedgerUnavailable, or ValueError for another kind of URL.
    """
    if url.startswith(SQLITE):
        path = _path(url)
        return await SqliteDatabase.open(path, Remembered(path, state))
    if url.startswith(POSTGRES):
        return await PostgresDatabase.open(url)
    raise ValueError(f"PERPS_DMA_LEDGER_URL must begin with {' or '.join(KINDS)}")


def forget_ledger(url: str, state: Path) -> None:
    """Let the next start go on without the ledger that is gone. Raises LedgerInPlace or LedgerUnavailable."""
    if not url.startswith(SQLITE):
        raise LedgerInPlace("--new-ledger is for a ledger in a SQLite file; in PostgreSQL make a new database")
    path = _path(url)
    Remembered(path, state).forget()


def _path(url: str) -> Path:
    return Path(url.removeprefix(SQLITE))


@asynccontextmanager
async def open_ledger(url: str, state: Path | None = None) -> AsyncIterator[Ledger]:
    """A ledger for one worker, under a new name. Raises what `open_database` raises."""
    database = await open_database(url, state)
    try:
        ledger = Ledger(database, uuid4().hex)
        async with ledger.alive():
            yield ledger
    finally:
        await database.close()
