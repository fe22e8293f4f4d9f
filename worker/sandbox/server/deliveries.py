"""When quarterly futures are delivered, the same on every venue that has them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from schemas.base import Milliseconds

FRIDAY = 4
SETTLEMENT_HOUR = 8


def quarter_ends(now: Milliseconds) -> Iterator[Milliseconds]:
    """The deliveries to come: the last Friday of each quarter, 08:00 UTC."""
    year = datetime.fromtimestamp(now / 1000, UTC).year
    while True:
        for month in (3, 6, 9, 12):
            day = _last_friday(year, month)
            at = int(datetime(day.year, day.month, day.day, SETTLEMENT_HOUR, tzinfo=UTC).timestamp()) * 1000
            if at > now:
                yield at
        year += 1


def _last_friday(year: int, month: int) -> date:
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - FRIDAY) % 7)
