"""Places for requests that run: so many in all, a share of them for each subject, and some kept for admins' controls.

A place is taken once a token was found good, so that nobody without one can have any.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Scope

from schemas import ErrorCode, Operation, failure
from schemas.operations import ADMINS, Kind
from worker.shim.auth.claims import Actor
from worker.shim.auth.tokens import Denied
from worker.shim.http.connections import Connection
from worker.shim.http.limits import Bounds
from worker.shim.kit.envelope import HttpRefusal

RETRY = {"Retry-After": "1"}


class _Pool:
    """Places, and how many of them each subject has."""

    def __init__(self, most: int, share: int) -> None:
        self.most = most
        self.share = share
        self._taken: Counter[str] = Counter()
        self._running = 0

    @property
    def is_full(self) -> bool:
        return self._running >= self.most

    def has_room(self, bucket: str) -> bool:
        return not self.is_full and self._taken[bucket] < self.share

    @contextmanager
    def place(self, bucket: str) -> Iterator[None]:
        self._running += 1
        self._taken[bucket] += 1
        try:
            yield
        finally:
            self._running -= 1
            self._taken[bucket] -= 1
            if not self._taken[bucket]:
                del self._taken[bucket]


class Places:
    """All places of a shim."""

    def __init__(self, bounds: Bounds) -> None:
        self._usual = _Pool(bounds.at_once, bounds.share)
        self._kept = _Pool(bounds.kept, max(1, bounds.kept // 4))

    @contextmanager
    def taken(self, actor: Actor, operation: Operation, scope: Scope) -> Iterator[None]:
        """A place while the context lasts.

        Raises Denied (429) where the subject has its share, HttpRefusal (503) where all are taken.
        """
        is_control = operation.kind is Kind.CONTROL and bool(actor.roles & ADMINS)
        pool = self._pool(actor, is_control=is_control)
        with pool.place(actor.bucket), _held(scope, self._kept.most if is_control else 0):
            yield

    def _pool(self, actor: Actor, *, is_control: bool) -> _Pool:
        for pool in (self._usual, self._kept) if is_control else (self._usual,):
            if pool.has_room(actor.bucket):
                return pool
        if self._usual.is_full:
            raise _overloaded(f"{self._usual.most} requests run at once, and no more can")
        raise _share_taken(actor, self._usual.share)


@contextmanager
def _held(scope: Scope, surplus: int) -> Iterator[None]:
    """The connection of a request stays while it has a place, where connections are counted."""
    connection: Connection | None = scope.get("state", {}).get("connection")
    if connection is None:
        yield
        return
    if not connection.hold(surplus):
        raise _overloaded("as many connections as may be have requests that run")
    try:
        yield
    finally:
        connection.release()


def _overloaded(what: str) -> HttpRefusal:
    return HttpRefusal(failure(ErrorCode.OVERLOADED, f"{what}; try again in a second"), RETRY)


def _share_taken(actor: Actor, share: int) -> Denied:
    message = f"{share} requests of this subject run at once, which is its share; try again when one of them has ended"
    envelope = failure(ErrorCode.RATE_LIMITED, message, details={"limit": f"{share} at once"})
    return Denied("rate_limit", envelope, RETRY, actor=actor)
