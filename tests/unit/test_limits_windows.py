"""Windows against a venue that counts for itself: however requests travel, it never counts more than its limit."""

import heapq
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Milliseconds
from tests.support.metering import at
from worker.venues.limits.meter import (
    CLOCK_MARGIN,
    ROLLING_MARGIN,
    Charge,
    ClockWindow,
    Count,
    Most,
    RollingWindow,
)

SPAN, LIMIT = 10_000, 10
START = 1_700_000_000_000


def beside(weight: int) -> Most:
    return Most(LIMIT - weight, LIMIT - weight)


def has_room(window: RollingWindow, weight: int, now: Milliseconds) -> bool:
    return beside(weight).holds(window.used(at(now)))


@dataclass(frozen=True)
class Request:
    """How long after the one before, how heavy, and how long each way takes."""

    gap: Milliseconds
    weight: int
    there: Milliseconds
    back: Milliseconds


requests = st.lists(
    st.builds(
        Request,
        gap=st.one_of(st.just(0), st.integers(0, 400), st.integers(0, 2 * SPAN)),
        weight=st.integers(1, LIMIT),
        there=st.integers(0, 5_000),
        back=st.integers(0, 5_000),
    ),
    max_size=60,
)


@dataclass
class Journey:
    """Lets requests go as the window says, and notes when each arrived by the venue's clock, and its weight."""

    window: RollingWindow
    skew: Milliseconds = 0
    now: Milliseconds = START
    arrived: list[tuple[Milliseconds, int]] = field(default_factory=list)
    under_way: list[tuple[Milliseconds, int, Charge]] = field(default_factory=list)

    def pass_time(self, gap: Milliseconds) -> None:
        until = self.now + gap
        while self.under_way and self.under_way[0][0] <= until:
            self.now, _, use = heapq.heappop(self.under_way)
            self.window.end(use, use.weight, at(self.now))
        self.now = until

    def offer(self, request: Request) -> bool:
        self.pass_time(request.gap)
        if not has_room(self.window, request.weight, self.now):
            return False
        use = self.window.begin(request.weight, at(self.now))
        arrival = self.now + request.there
        self.arrived.append((arrival + self.skew, request.weight))
        heapq.heappush(self.under_way, (arrival + request.back, len(self.arrived), use))
        return True


@given(requests)
def test_no_stretch_of_the_length_of_a_rolling_window_holds_more_than_the_limit(coming: list[Request]) -> None:
    journey = Journey(RollingWindow(SPAN))
    for request in coming:
        journey.offer(request)
    for end, _ in journey.arrived:
        assert sum(weight for arrival, weight in journey.arrived if end - SPAN < arrival <= end) <= LIMIT


@given(requests, st.integers(-CLOCK_MARGIN, CLOCK_MARGIN))
def test_no_window_of_the_venues_clock_holds_more_than_the_limit(coming: list[Request], skew: Milliseconds) -> None:
    journey = Journey(ClockWindow(SPAN), skew)
    for request in coming:
        journey.offer(request)
    windows: Counter[Milliseconds] = Counter()
    for arrival, weight in journey.arrived:
        windows[arrival // SPAN] += weight
    assert max(windows.values(), default=0) <= LIMIT


@given(requests, st.sampled_from([RollingWindow, ClockWindow]))
def test_room_is_foretold_never_too_late(coming: list[Request], kind: type[RollingWindow]) -> None:
    journey = Journey(kind(SPAN))
    for request in coming:
        if journey.offer(request):
            continue
        foretold = journey.window.room_at(beside(request.weight), at(journey.now))
        assert foretold > journey.now
        journey.pass_time(foretold - 1 - journey.now)
        assert not has_room(journey.window, request.weight, journey.now)


@pytest.mark.parametrize(
    ("window", "wait"), [(RollingWindow(SPAN), SPAN + ROLLING_MARGIN), (ClockWindow(SPAN), SPAN // 2 + CLOCK_MARGIN)]
)
def test_the_whole_limit_goes_at_once_and_the_whole_again_once_the_window_is_over(
    window: RollingWindow, wait: Milliseconds
) -> None:
    now = START + SPAN // 2
    for _ in range(2):
        for _ in range(LIMIT):
            assert has_room(window, 1, now)
            window.end(window.begin(1, at(now)), 1, at(now))
        assert window.room_at(beside(1), at(now)) == now + wait
        now += wait
        wait = SPAN if isinstance(window, ClockWindow) else SPAN + ROLLING_MARGIN


@pytest.mark.parametrize("window", [RollingWindow(SPAN), ClockWindow(SPAN)])
def test_what_never_left_is_not_counted(window: RollingWindow) -> None:
    now = START + SPAN // 2
    use = window.begin(LIMIT, at(now))
    assert not has_room(window, 1, now)
    window.drop(use)
    assert has_room(window, LIMIT, now)


@pytest.mark.parametrize("window", [RollingWindow(SPAN), ClockWindow(SPAN)])
def test_what_turns_out_lighter_is_counted_so(window: RollingWindow) -> None:
    now = START + SPAN // 2
    window.end(window.begin(LIMIT, at(now)), 3, at(now))
    assert has_room(window, LIMIT - 3, now)
    assert not has_room(window, LIMIT - 2, now)


@pytest.mark.parametrize("window", [RollingWindow(SPAN), ClockWindow(SPAN)])
def test_the_venues_count_adds_what_others_use_and_forgets_nothing_of_ours(window: RollingWindow) -> None:
    now = START + SPAN // 2
    under_way, first, second = (window.begin(weight, at(now)) for weight in (4, 1, 1))
    window.end(first, 1, at(now), told=2)
    assert window.used(at(now)) == Count(6, 6)
    window.end(second, 1, at(now), told=9)
    assert window.used(at(now)) == Count(6, 9)
    window.end(under_way, 4, at(now), told=5)
    assert window.used(at(now)) == Count(6, 9)
    assert window.used(at(now + 2 * SPAN)) == Count(0, 0)


def test_a_count_that_may_be_of_the_window_before_is_not_believed() -> None:
    window, border = ClockWindow(SPAN), START + SPAN
    use = window.begin(1, at(border - CLOCK_MARGIN - 1))
    window.end(use, 1, at(border - CLOCK_MARGIN), told=LIMIT)
    assert has_room(window, LIMIT - 1, border - CLOCK_MARGIN)


def test_a_request_under_way_at_the_border_counts_on_both_sides() -> None:
    window, border = ClockWindow(SPAN), START + SPAN
    use = window.begin(6, at(border - 2_000))
    window.end(use, 6, at(border + 2_000))
    assert window.used(at(border + 3_000)) == Count(6, 6)
    assert window.used(at(border + SPAN + 3_000)) == Count(0, 0)
