"""Snapshots that commands have left to be taken: recorded with the result, gone with the snapshot."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.ledger.sql.database import Database, Statement, deletions


class Owed(NamedTuple):
    """A snapshot of an account that is owed since a command ended."""

    command: str
    account: str


def settled(commands: Iterable[str]) -> tuple[Statement, ...]:
    """What these commands owed is done."""
    return deletions("owed_snapshots", "command", commands)


class OwedSnapshots:
    """The snapshots that are owed. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    def owing(self, owed: Owed, since: Milliseconds) -> Statement:
        """A command owes a snapshot from now on; to be written with its result."""
        sql = (
            "INSERT INTO owed_snapshots (command, account, owner, since) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (command) DO NOTHING"
        )
        return Statement(sql, (*owed, self._owner, since))

    async def settle(self, commands: Iterable[str]) -> None:
        """What these commands owed is not to be had any more, or is told without them."""
        await self._database.write(*settled(commands), durable=False)

    async def owners(self) -> list[str]:
        """The workers that owe something."""
        query = Statement("SELECT DISTINCT owner FROM owed_snapshots")
        return [str(row[0]) for row in await self._database.read(query)]

    async def ours(self, limit: int) -> list[Owed]:
        """What this worker owes, the oldest first."""
        query = "SELECT command, account FROM owed_snapshots WHERE owner = $1 ORDER BY since, command LIMIT $2"
        rows = await self._database.read(Statement(query, (self._owner, limit)))
        return [Owed(str(command), str(account)) for command, account in rows]

    async def take_over(self, owner: str) -> None:
        """What a worker owed that is gone is ours now."""
        await self._database.write(
            Statement("UPDATE owed_snapshots SET owner = $1 WHERE owner = $2", (self._owner, owner)), durable=False
        )

    async def oldest(self) -> tuple[int, Milliseconds | None]:
        """How many are owed, by all workers, and since when the oldest is."""
        ((count, since),) = await self._database.read(Statement("SELECT COUNT(*), MIN(since) FROM owed_snapshots"))
        return int(count or 0), None if since is None else int(since)

    async def forget(self, before: Milliseconds) -> None:
        """Delete those that are older."""
        await self._database.write(Statement("DELETE FROM owed_snapshots WHERE since < $1", (before,)), durable=False)
