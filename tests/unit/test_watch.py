"""Where `perps-dma watch --from` begins."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.console.events.watch import stream_offset
from worker.runtime.errors import ConfigurationError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("word", ["first", "last", "next"])
def test_words_are_the_brokers_own(word: str) -> None:
    assert stream_offset(word, NOW) == word


@pytest.mark.parametrize(
    ("age", "span"), [("15m", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("1d", timedelta(days=1))]
)
def test_an_age_is_counted_back_from_now(age: str, span: timedelta) -> None:
    assert stream_offset(age, NOW) == NOW - span


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T13:00:00+01:00"])
def test_a_time_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert stream_offset(text, NOW) == NOW


def test_anything_else_is_told_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match="first, last, next"):
        stream_offset("yesterday", NOW)
