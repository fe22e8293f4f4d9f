"""On whose behalf the running task makes requests: until when, how urgently, and with which room kept for them.

Whoever carries out a command, a query or a reading says so; the limiter reads it where requests are let go.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from schemas.base import Milliseconds
from worker.venues.port.door import KeptRoom

if TYPE_CHECKING:
    from worker.venues.limits.meter import Meter

T = TypeVar("T")


class Urgency(IntEnum):
    """The classes of requests, the most urgent first. Within one, who came first goes first.

    Those in the background have a share of each limit at most, so that however much is read on schedule, commands and
    users' queries find room.
    """

    COMMAND = 0
    QUERY = 1
    RISK = 2
    AFTER_COMMAND = 3
    PUSHED = 4
    SCHEDULED = 5


BACKGROUND = frozenset(urgency for urgency in Urgency if urgency > Urgency.QUERY)
"""Nobody waits for the answers of these."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Until when a request must have its answer, UTC ms, how urgent it is, and what rooms are `held` for it.

    Without a deadline it waits no longer for room than it may wait for its answer. What it weighs is added to the
    `bill`, if there is one.
    """

    deadline: Milliseconds | None = None
    urgency: Urgency = Urgency.QUERY
    held: tuple[KeptRoom, ...] = ()
    bill: "dict[Meter, int] | None" = None


CONTEXT: ContextVar[RequestContext] = ContextVar("request_context", default=RequestContext())  # noqa: B039 - frozen

ROOMS: ContextVar[tuple[KeptRoom, ...]] = ContextVar("rooms", default=())
"""What is kept for the running task beside that, for as long as it wants."""


@contextmanager
def bound(variable: ContextVar[T], value: T) -> Iterator[None]:
    """The variable has this value in here, and the one from before when the block ends, however it ends."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def requesting(**said: Any) -> AbstractContextManager[None]:
    """Requests that are made in here are as before but for what is said of them."""
    return bound(CONTEXT, replace(CONTEXT.get(), **said))


def within(deadline: Milliseconds) -> AbstractContextManager[None]:
    """Every request that is made in here must have its answer by then."""
    return requesting(deadline=deadline)


@contextmanager
def billed() -> "Iterator[Mapping[Meter, int]]":
    """The weight of all requests that are let go in here, by what meters them."""
    bill: dict[Meter, int] = defaultdict(int)
    with requesting(bill=bill):
        yield bill
