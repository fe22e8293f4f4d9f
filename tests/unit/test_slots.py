"""Slots of a schedule: what is written, when they come, and how many have passed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.accounts.slots import DAY, HOUR, MINUTE, RHYTHMS, WEEKDAYS, slots_of

INSTANTS = st.integers(0, 4_000_000_000_000)
WRITTEN = st.sampled_from(
    [
        "hourly :00",
        "hourly :59",
        "daily 00:00",
        "daily 00:05",
        "daily 23:59",
        *(f"weekly {day} 07:30" for day in WEEKDAYS),
    ]
)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("text", "now", "latest", "following"),
    [
        ("hourly :05", "2026-11-30T00:04:59", "2026-11-29T23:05", "2026-11-30T00:05"),
        ("hourly :05", "2026-11-30T00:05:00", "2026-11-30T00:05", "2026-11-30T01:05"),
        ("daily 00:05", "2026-11-30T00:04:59", "2026-11-29T00:05", "2026-11-30T00:05"),
        ("daily 23:59", "2026-11-30T00:00:00", "2026-11-29T23:59", "2026-11-30T23:59"),
        ("weekly mon 00:05", "2026-11-30T00:05:00", "2026-11-30T00:05", "2026-12-07T00:05"),
        ("weekly sun 12:00", "2026-11-30T00:05:00", "2026-11-29T12:00", "2026-12-06T12:00"),
        ("Weekly  MON 00:05", "2026-12-06T23:00:00", "2026-11-30T00:05", "2026-12-07T00:05"),
    ],
)
def test_a_slot_is_where_the_calendar_has_it(text: str, now: str, latest: str, following: str) -> None:
    slots = slots_of(text)
    assert (slots.latest(at(now)), slots.next(at(now))) == (at(latest), at(following))


@given(WRITTEN, INSTANTS)
def test_an_instant_lies_between_two_slots_that_are_a_period_apart(text: str, now: int) -> None:
    slots = slots_of(text)
    assert slots.latest(now) <= now < slots.next(now)
    assert slots.next(now) - slots.latest(now) == slots.period
    assert slots.latest(slots.latest(now)) == slots.latest(now)
    assert slots_of(str(slots)) == slots


@given(WRITTEN, INSTANTS, st.integers(0, 50))
def test_slots_are_counted_from_one_to_the_other(text: str, now: int, later: int) -> None:
    slots = slots_of(text)
    slot = slots.latest(now)
    assert slots.count(slot, slot + later * slots.period) == later
    assert slots.count(slot, slot - later * slots.period) == 0


@pytest.mark.parametrize(
    "text",
    [
        *("", "daily", "daily 24:00", "daily 0:05", "daily 00:60", "daily 00:05 UTC", "hourly 05", "hourly :60"),
        *("weekly 00:05", "weekly monday 00:05", "monthly 1 00:05", "00:05", "daily :05", "weekly mon :05"),
    ],
)
def test_what_is_no_schedule_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="must be `hourly :MM`, `daily HH:MM` or `weekly DAY HH:MM` in UTC"):
        slots_of(text)


def test_the_grace_ends_before_the_next_slot_and_before_a_command_is_forgotten() -> None:
    assert all(rhythm.grace < rhythm.period and rhythm.grace < DAY for rhythm in RHYTHMS.values())
    assert RHYTHMS["hourly"] == (HOUR, 15 * MINUTE)
