"""Addresses that spend too much weight are throttled, and banned if they don't stop."""

import pytest

from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.limits import BAN, IGNORED_WARNINGS, OverLimit, WeightMeter

START = 1_795_000_020_000 // MINUTE * MINUTE


def over_limit(meter: WeightMeter, now: int, weight: int = 1) -> OverLimit:
    with pytest.raises(OverLimit) as over:
        meter.charge("here", weight, now)
    return over.value


def test_weight_adds_up_within_a_minute_and_starts_anew_with_the_next() -> None:
    meter = WeightMeter(limit=100)
    assert [meter.charge("here", 30, START + at) for at in (0, 59_999, MINUTE)] == [30, 60, 30]


def test_the_limit_itself_may_be_reached_and_not_passed() -> None:
    meter = WeightMeter(limit=60)
    assert meter.charge("here", 60, START) == 60
    over = over_limit(meter, START + 20_000)
    assert (over.retry_after, over.banned_until) == (40_000, None)


def test_addresses_are_counted_apart() -> None:
    meter = WeightMeter(limit=60)
    meter.charge("here", 60, START)
    assert meter.charge("there", 60, START) == 60


def test_who_waits_as_told_is_served_again() -> None:
    meter = WeightMeter(limit=60)
    meter.charge("here", 60, START)
    over = over_limit(meter, START + 5)
    assert meter.charge("here", 1, START + 5 + over.retry_after) == 1


def test_who_ignores_the_warnings_is_banned_beyond_the_minute() -> None:
    meter = WeightMeter(limit=1)
    meter.charge("here", 1, START)
    for _ in range(IGNORED_WARNINGS):
        assert over_limit(meter, START + 1).banned_until is None
    assert over_limit(meter, START + 1).banned_until == START + 1 + BAN
    assert over_limit(meter, START + MINUTE).banned_until == START + 1 + BAN
    assert meter.charge("here", 1, START + 1 + BAN) == 1
