"""Which workers are gone. Each holds `worker:<owner>` for as long as it runs."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic

from worker.ledger.sql.database import Database

GONE_S = 3.0
"""How long a worker's name is free before we believe that it is gone, where a living one can lose it: it takes it anew
as soon as it notices."""


class Presence:
    """Tells who is gone, and that we are there."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._gone_s = GONE_S if database.locks_can_be_lost else 0.0
        self._found_free: dict[str, tuple[float, float]] = {}

    def here(self) -> AbstractAsyncContextManager[None]:
        """We are there while the context lasts."""
        return self._database.keep(_name(self._owner))

    @asynccontextmanager
    async def gone(self, owner: str) -> AsyncIterator[bool]:
        """Whether a worker is gone; while the context lasts, nobody else acts on it. Raises LedgerUnavailable.

        Ask again: a worker is gone only after it was found so for a while.
        """
        async with self._database.try_lock(_name(owner)) as is_free:
            if not is_free:
                self._found_free.pop(owner, None)
            yield is_free and self._for_long(owner)

    def _for_long(self, owner: str) -> bool:
        """Whether it was free each time we looked, for long enough. What was found too long ago tells nothing."""
        looked = monotonic()
        first, last = self._found_free.get(owner, (looked, looked))
        if looked - last > self._gone_s:
            first = looked
        self._found_free[owner] = (first, looked)
        return looked - first >= self._gone_s


def _name(owner: str) -> str:
    return f"worker:{owner}"
