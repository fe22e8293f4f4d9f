"""On whose behalf the running task makes requests: until when, how urgently, and with which room kept for them.

Whoever carries out a command, a query or a reading says so; the limiter reads it where requests are let go.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from schemas.base import Milliseconds
from worker.runtime.context import bound

if TYPE_CHECKING:
    from worker.venues.limits.meter import Meter
    from worker.venues.limits.permits import ReservedPermit


class Urgency(IntEnum):
    """The classes of requests, the most urgent first. Within one, who came first goes first.

    Those in the background have a share of each limit at most, so that however much is read on schedule, commands and
    users' queries find room.
    """

    COMMAND = 0
    QUERY = 1
    AFTER_COMMAND = 2
    SCHEDULED = 3

    @property
    def in_background(self) -> bool:
        """Whether nobody waits for its answer."""
        return self >= Urgency.AFTER_COMMAND


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Until when a request must have its answer, UTC ms, and how urgent it is.

    Without a deadline it waits no longer for room than it may wait for its answer.
    """

    deadline: Milliseconds | None = None
    urgency: Urgency = Urgency.QUERY


CONTEXT: ContextVar[RequestContext] = ContextVar("request_context", default=RequestContext())  # noqa: B039 - frozen

RESERVED: "ContextVar[tuple[ReservedPermit, ...]]" = ContextVar("reserved", default=())
"""The room that is kept for the running task."""

BILL: "ContextVar[dict[Meter, int] | None]" = ContextVar("bill", default=None)
"""Where the requests of the running task are added up, if anywhere."""


def requesting(context: RequestContext) -> AbstractContextManager[None]:
    """Requests that are made in here are of this kind."""
    return bound(CONTEXT, context)


def within(deadline: Milliseconds) -> AbstractContextManager[None]:
    """Every request that is made in here must have its answer by then."""
    return bound(CONTEXT, replace(CONTEXT.get(), deadline=deadline))


def reserved(*reservations: "ReservedPermit") -> AbstractContextManager[None]:
    """Requests that are made in here use this room as well, where it is meant for them."""
    return bound(RESERVED, (*RESERVED.get(), *reservations))


@contextmanager
def billed() -> "Iterator[Mapping[Meter, int]]":
    """The weight of all requests that are let go in here, by what meters them."""
    bill: dict[Meter, int] = defaultdict(int)
    with bound(BILL, bill):
        yield bill
