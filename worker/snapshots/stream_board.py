"""What this worker knows of the streams of all accounts, its own and other workers'."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from schemas.control import StreamHealth, StreamState, StreamStatus
from schemas.events import SnapshotStream
from worker.accounts.account import Account


class StreamBoard:
    """States by account. Whoever waits for a change of one hears of it at once; `mark` is told who is live."""

    def __init__(self, mark: Callable[[str, bool], None] = lambda *_: None) -> None:
        self._mark = mark
        self._states: dict[str, StreamState] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def of(self, account_id: str) -> StreamState | None:
        """The newest that is known of an account."""
        return self._states.get(account_id)

    def is_live(self, account_id: str) -> bool:
        """Whether changes of an account are pushed."""
        known = self._states.get(account_id)
        return known is not None and known.state is StreamHealth.LIVE

    def put(self, state: StreamState) -> None:
        """An account's streams are so from now on."""
        account = state.exchange_account_id
        was_live, self._states[account] = self.is_live(account), state
        if was_live is self.is_live(account):
            return
        self._mark(account, not was_live)
        if (waiting := self._changed.pop(account, None)) is not None:
            waiting.set()

    def forget(self, account_id: str) -> None:
        """An account is served no more."""
        if self.is_live(account_id):
            self._mark(account_id, False)
        self._states.pop(account_id, None)
        self._changed.pop(account_id, None)

    async def changed(self, account_id: str, within_s: float) -> bool:
        """Wait until an account begins or ends to be live, but no longer; whether it does."""
        waiting = self._changed.setdefault(account_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await waiting.wait()
        return waiting.is_set()

    def in_snapshot(self, account: Account, interval: int) -> SnapshotStream | None:
        """How an account is followed, for its snapshot."""
        if (known := self._states.get(account.id)) is None:
            return None
        since = known.since if known.state is StreamHealth.BLIND else None
        return SnapshotStream(state=known.state, blind_since=since, poll_interval_ms=interval)

    def statuses(self, accounts: Mapping[str, Account], interval: Callable[[Account], int]) -> tuple[StreamStatus, ...]:
        """How each account is followed, and polled beside."""
        known = ((account, self._states.get(account.id)) for account in accounts.values())
        return tuple(
            StreamStatus(**state.model_dump(), poll_interval_ms=interval(account)) for account, state in known if state
        )
