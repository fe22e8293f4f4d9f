"""One lane per account: its changes run one at a time, in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lanes:
    """A queue in front of every account; other accounts, and reads, go on meanwhile."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def lane(self, account_id: str) -> AsyncIterator[None]:
        """Wait for one's turn on the account, and hold it."""
        lock = self._locks.setdefault(account_id, asyncio.Lock())
        self._users[account_id] = self._users.get(account_id, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[account_id] -= 1
            if not self._users[account_id]:
                del self._locks[account_id], self._users[account_id]
