"""One scope: our share of it, what the venue tells of it, and until when it is closed."""

import pytest

from schemas.base import Milliseconds
from tests.support.metering import at
from worker.venues.limits.meter import CLOCK_MARGIN, LONGEST_TRIAL, ROLLING_MARGIN, Headroom, Meter
from worker.venues.limits.tables import UNCOUNTED, Per, Scope, User

MINUTE = 60_000
START = 1_700_000_010_000
"""In the middle of a minute."""

WEIGHT = Scope("weight", 100, MINUTE, Per.ADDRESS, on_the_clock=True)
CALLS = Scope("calls", 100, MINUTE, Per.USER)
ME = User("mine", "key")


def address(share: float = 1.0) -> Meter:
    return Meter(WEIGHT, None, WEIGHT.limit, share)


def user() -> Meter:
    return Meter(CALLS, ME, CALLS.limit, 0.5)


def use(meter: Meter, weight: int, now: Milliseconds = START) -> None:
    meter.end(meter.begin(weight, at(now)), weight, at(now))


def left(meter: Meter, now: Milliseconds = START) -> int | None:
    return meter.headroom("binance", None, at(now)).left


@pytest.mark.parametrize(("share", "budget"), [(1.0, 100), (0.5, 50), (0.333, 33), (0.001, 1)])
def test_of_what_an_address_may_we_take_our_share(share: float, budget: int) -> None:
    meter = address(share)
    assert (meter.budget, left(meter)) == (budget, budget)
    use(meter, budget)
    assert not meter.has_room(1, at(START))


def test_a_users_limit_is_not_shared() -> None:
    assert user().budget == 100


def test_others_behind_the_address_take_nothing_of_our_share_while_there_is_enough() -> None:
    meter = address(share=0.5)
    meter.end(meter.begin(1, at(START)), 1, at(START), told=40)
    assert left(meter) == 49
    meter.end(meter.begin(1, at(START)), 1, at(START), told=71)
    assert left(meter) == 29


def test_another_limit_than_the_documented_one_is_heard_of() -> None:
    meter = user()
    meter.end(meter.begin(4, at(START)), 4, at(START), limit=10)
    assert left(meter) == 6
    meter.end(meter.begin(1, at(START)), 1, at(START), limit=1_000)
    assert left(meter) == 995


def test_a_limit_of_nothing_is_none() -> None:
    meter = user()
    meter.end(meter.begin(1, at(START)), 1, at(START), limit=0)
    assert left(meter) == 99


@pytest.mark.parametrize(
    ("wait", "opens"),
    [
        (None, START + 30_000 + CLOCK_MARGIN),  # at the end of the minute
        (30_000, START + 30_000 + CLOCK_MARGIN),  # the same, as the venue tells it
        (29_000, START + 30_000 + CLOCK_MARGIN),  # whole seconds, and a part of one left out
        (3_000, START + 3_000 + ROLLING_MARGIN),
        (90_000, START + 90_000 + CLOCK_MARGIN),
        (100_000, START + 100_000 + ROLLING_MARGIN),
    ],
)
def test_what_is_counted_by_the_minute_opens_when_the_venue_says_or_with_the_minute(
    wait: Milliseconds | None, opens: Milliseconds
) -> None:
    meter = address()
    meter.close(wait, at(START))
    assert not meter.has_room(1, at(opens - 1))
    assert meter.has_room(1, at(opens))
    assert (meter.room_at(1, at(START)), meter.changes_at(at(START))) == (opens, opens)


@pytest.mark.parametrize(("wait", "closed_for"), [(None, MINUTE), (600_000, 600_000)])
def test_what_is_counted_over_any_minute_opens_after_the_wait_or_a_minute(
    wait: Milliseconds | None, closed_for: Milliseconds
) -> None:
    meter = user()
    meter.close(wait, at(START))
    assert not meter.has_room(1, at(START + closed_for))
    assert meter.has_room(1, at(START + closed_for + ROLLING_MARGIN))


def test_a_shorter_wait_does_not_open_what_is_closed_for_longer() -> None:
    meter = user()
    meter.close(90_000, at(START))
    meter.close(1_000, at(START))
    assert meter.is_closed_at(START + 89_000)


def closed_and_open_again() -> tuple[Meter, Milliseconds]:
    meter = user()
    meter.close(5_000, at(START))
    return meter, START + 5_000 + ROLLING_MARGIN


def test_when_it_opens_again_one_request_goes_first() -> None:
    meter, opened = closed_and_open_again()
    trial = meter.begin(1, at(opened))
    assert not meter.has_room(1, at(opened))
    meter.end(trial, 1, at(opened + 80))
    assert meter.has_room(99, at(opened + 80))


def test_the_first_that_is_refused_again_closes_it_again_before_anybody_else_has_gone() -> None:
    meter, opened = closed_and_open_again()
    trial = meter.begin(1, at(opened))
    meter.close(7_000, at(opened + 80))
    meter.end(trial, 1, at(opened + 80))
    assert not meter.has_room(1, at(opened + 7_000))
    meter.begin(1, at(opened + 7_200))
    assert not meter.has_room(1, at(opened + 7_200))


def test_the_first_is_not_waited_for_for_ever() -> None:
    meter, opened = closed_and_open_again()
    meter.begin(1, at(opened))
    assert meter.changes_at(at(opened)) == opened + LONGEST_TRIAL
    assert meter.has_room(1, at(opened + LONGEST_TRIAL))


def test_a_first_that_never_left_lets_another_try() -> None:
    meter, opened = closed_and_open_again()
    meter.drop(meter.begin(1, at(opened)))
    assert meter.has_room(1, at(opened))
    meter.begin(1, at(opened))
    assert not meter.has_room(1, at(opened))


def test_what_was_let_go_when_it_was_closed_tells_nothing_of_whether_it_is_open() -> None:
    meter, opened = closed_and_open_again()
    let_go = meter.begin(1, at(START))
    meter.end(let_go, 1, at(START + 80))
    assert not meter.has_room(1, at(START + 80))
    meter.begin(1, at(opened))
    assert not meter.has_room(1, at(opened))


def test_headroom_tells_what_is_left_of_what() -> None:
    meter = user()
    use(meter, 30)
    meter.close(5_000, at(START))
    assert meter.headroom("okx", "http://here", at(START + 10)) == Headroom(
        exchange="okx",
        base_url="http://here",
        scope="calls",
        user="mine",
        limit=100,
        left=70,
        closed_for=5_000 - 10 + ROLLING_MARGIN,
    )


def test_headroom_tells_no_figure_of_what_nobody_counts_and_no_key() -> None:
    meter = Meter(Scope("actions", UNCOUNTED, 10_000, Per.USER), ME, UNCOUNTED, 1.0)
    use(meter, 1)
    row = meter.headroom("hyperliquid", None, at(START))
    assert (row.limit, row.left) == (None, None)
    assert ME.key not in f"{row!r} {ME!r}"
