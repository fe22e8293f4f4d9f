"""One lane per account: its changes run one at a time, in the order in which they came."""

import asyncio
from contextlib import AbstractAsyncContextManager
from weakref import WeakValueDictionary


class Lanes:
    """A queue in front of every account; other accounts, and reads, go on meanwhile."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """They last while somebody is in a lane, or waits for it."""

    def lane(self, account_id: str) -> AbstractAsyncContextManager[None]:
        """Wait for one's turn on the account, and hold it."""
        if (lock := self._locks.get(account_id)) is None:
            lock = self._locks[account_id] = asyncio.Lock()
        return lock
