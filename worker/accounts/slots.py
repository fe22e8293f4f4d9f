"""When something is to be done again and again: `hourly :05`, `daily 00:05`, `weekly mon 00:05`, in UTC.

Each time is a slot, an instant that is the same for everybody who reads the same words: whoever comes first does what
is to be done in it, and the others find that it was done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer

from schemas.base import Milliseconds

MINUTE: Milliseconds = 60_000
HOUR: Milliseconds = 60 * MINUTE
DAY: Milliseconds = 24 * HOUR

WEEKDAYS = ("thu", "fri", "sat", "sun", "mon", "tue", "wed")
"""From the first day of UTC's count on, 1970-01-01."""

SYNTAX = re.compile(
    r"hourly :(?P<hourly>[0-5]\d)"
    r"|daily (?P<daily>(?:[01]\d|2[0-3]):[0-5]\d)"
    rf"|weekly (?P<day>{'|'.join(WEEKDAYS)}) (?P<weekly>(?:[01]\d|2[0-3]):[0-5]\d)"
)


class Rhythm(NamedTuple):
    """How often, and how late what is due in a slot may still be done."""

    period: Milliseconds
    grace: Milliseconds


RHYTHMS: Mapping[str, Rhythm] = MappingProxyType(
    {
        "hourly": Rhythm(HOUR, 15 * MINUTE),
        "daily": Rhythm(DAY, 6 * HOUR),
        "weekly": Rhythm(7 * DAY, 12 * HOUR),
    }
)


@dataclass(frozen=True, slots=True)
class Slots:
    """Instants that are a period apart. `grace` is how long after its slot what was due may still be done."""

    text: str
    period: Milliseconds
    offset: Milliseconds
    grace: Milliseconds

    def latest(self, now: Milliseconds) -> Milliseconds:
        """The newest slot that has come.

        >>> slots_of("daily 00:05").latest(DAY + 4 * MINUTE) == 5 * MINUTE
        True
        """
        return now - (now - self.offset) % self.period

    def next(self, now: Milliseconds) -> Milliseconds:
        """The slot to come."""
        return self.latest(now) + self.period

    def count(self, after: Milliseconds, until: Milliseconds) -> int:
        """How many slots have come after one, and until another one, which counts as well."""
        return max(0, (self.latest(until) - self.latest(after)) // self.period)

    def __str__(self) -> str:
        """As it was written."""
        return self.text


def slots_of(text: str) -> Slots:
    """Slots as they are written. Raises ValueError.

    >>> slots_of("weekly mon 00:05").latest(5 * DAY) == 4 * DAY + 5 * MINUTE
    True
    """
    written = " ".join(text.lower().split())
    if (match := SYNTAX.fullmatch(written)) is None:
        raise ValueError("must be `hourly :MM`, `daily HH:MM` or `weekly DAY HH:MM` in UTC, with DAY as in mon")
    rhythm = RHYTHMS[written.partition(" ")[0]]
    if minute := match["hourly"]:
        return Slots(written, rhythm.period, int(minute) * MINUTE, rhythm.grace)
    days = WEEKDAYS.index(match["day"]) if match["day"] else 0
    hours, minutes = (match["daily"] or match["weekly"]).split(":")
    return Slots(written, rhythm.period, days * DAY + int(hours) * HOUR + int(minutes) * MINUTE, rhythm.grace)


def _read(value: Any) -> Any:
    return slots_of(value) if isinstance(value, str) else value


WrittenSlots = Annotated[Slots, BeforeValidator(_read), PlainSerializer(str, return_type=str)]
"""Slots as people write them."""
