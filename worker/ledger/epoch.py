"""The epoch: which life of the ledger its events belong to.

A ledger can go back: restored from a backup, failed over to a server that had not every commit, begun anew. Then it
counts again from where subscribers have been already. So whatever is counted carries the number of its epoch, and a new
epoch begins where the ledger can't prove that it has all it ever told (`worker.execution.aftermath.epochs`).

The proof holds for a place: for as long as a server runs, nothing that was committed goes. Every note of a command and
every snapshot looks at the place in its own statement; where that is another one, the proof is asked for first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.ledger.outbox import insertion
from worker.ledger.sql.database import Database, Row, Statement, Value, names
from worker.messages.wire import Outgoing

_HERE = "(SELECT place FROM epoch_here)"

PROVEN = f"SELECT number FROM epoch WHERE place = {_HERE}"
"""The number of the epoch, where it is proven."""


def proven(placeholder: int) -> str:
    """The condition that an epoch goes on, for a statement that counts in it."""
    return f"EXISTS ({PROVEN} AND number = ${placeholder})"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a ledger must have if it is the one that told it: commands that are finished, and snapshots by account."""

    commands: frozenset[str]
    snapshots: Mapping[str, int]


class Epoch:
    """The epoch as this worker knows it. Every call raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self.number = 0
        self.prove: Callable[[], Awaitable[None]] = self.take_at_its_word
        """Finds out whether the epoch goes on, and begins a new one if not."""

    async def look(self) -> int:
        """The number of the epoch, which is proven when this returns."""
        if (number := await self.proven()) is None:
            await self.prove()
            return self.number
        return number

    async def proven(self) -> int | None:
        """The number of the epoch; None where that is to be proven first."""
        rows = await self._database.read(Statement(PROVEN))
        return self.heard_of(rows[0][0]) if rows else None

    async def recorded(self) -> int:
        """The number of the epoch, be it proven or not."""
        rows = await self._database.read(Statement("SELECT number FROM epoch"))
        return int(rows[0][0] or 0)

    def heard_of(self, number: Value) -> int:
        """The epoch has this number."""
        self.number = int(number or 0)
        return self.number

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """One worker at a time finds out, or begins a new epoch."""
        async with self._database.lock("epoch"):
            yield

    async def take_at_its_word(self) -> None:
        """It goes on, here."""
        took = Statement(f"UPDATE epoch SET place = {_HERE} RETURNING number", must_match=True)
        ((row,),) = await self._database.write(took)
        self.heard_of(row[0])

    async def begin(self, number: int, told: Sequence[Outgoing], at: Milliseconds) -> list[int]:
        """A new epoch goes on from here, with the events that tell it; their positions."""
        begun = Statement(
            f"UPDATE epoch SET number = $1, place = {_HERE} WHERE number < $1 RETURNING number", (number,), True
        )
        events = [insertion(event, self._owner, at) for event in told]
        _, *positions = await self._database.write(begun, *events)
        self.heard_of(number)
        return [int(rows[0][0] or 0) for rows in positions]

    async def lacks(self, told: Contents) -> str | None:
        """Something that it should have, and has not."""
        rows = await self._rows_of("SELECT id FROM commands WHERE finished IS NOT NULL AND id", told.commands)
        if missing := told.commands - {str(row[0]) for row in rows}:
            return f"the result of command {min(missing)}"
        rows = await self._rows_of("SELECT account, seq FROM snapshots WHERE account", told.snapshots)
        counted = {str(account): int(seq or 0) for account, seq in rows}
        ahead = [account for account, seq in told.snapshots.items() if counted.get(account, 0) < seq]
        return f"snapshot {told.snapshots[ahead[0]]} of {ahead[0]}" if ahead else None

    async def _rows_of(self, query: str, keys: Collection[str]) -> list[Row]:
        if not keys:
            return []
        return await self._database.read(Statement(f"{query} IN ({names(1, len(keys))})", tuple(keys)))
