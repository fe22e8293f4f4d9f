"""What one piece of work used of each limit, for whoever wants to know what it costs to do it again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from worker.runtime.context import bound
from worker.venues.limits.meter import Meter

BILL: ContextVar[dict[Meter, int] | None] = ContextVar("bill", default=None)
"""Where the requests of the running task are added up, if anywhere."""


@contextmanager
def billed() -> Iterator[Mapping[Meter, int]]:
    """The weight of all requests that are let go in here, by what meters them."""
    bill: dict[Meter, int] = defaultdict(int)
    with bound(BILL, bill):
        yield bill
