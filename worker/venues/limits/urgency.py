"""How urgent a request is: who goes first where there is not room for all, told by whoever makes it."""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from enum import IntEnum

from worker.runtime.context import bound


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


URGENCY: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.QUERY)
"""The class of the requests that the running task makes."""


def urgent(urgency: Urgency) -> AbstractContextManager[None]:
    """Every request that is made in here is of this class."""
    return bound(URGENCY, urgency)
