"""A clock that is set, by minutes or by years, closes nothing, opens nothing, and forgets nothing of what was used."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Milliseconds
from tests.support.metering import MeteredVenue
from worker.runtime.clock import AGES, STEP, Clocks, Moment, Timekeeper, now, steady
from worker.venues.limits import Limits
from worker.venues.limits.limiter import RateLimiter
from worker.venues.limits.meter import CLOCK_MARGIN, LONGEST_TRIAL, ROLLING_MARGIN, ClockWindow, Count, Meter, Most
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, User, VenueLimits
from worker.venues.port.errors import LimitReached
from worker.venues.port.response import VenueResponse

SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000
SPAN, LIMIT = 10 * SECOND, 10
START, UTC = 5_000_000, 1_700_000_005_000
BY_MINUTE = Scope("weight", LIMIT, MINUTE, Per.ADDRESS, on_the_clock=True)
ROLLING = Scope("calls", LIMIT, MINUTE, Per.ADDRESS)
JUMPS = (-400 * DAY, -10 * MINUTE, -7 * SECOND, 7 * SECOND, 10 * MINUTE, 400 * DAY)

each_jump = pytest.mark.parametrize("jump", JUMPS)
each_scope = pytest.mark.parametrize("scope", [BY_MINUTE, ROLLING], ids=["by the minute", "rolling"])


@dataclass
class Hands:
    """Two clocks that go when they are told, one of which may be set."""

    steady: Milliseconds = START
    utc: Milliseconds = UTC

    def __post_init__(self) -> None:
        self._timekeeper = Timekeeper(Clocks(lambda: self.steady, lambda: self.utc))
        self._timekeeper.now()

    @property
    def now(self) -> Moment:
        return self._timekeeper.now()

    def passes(self, gap: Milliseconds) -> None:
        self.steady += gap
        self.utc += gap

    def is_set(self, by: Milliseconds) -> None:
        self.utc += by


def beside(weight: int) -> Most:
    return Most(LIMIT - weight, LIMIT - weight)


def meter(scope: Scope) -> Meter:
    return Meter(scope, None, scope.limit, 1.0)


def used_up(scope: Scope, hands: Hands) -> Meter:
    found = meter(scope)
    found.end(found.begin(LIMIT, hands.now), LIMIT, hands.now)
    return found


def opens_after(found: Meter, hands: Hands, *, most: Milliseconds) -> Milliseconds:
    """How long until there is room."""
    for waited in range(0, most, 100):
        if found.has_room(1, hands.now):
            return waited
        hands.passes(100)
    return most


@each_jump
@each_scope
def test_what_was_used_is_counted_for_a_window_and_not_for_longer(scope: Scope, jump: Milliseconds) -> None:
    hands = Hands()
    found = used_up(scope, hands)
    hands.is_set(by=jump)
    assert not found.has_room(1, hands.now)
    assert MINUTE <= opens_after(found, hands, most=3 * MINUTE) <= MINUTE + 2 * CLOCK_MARGIN


@each_jump
@each_scope
def test_an_untouched_limit_stays_open(scope: Scope, jump: Milliseconds) -> None:
    hands = Hands()
    found = meter(scope)
    hands.is_set(by=jump)
    assert found.has_room(LIMIT, hands.now)


@each_jump
@each_scope
def test_a_request_under_way_is_counted_on(scope: Scope, jump: Milliseconds) -> None:
    hands = Hands()
    found = meter(scope)
    use = found.begin(LIMIT, hands.now)
    hands.is_set(by=jump)
    hands.passes(SECOND)
    assert not found.has_room(1, hands.now)
    found.end(use, LIMIT, hands.now)
    assert not found.has_room(1, hands.now)


@each_jump
@each_scope
def test_what_others_use_is_not_forgotten(scope: Scope, jump: Milliseconds) -> None:
    hands = Hands()
    found = meter(scope)
    use = found.begin(1, hands.now)
    found.end(use, 1, hands.now, told=LIMIT)
    hands.is_set(by=jump)
    assert not found.has_room(1, hands.now)
    later = found.begin(1, hands.now)
    found.end(later, 1, hands.now, told=LIMIT)
    assert found.headroom("okx", None, hands.now).left == 0


@each_jump
@each_scope
def test_what_the_venue_closed_opens_when_it_said(scope: Scope, jump: Milliseconds) -> None:
    hands = Hands()
    found = meter(scope)
    found.close(90 * SECOND + 1, hands.now)
    hands.is_set(by=jump)
    assert 90 * SECOND <= opens_after(found, hands, most=3 * MINUTE) <= 92 * SECOND


@each_jump
def test_the_trial_after_a_closure_is_waited_for_no_longer(jump: Milliseconds) -> None:
    hands = Hands()
    found = meter(ROLLING)
    found.close(0, hands.now)
    hands.passes(ROLLING_MARGIN)
    found.begin(1, hands.now)
    hands.is_set(by=jump)
    assert opens_after(found, hands, most=MINUTE) == LONGEST_TRIAL


def test_a_closure_for_the_rest_of_the_minute_is_measured_by_the_clock_of_the_time() -> None:
    hands = Hands()
    found = meter(BY_MINUTE)
    found.close(None, hands.now)
    rest = -hands.utc % MINUTE
    assert rest <= opens_after(found, hands, most=3 * MINUTE) <= rest + CLOCK_MARGIN + 100


Step = Callable[["Traffic"], None]


@dataclass
class Traffic:
    """Requests in front of windows by the clock, while somebody sets it."""

    hands: Hands = field(default_factory=Hands)
    sent: list[tuple[Milliseconds, int, int]] = field(default_factory=list)
    """When, of what weight, and in which turn."""

    turns: list[tuple[Milliseconds, Milliseconds]] = field(default_factory=list)
    """How far UTC was seen to be ahead, and since when. One that is set back before any request never was."""

    def __post_init__(self) -> None:
        self.window = ClockWindow(SPAN)
        self.turns.append((self.hands.steady - SPAN, self.hands.now.ahead))

    def send(self, weight: int) -> None:
        now = self.hands.now
        at, ahead = now.steady, now.ahead
        if ahead != self.turns[-1][1]:
            self.turns.append((at, ahead))
        if beside(weight).holds(self.window.used(now)):
            self.window.end(self.window.begin(weight, now), weight, now)
            self.sent.append((at, weight, len(self.turns) - 1))
            return
        foretold = self.window.room_at(beside(weight), now)
        assert at < foretold <= at + 2 * SPAN + 2 * CLOCK_MARGIN
        changes = self.window.changes_at(now)
        assert changes is not None
        assert at < changes <= at + SPAN + 2 * CLOCK_MARGIN

    def exceeded(self) -> Iterable[int]:
        """What windows held, as far as they were those of a clock in force, or of the one before."""
        ends = [since + SPAN for since, _ in self.turns[1:]] + [self.hands.steady + 1]
        for turn, ((_, ahead), end) in enumerate(zip(self.turns, ends, strict=True)):
            held, last = Counter[int](), dict[int, int]()
            for at, weight, sent_in in self.sent:
                if at < end:
                    held[(at + ahead) // SPAN] += weight
                    last[(at + ahead) // SPAN] = sent_in
            yield from (weight for window, weight in held.items() if last[window] >= turn and weight > LIMIT)


steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.integers(1, LIMIT).map(lambda weight: lambda traffic: traffic.send(weight)),
        st.integers(0, 12 * SECOND).map(lambda gap: lambda traffic: traffic.hands.passes(gap)),
        st.integers(-2 * SPAN, 2 * SPAN).map(lambda by: lambda traffic: traffic.hands.is_set(by)),
        st.sampled_from(JUMPS).map(lambda by: lambda traffic: traffic.hands.is_set(by)),
    ),
    max_size=60,
)


@given(steps)
def test_however_often_the_clock_is_set_no_window_of_any_of_its_times_holds_too_much(happening: list[Step]) -> None:
    traffic = Traffic()
    for step in happening:
        step(traffic)
    assert list(traffic.exceeded()) == []
    traffic.hands.passes(2 * SPAN + 2 * CLOCK_MARGIN)
    assert traffic.window.used(traffic.hands.now) == Count(0, 0)


def test_a_thread_held_up_between_two_readings_is_no_step() -> None:
    held_up = iter([0, 400, 400, 400])  # the first reading took 400 ms
    clocks = Clocks(lambda: next(held_up), lambda: UTC + 400)
    assert Timekeeper(clocks).now().ahead == UTC


@each_jump
def test_whoever_asks_the_time_learns_how_long_ago_utc_was_set(jump: Milliseconds) -> None:
    hands = Hands()
    ahead = hands.now.ahead
    hands.is_set(by=STEP)  # no more than clocks may differ by themselves
    assert (hands.now.ahead, hands.now.since_set > DAY) == (ahead, True)
    hands.is_set(by=jump)
    assert (hands.now.ahead, hands.now.since_set) == (ahead + STEP + jump, 0)
    hands.passes(MINUTE)
    assert (hands.now.ahead, hands.now.since_set) == (ahead + STEP + jump, MINUTE)


WINDOW: Milliseconds = 200
CALLS = Scope("calls", 2, WINDOW, Per.USER)
ME = User("mine", "key")


def venue(limit: Scope) -> VenueLimits:
    return VenueLimits(
        costs={"call": Cost(((limit, 1),))},
        penalty=lambda answer: Penalty(answer.body) if answer.status != 200 else None,
    )


@dataclass
class Jumping:
    """The clocks of this machine, of which one is set."""

    by: Milliseconds = 0

    def place(self) -> RateLimiter:
        return Limits(clocks=Clocks(utc=self.now)).of(MeteredVenue(venue(CALLS)))

    def now(self) -> Milliseconds:
        return now() + self.by


async def send(at: RateLimiter, patience: Milliseconds, told: VenueResponse | None = None) -> None:
    async with at.permit(at.venue.cost("call", {}), ME, patience) as admission:
        admission.sent = True
        if told:
            at.answered(admission, told)


@each_jump
async def test_requests_wait_as_long_as_if_nobody_had_set_the_clock(jump: Milliseconds) -> None:
    clock = Jumping()
    at, began = clock.place(), steady()
    for _ in range(CALLS.limit):
        await send(at, WINDOW)
    waiting = asyncio.create_task(send(at, 10 * WINDOW))
    await asyncio.sleep(0)
    clock.by = jump
    await waiting
    await send(at, 10 * WINDOW)
    assert WINDOW <= steady() - began < 5 * WINDOW
    assert [row.closed_for for row in at.headroom()] == [0]


@each_jump
async def test_a_refusal_tells_the_same_wait_whatever_the_clock_is_set_to(jump: Milliseconds) -> None:
    clock = Jumping()
    at = clock.place()
    await send(at, WINDOW, VenueResponse("/", 429, {}, "", MINUTE))
    clock.by = jump
    with pytest.raises(LimitReached) as caught:
        await send(at, 10 * WINDOW)
    assert caught.value.retry_after is not None
    assert MINUTE - 5 * SECOND < caught.value.retry_after <= MINUTE + ROLLING_MARGIN


class Late(uvloop.Loop):
    """A loop whose timers are due as they are set, as when the machine was busy meanwhile: it gives a plain handle."""

    def call_at(self, when: float, callback: Callable[..., object], *more: object, **named: Any) -> asyncio.TimerHandle:
        handle = super().call_at(min(when, self.time()), callback, *more, **named)
        assert not hasattr(handle, "when")
        return handle


@pytest.mark.parametrize("loop", [uvloop.Loop, Late])
async def test_a_burst_on_uvloop_loses_nobody_and_no_room(loop: type[uvloop.Loop]) -> None:
    async def burst() -> int | None:
        at = Limits().of(MeteredVenue(venue(Scope("calls", 200, WINDOW, Per.USER))))
        await asyncio.gather(*(send(at, MINUTE) for _ in range(1_000)))
        await asyncio.sleep((WINDOW + 2 * ROLLING_MARGIN) / 1000)
        return at.headroom()[0].left

    def on_its_own() -> int | None:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(burst())

    assert await asyncio.to_thread(on_its_own) == 200


class Broken(RuntimeError):
    """No timer can be set."""


class WithoutTimers(asyncio.SelectorEventLoop):
    """A loop that sets none."""

    def call_at(
        self, when: float, callback: Callable[..., object], *more: object, **named: object
    ) -> asyncio.TimerHandle:
        raise Broken


async def test_a_fault_while_waiting_costs_no_room() -> None:
    async def waits() -> list[int | None]:
        at, left = Limits().of(MeteredVenue(venue(CALLS))), []
        async with at.permit(at.venue.cost("call", {}), ME, 0), at.permit(at.venue.cost("call", {}), ME, 0):
            for _ in range(5):
                with pytest.raises(Broken):
                    await send(at, MINUTE)
        for _ in range(CALLS.limit):
            left.append(at.headroom()[0].left)
            await send(at, 0)
        return left

    def on_its_own() -> list[int | None]:
        with asyncio.Runner(loop_factory=WithoutTimers) as runner:
            return runner.run(waits())

    assert await asyncio.to_thread(on_its_own) == [2, 1]


def test_windows_of_one_clock_follow_each_other_at_once() -> None:
    """Where nobody sets the clock, a window by the clock is not as long as a rolling one."""
    hands = Hands(utc=UTC - UTC % MINUTE + 50 * SECOND)
    found = used_up(BY_MINUTE, hands)
    assert 10 * SECOND <= opens_after(found, hands, most=MINUTE) <= 10 * SECOND + CLOCK_MARGIN


def test_clocks_that_pass_alike_are_never_seen_as_set() -> None:
    timekeeper = Timekeeper(Clocks())
    seen = [timekeeper.now() for _ in range(2_000)]
    assert max(abs(told.utc - told.steady - told.ahead) for told in seen) <= 1
    assert {told.since_set - told.steady for told in seen} == {AGES}
