"""What a venue, or the way to it, can answer instead of success.

VenueError
├── Refused                 definitively not done
│   ├── ValueRefused            the value is out of the venue's range
│   ├── PreconditionFailed      something must be closed or changed first
│   ├── AccessDenied            key, signature, permission or address not accepted
│   ├── NotSupported            no such operation on this venue or account type
│   ├── UnknownSymbol           no such market
│   ├── AlreadySo               nothing to change: the wanted state is the present one
│   ├── Throttled               a limit is used up; the request was not processed
│   │   └── LimitReached            our own count says so; the request was not even sent
│   ├── ClockSkewed             our timestamp is outside the venue's window
│   └── Misunderstood           it does not take what we sent beside the caller's values: a fault of ours
├── NotSent                 the request never left: no connection
└── Ambiguous               it was sent, and nothing says what became of it
    └── Unlisted                its answer has a code that no table of ours knows
"""

from typing import Any

from schemas.base import Milliseconds
from schemas.outcomes import Scope
from worker.runtime.errors import PerpsDmaError


class VenueError(PerpsDmaError):
    """Base of all answers of a venue that are no success.

    `venue_code` is the venue's own code, `raw` its answer as it came, `details` what a caller may use.
    """

    def __init__(
        self,
        message: str,
        *,
        venue_code: str | None = None,
        raw: Any = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.venue_code = venue_code
        self.raw = raw
        self.details = details or {}


class Refused(VenueError):
    """The request was definitively not carried out."""


class ValueRefused(Refused):
    """The venue does not take this value, now or later."""


class PreconditionFailed(Refused):
    """The account is in a state that forbids it; the message says what to close or change."""


class AccessDenied(Refused):
    """The venue does not accept the key, its signature, its permissions or our address."""


class NotSupported(Refused):
    """There is no such operation on this venue or for this type of account. Decided before any call."""


class UnknownSymbol(Refused):
    """The venue lists no such market."""


class AlreadySo(Refused):
    """There was nothing to change. `scope` says how far the setting reaches; `note` as in an `Echo`."""

    def __init__(self, message: str, *, scope: Scope = Scope.SYMBOL, note: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.scope = scope
        self.note = note


class Throttled(Refused):
    """A limit is used up and the request was not processed. `retry_after` is in milliseconds."""

    def __init__(self, message: str, *, retry_after: Milliseconds | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class LimitReached(Throttled):
    """A limit of the venue has no room for the request before its deadline, so it was not sent."""


class ClockSkewed(Refused):
    """The venue refused our timestamp; nothing was processed."""


class Misunderstood(Refused):
    """The venue does not take a request as this service makes it. Nothing that a caller chose is at fault."""


class NotSent(VenueError):
    """No connection could be made, so nothing was sent."""


class Ambiguous(VenueError):
    """Sent, and the answer is missing, a server error, or not of the documented shape."""


class Unlisted(Ambiguous):
    """The venue answered with a code that none of our tables has: it refuses nothing for certain.

    What only reads is refused by it all the same (`Refused`), for there is nothing that could have been done.
    """
