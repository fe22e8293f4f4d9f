"""The positions of all accounts, from now on: the whole book first, then every snapshot after it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from ..book import Book
from ..control import Exchange
from ..events import EpochEvent, PositionsEvent, PositionSnapshot
from .events import EventStream


@dataclass(frozen=True, slots=True)
class BookChange:
    """The newest snapshot of an account.

    `missing` are the numbers (`seq`) of earlier ones that have not come: this one is newer and whole, but what was
    between is not known. They are told again with each change, until they come.
    """

    account: str
    epoch: int
    snapshot: PositionSnapshot
    missing: frozenset[int] = frozenset()


class LiveBook(AsyncIterator[BookChange]):
    """Iterating yields every snapshot of the book, and then each newer one as it comes.

    `changes` holds the newest of each account; `unread` the accounts that are meant and were never read yet. An
    account in `outdated` was counted in an earlier epoch of the ledger: its snapshot is the last one known, and is
    told anew.
    """

    def __init__(
        self,
        begin: Callable[[], Awaitable[Book]],
        follow: Callable[[int], EventStream],
        account: str | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.changes: dict[str, BookChange] = {}
        self.unread: frozenset[str] = frozenset()
        self.epoch = 0
        self._begin = begin
        self._follow = follow
        self._account = account
        self._exchange = exchange
        self._told = self._all()

    @property
    def outdated(self) -> frozenset[str]:
        """Accounts whose snapshot is of an earlier epoch than the ledger's."""
        return frozenset(account for account, change in self.changes.items() if change.epoch < self.epoch)

    async def __anext__(self) -> BookChange:
        return await anext(self._told)

    async def aclose(self) -> None:
        """Follow it no more."""
        await self._told.aclose()

    async def _all(self) -> AsyncGenerator[BookChange, None]:
        book = await self._begin()
        self.unread = frozenset(book.missing)
        for change in [self.take(entry.epoch, entry) for entry in book.snapshots]:
            if change:
                yield change
        async with aclosing(self._follow(book.next_offset)) as events:
            async for event in events:
                if isinstance(event, EpochEvent):
                    self.epoch = max(self.epoch, event.data.epoch)
                elif isinstance(event, PositionsEvent) and (change := self._followed(event)):
                    yield change

    def _followed(self, event: PositionsEvent) -> BookChange | None:
        snapshot = event.data
        if self._account not in (None, snapshot.exchange_account_id) or self._exchange not in (None, snapshot.exchange):
            return None
        return self.take(event.epoch or 0, snapshot)

    def take(self, epoch: int, snapshot: PositionSnapshot) -> BookChange | None:
        """Put a snapshot in; None for one that is not newer than what is known, or that was here before."""
        account, known = snapshot.exchange_account_id, self.changes.get(snapshot.exchange_account_id)
        self.epoch = max(self.epoch, epoch)
        if known and (epoch, snapshot.seq) <= (known.epoch, known.snapshot.seq):
            if epoch == known.epoch and snapshot.seq in known.missing:
                self.changes[account] = BookChange(account, epoch, known.snapshot, known.missing - {snapshot.seq})
            return None
        change = BookChange(account, epoch, snapshot, _missing(known, epoch, snapshot.seq))
        self.changes[account] = change
        self.unread -= {account}
        return change


def _missing(known: BookChange | None, epoch: int, seq: int) -> frozenset[int]:
    # The first that is seen of an epoch may have any number.
    if known is None or known.epoch != epoch:
        return frozenset()
    return known.missing | frozenset(range(known.snapshot.seq + 1, seq))
