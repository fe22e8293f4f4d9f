"""An answer of a venue as it came, for whoever judges it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from schemas.base import Milliseconds
from worker.runtime import clock
from worker.venues.port import errors

LONGEST_WAIT: Milliseconds = 600_000
"""The longest that a venue is believed to want us to wait, unless it documents more.

Bybit turns an address away for ten minutes at least; no limit of Gate, OKX or Hyperliquid is counted for longer than a
minute. What is longer is believed as far as this: asking once in ten minutes provokes nobody.
"""

LONGEST_NUMBER = 18
"""Digits of a number that a venue may mean. Python refuses to read thousands of them."""

IN_MS = 10**11
"""A time since 1970 beyond this is in ms: in seconds it would be later than the year 5000."""

CLOSE: Milliseconds = 2_000
"""A venue's clock in whole seconds, and a way of a second, say nothing against ours."""

DEEPEST = 100
"""Levels of a venue's JSON. None documents more than ten; events that hold it are written and read up to 250 or so."""

_WRITTEN = 254
"""The levels that orjson writes; it reads 1,024."""


def read_json(text: str) -> Any:
    """The JSON of an answer. Raises ValueError where it is none, or so deep that nobody could pass it on."""
    body = orjson.loads(text)
    if text.count("[") + text.count("{") > DEEPEST:
        whole = body
        for _ in range(_WRITTEN - DEEPEST):
            whole = [whole]
        try:
            orjson.dumps(whole)
        except TypeError as error:
            raise ValueError("the JSON of the answer is too deep") from error
    return body


def json_of(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or list that a text is; None where it is none."""
    try:
        found = read_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None


@dataclass(frozen=True, slots=True)
class VenueResponse:
    """An HTTP answer of a venue. `body` is its JSON, or None where the text is none."""

    path: str
    status: int
    headers: Mapping[str, str]
    text: str
    body: Any

    def header(self, name: str) -> str | None:
        """A header by its name in lower case."""
        if (found := self.headers.get(name)) is not None:  # at once, where the mapping takes any case
            return found
        return next((value for key, value in self.headers.items() if key.lower() == name), None)

    def number(self, name: str) -> int | None:
        """A header that is a whole number, such as a count or a time; None where it is missing or anything else."""
        value = self.header(name)
        return int(value) if value and len(value) <= LONGEST_NUMBER and value.isdecimal() else None

    def retry_after(self, longest: Milliseconds = LONGEST_WAIT) -> Milliseconds | None:
        """How long to wait by the header of this name, in seconds or until a date (RFC 9110, 10.2.3).

        None where it is missing or makes no sense; never longer than `longest`.
        """
        told = (self.header("retry-after") or "").strip()
        try:
            seconds = float(told)
        except ValueError:
            date = _date(told)
            return None if date is None else self.until(date, longest)
        if math.isnan(seconds) or seconds < 0:
            return None
        return math.ceil(min(seconds * 1_000, longest))

    def until(self, time: int, longest: Milliseconds = LONGEST_WAIT) -> Milliseconds:
        """How long until a time that the venue tells since 1970, in seconds or ms: from 0 to `longest`."""
        return min(max(0, (time if time >= IN_MS else time * 1_000) - self._told_at()), longest)

    def _told_at(self) -> Milliseconds:
        """When the venue answered, by its own clock where ours differs from it: nobody knows what ours was set to."""
        now, theirs = clock.now(), _date(self.header("date") or "")
        return now if theirs is None or abs(theirs - now) <= CLOSE else theirs


Judge = Callable[[VenueResponse], errors.VenueError | None]
"""What an answer means by the venue's own tables; None when they say nothing."""


def _date(text: str) -> Milliseconds | None:
    """A date as headers have it; None where it is none."""
    try:
        date = parsedate_to_datetime(text)
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None
