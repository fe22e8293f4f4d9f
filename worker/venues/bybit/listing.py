"""Bybit's lists: a result with rows in pages, each naming the cursor of the next ("Pagination" in the V5 guide)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from schemas.base import Milliseconds
from worker.venues.client.endpoint import implicit_name
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous, LimitReached, Throttled

LONGEST_PAUSE: Milliseconds = 2_000
"""Limits count per second; who is told to wait longer than this is not slowed down but turned away."""


@dataclass(frozen=True, slots=True)
class Listing:
    """An endpoint that lists, by its path, and the most rows it gives at once; None where that can't be asked for.

    Only an empty page or an empty cursor ends a list: no document says that a page which is not full is the last one,
    and `position/list` names a cursor behind its last row.
    """

    path: str
    page: int | None
    access: str = "private"

    @property
    def name(self) -> str:
        """What ccxt calls it."""
        return implicit_name(self.path.lstrip("/"), self.access, "GET")

    @property
    def told(self) -> str:
        """The endpoint in Bybit's words."""
        return f"GET {self.path}"

    async def rows(self, transport: Calls, params: Row) -> list[Row]:
        """Every row, page after page, in the venue's order. Raises VenueError."""
        found: list[Row] = []
        cursor: str | None = None
        while True:
            page, cursor = await self.one_page(transport, params, cursor)
            found += page
            if cursor is None:
                return found

    async def one_page(self, transport: Calls, params: Row, cursor: str | None = None) -> tuple[list[Row], str | None]:
        """The rows of the page that a cursor names, and the cursor of the next one. Raises VenueError."""
        placed = {name: value for name, value in (("limit", self.page), ("cursor", cursor)) if value is not None}
        result = result_of(await self._ask(transport, params | placed), self.told)
        page = shape.rows(result.get("list"), self.told)
        following = result.get("nextPageCursor")
        if not page or not following:
            return page, None
        if cursor == following:
            raise Ambiguous(f"Bybit's cursor of {self.told} stays where it is", raw=result)
        return page, str(following)

    async def _ask(self, transport: Calls, params: Row) -> Any:
        """One page. A long list needs more pages than a second allows, so what is used up is waited for."""
        while True:
            try:
                return await transport.call(self.name, params)
            except LimitReached:
                raise
            except Throttled as refusal:
                if refusal.retry_after is None or refusal.retry_after > LONGEST_PAUSE:
                    raise
                pause = refusal.retry_after
            await asyncio.sleep(pause / 1000)


@contextmanager
def named(row: Row, told: str) -> Iterator[None]:
    """Name the market and the endpoint of a row that can't be understood."""
    try:
        yield
    except Ambiguous as problem:
        where = f"{row.get('symbol')} in {told}"
        raise Ambiguous(f"{problem.message} ({where})", raw=problem.raw, details=problem.details) from None


def result_of(body: Any, what: str) -> Row:
    """The `result` of a successful answer. Raises Ambiguous if there is none."""
    return shape.mapping(shape.mapping(body, what).get("result"), what)


def blank(row: Row, name: str) -> bool:
    """Whether a field says nothing: Bybit writes an empty text where a figure does not apply."""
    return row.get(name) in ("", None)
