"""What can go wrong with the ledger.

LedgerError
├── LedgerUnavailable   it can't be read or written now; nothing of the attempt was kept
│   └── CommitInDoubt   a commit was asked for and not answered: what was written is kept whole, or not at all
├── LedgerGone          the one that was here is gone, or another lies in its place
├── LedgerInPlace       a new one is asked for, and there is one
├── LedgerTooNew        a newer program has written it
├── LockLost            a name that this process held is its own no more
├── NotInTime           it, or an account, was not to be had before the deadline of what it was needed for
└── NothingMatched      a statement that must match matched nothing; nothing of its write was kept
"""

from worker.runtime.errors import OperatorError


class LedgerError(OperatorError):
    """Base of what the ledger raises."""


class LedgerUnavailable(LedgerError):
    """It can't be read or written now, and nothing of the attempt was kept. Trying again is the caller's part."""


class CommitInDoubt(LedgerUnavailable):
    """Whether the attempt was kept is not known. Whoever tries again, or tells somebody, has to look first."""


class LedgerGone(LedgerError):
    """The ledger that was here is gone, or another lies in its place; a start does not go on with that unasked."""


class LedgerInPlace(LedgerError):
    """A new ledger is asked for where there is one."""


class LedgerTooNew(LedgerError):
    """Its schema is of a newer program; this one would not understand it."""


class LockLost(LedgerError):
    """The session that held a name has ended, and the name may be another's. What was to be done under it is not."""


class NotInTime(LedgerError):
    """The deadline came before the ledger could be used, or the account was ours."""


class StaleWrite(LedgerError):
    """A statement that must match matched nothing, and the whole write was taken back."""
