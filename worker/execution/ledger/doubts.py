"""Settings in doubt: a command ended as `unknown`, and no later one has shown yet what is in force.

They are written together with the result. A worker learns whether an account has any when it notes a command, so that
in the usual case, where there are none, settling costs no statement.
"""

from typing import NamedTuple

from schemas import Outcome
from schemas.base import Milliseconds
from worker.execution.ledger.database import Database, Statement


class Setting(NamedTuple):
    """What a command is about: the `subject` is a symbol or an asset, or empty."""

    account: str
    operation: str
    subject: str


class Doubts:
    """The settings in doubt. Every call that reads raises LedgerUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._doubted: set[str] = set()

    def heard_of(self, account: str) -> None:
        """The account has settings in doubt."""
        self._doubted.add(account)

    def changes(self, setting: Setting, outcome: str, command: str, at: Milliseconds) -> tuple[Statement, ...]:
        """What has to be written when a command about a setting has ended so."""
        if outcome == Outcome.UNKNOWN:
            self._doubted.add(setting.account)
            sql = (
                "INSERT INTO doubts (account, operation, subject, command, since) VALUES ($1, $2, $3, $4, $5) "
                "ON CONFLICT (account, operation, subject) DO NOTHING"
            )
            return (Statement(sql, (*setting, command, at)),)
        if Outcome(outcome).succeeded and setting.account in self._doubted:
            return (
                Statement("DELETE FROM doubts WHERE account = $1 AND operation = $2 AND subject = $3", tuple(setting)),
            )
        return ()

    async def oldest(self) -> tuple[int, Milliseconds | None]:
        """How many there are, and since when the oldest is in doubt."""
        ((count, since),) = await self._database.read(Statement("SELECT COUNT(*), MIN(since) FROM doubts"))
        return int(count or 0), None if since is None else int(since)

    async def forget(self, before: Milliseconds) -> None:
        """Delete those that are older."""
        await self._database.write(Statement("DELETE FROM doubts WHERE since < $1", (before,)), durable=False)
