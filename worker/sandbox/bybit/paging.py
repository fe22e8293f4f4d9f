"""Pages and windows of lists: rows come newest first, and a cursor names the last row that was given."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from schemas.base import Milliseconds
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.kit.clock import DAY

LONGEST_SPAN: Milliseconds = 7 * DAY
KEPT: Milliseconds = 730 * DAY

T = TypeVar("T")


class Page(NamedTuple):
    """How many rows an endpoint gives, unless told otherwise and at most."""

    default: int
    highest: int


def window(parameters: BybitParameters, span: Milliseconds, now: Milliseconds) -> tuple[Milliseconds, Milliseconds]:
    """Start and end of a query, both included; `span` counts from the one that is given, or back from now.

    Raises BybitRefused for more than seven days, and for an instant more than two years ago.
    """
    start, end = parameters.optional_integer("startTime"), parameters.optional_integer("endTime")
    if end is None:
        end = now if start is None else start + span
    start = end - span if start is None else start
    if start > end:
        raise BybitRefused(10001, "startTime should be less than endTime")
    if end - start > LONGEST_SPAN:
        raise BybitRefused(10001, "the time range between startTime and endTime should be within 7 days")
    if start < now - KEPT:
        raise BybitRefused(10001, "can't query earlier than 2 years")
    return start, end


def paged(
    rows: Sequence[T], parameters: BybitParameters, page: Page, key: Callable[[T], str]
) -> tuple[Sequence[T], str | None]:
    """A page of rows and the cursor behind it, percent-encoded as Bybit's are; None where the list ends."""
    limit = parameters.limit(page.default, page.highest)
    start = _start(rows, parameters.get("cursor", ""), key)
    chosen = rows[start : start + limit]
    more = start + limit < len(rows)
    return chosen, quote(key(chosen[-1]), safe="") if more else None


def _start(rows: Sequence[T], cursor: str, key: Callable[[T], str]) -> int:
    if not cursor:
        return 0
    for position, row in enumerate(rows):
        if key(row) == cursor:
            return position + 1
    raise BybitRefused(10001, "cursor invalid")
