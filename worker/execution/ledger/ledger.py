"""The ledger as the rest of the program knows it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

from worker.execution.ledger.audit import AuditTrail
from worker.execution.ledger.commands import Commands
from worker.execution.ledger.database import KINDS, POSTGRES, SQLITE, Database, Statement
from worker.execution.ledger.doubts import Doubts
from worker.execution.ledger.freezes import Freezes
from worker.execution.ledger.outbox import Outbox
from worker.execution.ledger.patience import Patience
from worker.execution.ledger.postgres import PostgresDatabase
from worker.execution.ledger.presence import Presence
from worker.execution.ledger.snapshots import SnapshotLog
from worker.execution.ledger.sqlite import SqliteDatabase


class Ledger:
    """Commands, outbox, freezes, audit and snapshots, on behalf of one worker, its `owner`."""

    def __init__(self, database: Database, owner: str) -> None:
        self.owner = owner
        self.patience = Patience()
        self.doubts = Doubts(database)
        self.commands = Commands(database, owner, self.patience, self.doubts)
        self.outbox = Outbox(database, owner)
        self.freezes = Freezes(database, owner)
        self.audit = AuditTrail(database, owner)
        self.snapshots = SnapshotLog(database, owner)
        self.presence = Presence(database, owner)
        self.database = database

    async def probe(self) -> None:
        """Write and take a lock, to see whether it can be done. Raises LedgerUnavailable."""
        await self.database.write(Statement("UPDATE schema_version SET version = version"), durable=False)
        await self.database.require_locks()

    async def flushed(self) -> None:
        """Return when a power failure could not take back what is written by now; for as long as it takes."""
        await self.patience.until_done(self.database.flushed)

    def account_lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """The right to change an account, which one worker has at a time. Raises LedgerUnavailable."""
        return self.commands.alone(account)

    def turn(self, what: str) -> AbstractAsyncContextManager[bool]:
        """The right to do something that one worker shall do at a time; tells whether it is ours."""
        return self.database.try_lock(f"turn:{what}")

    def alive(self) -> AbstractAsyncContextManager[None]:
        """Held by a worker for as long as it runs; others can tell by it that it is gone."""
        return self.presence.here()

    def gone(self, owner: str) -> AbstractAsyncContextManager[bool]:
        """Whether a worker is gone; while the context lasts, nobody else acts on it."""
        return self.presence.gone(owner)


async def open_database(url: str) -> Database:
    """The database of a URL: `sqlite:///path`, or `postgresql://user:password@host/name`.

    Raises LedgerTooNew, LedgerUnavailable, or ValueError for another kind of URL.
    """
    if url.startswith(SQLITE):
        return await SqliteDatabase.open(Path(url.removeprefix(SQLITE)))
    if url.startswith(POSTGRES):
        return await PostgresDatabase.open(url)
    raise ValueError(f"PERPS_DMA_LEDGER_URL must begin with {' or '.join(KINDS)}")


@asynccontextmanager
async def open_ledger(url: str) -> AsyncIterator[Ledger]:
    """A ledger for one worker, under a new name. Raises what `open_database` raises."""
    database = await open_database(url)
    try:
        ledger = Ledger(database, uuid4().hex)
        async with ledger.alive():
            yield ledger
    finally:
        await database.close()
