"""Where in the stream of events somebody wants to begin."""

from datetime import UTC, datetime

import pytest

from schemas.client.stream import offset_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("start", ["999999d", "99999d", "1969-12-31", "0001-01-01T00:00:00Z"])
def test_what_is_older_than_any_event_means_the_first(start: str) -> None:
    assert offset_of(start, NOW) == "first"


@pytest.mark.parametrize("start", ["", "soon", "15", "15m", "2026-01-01T10:00:00+02:00"])
def test_anything_else_is_a_place_or_a_value_error(start: str) -> None:
    places = {"15": 15, "15m": datetime(2025, 12, 31, 23, 45, tzinfo=UTC)}
    places["2026-01-01T10:00:00+02:00"] = datetime(2026, 1, 1, 8, tzinfo=UTC)
    if start in places:
        assert offset_of(start, NOW) == places[start]
    else:
        with pytest.raises(ValueError, match="isoformat"):
            offset_of(start, NOW)
