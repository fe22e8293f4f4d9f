"""When a venue counts as failing, as down, and as up again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.control import VenueHealth, VenueState
from worker.runtime.clock import Clocks
from worker.venues.lifecycle.health import RULES, Health

UP, FAILING, DOWN = VenueHealth.UP, VenueHealth.FAILING, VenueHealth.DOWN
START = 1_800_000_000_000
SECOND = 1_000


@dataclass
class Observed:
    """A venue's health, a clock that goes when it is told, and the changes that were told."""

    now: int = START
    set_by: int = 0
    told: list[VenueState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = Health("binance", Clocks(lambda: self.now, lambda: self.now + self.set_by), self.told.append)

    def answers(self, times: int = 1) -> None:
        for _ in range(times):
            self.health.heard(None)

    def fails(self, times: int = 1, reason: str = "HTTP 502", every_ms: int = 0) -> None:
        for _ in range(times):
            self.health.heard(reason)
            self.now += every_ms

    def passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @property
    def changes(self) -> list[VenueHealth]:
        return [state.health for state in self.told]


@pytest.fixture
def venue() -> Observed:
    """A venue whose markets are loaded."""
    venue = Observed()
    venue.health.listed(None)
    return venue


@pytest.fixture
def down(venue: Observed) -> Observed:
    """One that has not answered for a while."""
    venue.fails(RULES.down_failures + 1, every_ms=SECOND)
    assert venue.health.state().health is DOWN
    return venue


def test_nothing_is_told_while_nothing_is_known() -> None:
    venue = Observed()
    venue.fails(10, every_ms=SECOND)
    assert venue.told == []
    state = venue.health.state()
    assert (state.health, state.markets_loaded, state.since) == (DOWN, False, START)
    assert state.reason == "its markets are being loaded"


def test_how_it_stands_first_of_all_is_told(venue: Observed) -> None:
    assert venue.changes == [UP]
    assert venue.told == [venue.health.state()]


def test_without_markets_it_is_down_until_they_are_loaded() -> None:
    venue = Observed()
    for problem in ("no connection", "still no connection"):
        venue.fails()
        venue.health.listed(problem)
        venue.passes(1)
    assert venue.changes == [DOWN]
    assert venue.health.state().reason == "its markets can't be loaded: still no connection"
    venue.answers()
    assert venue.health.state().health is DOWN
    venue.health.listed(None)
    assert venue.changes == [DOWN, UP]
    assert venue.told[-1] == VenueState(
        exchange="binance", health=UP, markets_loaded=True, since=START + 2 * SECOND, reason=None
    )


def test_markets_that_can_not_be_loaded_again_stay(venue: Observed) -> None:
    venue.health.listed("HTTP 502")
    assert venue.health.state().markets_loaded
    assert venue.changes == [UP]


def test_one_failure_among_many_answers_changes_nothing(venue: Observed) -> None:
    for _ in range(10):
        venue.answers(20)
        venue.fails()
        venue.passes(1)
    assert venue.changes == [UP]
    assert venue.health.state().reason is None


def test_three_failures_in_a_row_are_failing_be_they_hours_apart(venue: Observed) -> None:
    venue.fails(2, every_ms=3_600 * SECOND)
    assert venue.changes == [UP]
    venue.fails(reason="no connection")
    assert venue.changes == [UP, FAILING]
    assert (venue.told[-1].reason, venue.told[-1].since) == ("no connection", venue.now)


def test_a_tenth_of_the_requests_of_a_minute_is_failing(venue: Observed) -> None:
    for _ in range(2):
        venue.answers(9)
        venue.fails()
    assert venue.changes == [UP]
    venue.answers(9)
    venue.fails()
    assert venue.changes == [UP, FAILING]


def test_failures_of_another_minute_do_not_count(venue: Observed) -> None:
    for _ in range(10):
        venue.answers(5)
        venue.fails()
        venue.passes(RULES.window_s // 2)
    assert venue.changes == [UP]


def test_between_a_tenth_and_a_twentieth_all_stays_as_it_is(venue: Observed) -> None:
    venue.answers(27)
    venue.fails(3)
    venue.answers(12)
    assert venue.changes == [UP, FAILING]
    assert 5 < 100 * 3 / 42 < 10
    venue.answers(19)
    assert venue.changes == [UP, FAILING, UP]
    for _ in range(4):
        venue.fails()
        venue.answers(12)
    assert 5 < 100 * 7 / 113 < 10
    assert venue.changes == [UP, FAILING, UP]


def test_failing_ends_when_a_minute_has_passed_without_failure(venue: Observed) -> None:
    venue.fails(3)
    venue.answers()
    venue.passes(RULES.window_s - 1)
    assert venue.health.state().health is FAILING
    venue.passes(1)
    assert venue.health.state().health is UP
    assert venue.changes == [UP, FAILING, UP]


def test_failing_does_not_end_by_silence_alone(venue: Observed) -> None:
    venue.fails(3)
    venue.passes(3_600)
    assert venue.health.state().health is FAILING
    assert venue.health.is_in_doubt


def test_a_burst_of_failures_is_not_down_yet(venue: Observed) -> None:
    venue.fails(100)
    assert venue.changes == [UP, FAILING]
    venue.passes(10)
    assert venue.health.state().health is FAILING


def test_no_answer_for_a_while_is_down(venue: Observed) -> None:
    venue.fails(5, every_ms=SECOND)
    assert venue.changes == [UP, FAILING]
    venue.fails(reason="no answer")
    assert venue.changes == [UP, FAILING, DOWN]
    assert venue.told[-1].reason == "no answer"


def test_an_answer_in_between_begins_the_row_anew(venue: Observed) -> None:
    for _ in range(5):
        venue.fails(4, every_ms=SECOND)
        venue.answers()
    assert DOWN not in venue.changes


def test_down_ends_with_three_answers_in_a_row(down: Observed) -> None:
    before = len(down.told)
    for _ in range(10):
        down.answers(2)
        down.fails()
    assert down.told[before:] == []
    down.answers(3)
    assert [state.health for state in down.told[before:]] == [UP]


def test_while_it_is_down_only_requests_can_tell_that_it_is_back(down: Observed) -> None:
    down.answers(2)
    assert down.health.is_in_doubt
    down.answers()
    assert not down.health.is_in_doubt


def test_after_down_the_failures_that_made_it_are_over(down: Observed) -> None:
    down.answers(3)
    down.fails(2)
    assert down.changes[-1] is UP
    down.fails(1)
    assert down.changes[-1] is FAILING


def test_a_clock_that_is_set_back_does_no_harm(venue: Observed) -> None:
    venue.fails(3)
    venue.passes(-3_600)
    venue.answers(100)
    assert venue.health.state().health is UP
    venue.fails(6, every_ms=SECOND)
    assert venue.health.state().health is DOWN


@pytest.mark.parametrize("jump_s", [-400 * 86_400, -600, 600, 400 * 86_400])
def test_a_clock_that_is_set_makes_no_old_failure_new_and_ends_no_trouble(venue: Observed, jump_s: int) -> None:
    venue.fails(RULES.failing_failures)
    venue.set_by = jump_s * SECOND
    assert venue.health.state().health is FAILING
    venue.passes(RULES.window_s + 1)
    venue.answers()
    assert venue.health.state().health is UP
    assert venue.health.state().since == venue.now + venue.set_by


EVENTS = st.one_of(
    st.integers(1, 30).map(lambda times: lambda venue: venue.answers(times)),
    st.integers(1, 8).map(lambda times: lambda venue: venue.fails(times)),
    st.integers(1, 8).map(lambda times: lambda venue: venue.fails(times, every_ms=SECOND)),
    st.integers(1, 70).map(lambda seconds: lambda venue: venue.passes(seconds)),
    st.sampled_from([None, "HTTP 502"]).map(lambda failure: lambda venue: venue.health.listed(failure)),
    st.just(lambda venue: venue.health.state()),
)


@dataclass
class Recording(Observed):
    """Remembers the requests, newest first."""

    heard: list[bool] = field(default_factory=list)

    def answers(self, times: int = 1) -> None:
        super().answers(times)
        self.heard[:0] = [True] * times

    def fails(self, times: int = 1, reason: str = "HTTP 502", every_ms: int = 0) -> None:
        super().fails(times, reason, every_ms)
        self.heard[:0] = [False] * times

    def newest(self, *, answered: bool) -> int:
        """How many of the newest requests were, or were not, answered."""
        return len(list(takewhile(lambda one: one is answered, self.heard)))


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_each_change_is_told_once(happenings: list[Callable[[Observed], None]]) -> None:
    venue = Observed()
    for happens in happenings:
        happens(venue)
        state = venue.health.state()
        assert not venue.told or venue.told[-1].model_copy(update={"reason": state.reason}) == state
    assert all(before.health is not after.health for before, after in pairwise(venue.told))
    assert all(before.since <= after.since for before, after in pairwise(venue.told))


def _states(happenings: list[Callable[[Observed], None]]) -> Iterator[tuple[Recording, VenueHealth]]:
    venue = Recording()
    venue.health.listed(None)
    for happens in happenings:
        happens(venue)
        yield venue, venue.health.state().health


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_the_newest_requests_are_not_belied(happenings: list[Callable[[Observed], None]]) -> None:
    for venue, health in _states(happenings):
        if venue.newest(answered=False) >= RULES.failing_failures:
            assert health is not UP
        if venue.newest(answered=True) >= RULES.back_answers:
            assert health is not DOWN
