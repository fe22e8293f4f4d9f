"""The cases of a promise: each venue with each row of a table of its description."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.venues import DESCRIBED
from tests.support.venues.description import DescribedVenue


def _named(row: Any) -> str:
    """A short name of a row: its texts and numbers."""
    parts = row if isinstance(row, tuple) else (row,)
    return "-".join(str(part) for part in parts if isinstance(part, str | int))[:70]


def each(table: Callable[[DescribedVenue], Iterable[Any]]) -> pytest.MarkDecorator:
    """A test of `venue` and `case` for each row that a venue has of a table."""
    rows = [(venue, case) for venue in DESCRIBED.values() for case in table(venue)]
    return pytest.mark.parametrize(("venue", "case"), rows, ids=[f"{v.exchange}-{_named(case)}" for v, case in rows])


each_venue = pytest.mark.parametrize("venue", DESCRIBED.values(), ids=DESCRIBED)
"""A test of `venue` for every one."""
