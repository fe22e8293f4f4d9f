"""What can go wrong with the ledger.

LedgerError
├── LedgerUnavailable   it can't be read or written now; nothing of the attempt was kept
├── LedgerGone          the one that was here is gone, or another lies in its place
├── LedgerInPlace       a new one is asked for, and there is one
├── LedgerTooNew        a newer program has written it
└── NothingMatched      a statement that must match matched nothing; nothing of its write was kept
"""


class LedgerError(Exception):
    """Base of what the ledger raises."""


class LedgerUnavailable(LedgerError):
    """It can't be read or written now, and nothing of the attempt was kept. Trying again is the caller's part."""


class LedgerGone(LedgerError):
    """The ledger that was here is gone, or another lies in its place; a start does not go on with that unasked."""


class LedgerInPlace(LedgerError):
    """A new ledger is asked for where there is one."""


class LedgerTooNew(LedgerError):
    """Its schema is of a newer program; this one would not understand it."""


class NothingMatched(LedgerError):
    """A statement that must match matched nothing, and the whole write was taken back."""
