"""Who goes and who waits: decided by a hand-driven clock."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Milliseconds
from tests.support.metering import at
from worker.runtime.clock import Moment
from worker.venues.limits.meter import Charge, Meter
from worker.venues.limits.request_context import Urgency
from worker.venues.limits.request_queue import CapacityShortage, Demand, PendingRequest, RequestQueue
from worker.venues.limits.tables import Per, Scope

SECOND, START = 1_000, 1_700_000_000_000
FAR: Milliseconds = START + 3_600_000


def meter(limit: int = 10, window: Milliseconds = 10 * SECOND, name: str = "weight") -> Meter:
    return Meter(Scope(name, limit, window, Per.ADDRESS), None, limit, 1.0)


def light(*claims: tuple[Meter, int], latest: Milliseconds = FAR) -> PendingRequest:
    return PendingRequest(tuple(Demand(*claim) for claim in claims), latest)


def heavy(of: Meter, weight: int, spare: int = 1, latest: Milliseconds = FAR) -> PendingRequest:
    return PendingRequest((Demand(of, weight, spare),), latest, heavy=True)


def answered(ticket: PendingRequest, now: Milliseconds) -> None:
    for used, use in ticket.uses:
        used.end(use, use.weight, at(now))


class Full(Exception):
    """There is no room in time."""

    def __init__(self, shortage: CapacityShortage) -> None:
        self.shortage = shortage


def offer(line: RequestQueue, ticket: PendingRequest, now: Milliseconds) -> bool:
    """Whether a request went at once; else it waits. Raises Full where waiting is in vain."""
    if not (lacking := ticket.take(at(now))):
        return True
    if shortage := line.join(ticket, lacking, at(now)):
        raise Full(shortage)
    return False


def test_a_burst_goes_at_once_up_to_the_limit() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    assert [offer(line, light((weight, 1)), START) for _ in range(11)] == [True] * 10 + [False]


def test_who_came_first_goes_first() -> None:
    line, weight = RequestQueue(), meter()
    first = light((weight, 10))
    offer(line, first, START)
    big, small = light((weight, 8)), light((weight, 3))
    assert [offer(line, ticket, START) for ticket in (big, small)] == [False, False]
    answered(first, START)
    later = START + 11 * SECOND
    assert line.advance(at(later)).gone == [big]
    answered(big, later)
    assert line.advance(at(later + 11 * SECOND)).gone == [small]


def test_who_waits_for_something_else_holds_up_nobody() -> None:
    line, address, mine, yours = (
        RequestQueue(),
        meter(100, name="address"),
        meter(1, name="mine"),
        meter(1, name="yours"),
    )
    assert offer(line, light((address, 1), (mine, 1)), START)
    assert not offer(line, light((address, 1), (mine, 1)), START)
    assert offer(line, light((address, 1), (yours, 1)), START)


def test_a_waiting_heavy_request_holds_up_no_light_one() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    assert offer(line, light((weight, 5)), START)
    assert not offer(line, heavy(weight, 6), START)
    assert [offer(line, light((weight, 1)), START) for _ in range(5)] == [True] * 5


def test_a_heavy_request_waits_behind_light_ones_and_leaves_room_for_more() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    first, waiting, sweep = light((weight, 10)), light((weight, 4)), heavy(weight, 6, spare=1)
    assert offer(line, first, START)
    assert not offer(line, sweep, START)
    assert not offer(line, waiting, START)
    answered(first, START)
    later = START + 11 * SECOND
    assert line.advance(at(later)).gone == [waiting]
    answered(waiting, later)
    assert line.advance(at(later + 11 * SECOND)).gone == [sweep]


def test_a_wait_beyond_the_deadline_is_refused_at_once_with_its_length() -> None:
    line, weight = RequestQueue(), meter(limit=1)
    first = light((weight, 1))
    offer(line, first, START)
    answered(first, START)
    with pytest.raises(Full) as caught:
        offer(line, light((weight, 1), latest=START + 9 * SECOND), START)
    assert caught.value.shortage.room_at is not None
    assert 10 * SECOND <= caught.value.shortage.room_at - START < 11 * SECOND
    assert len(line) == 0


def test_those_ahead_count_in_the_wait() -> None:
    line, weight = RequestQueue(), meter(limit=1)
    offer(line, light((weight, 1)), START)
    for _ in range(3):
        offer(line, light((weight, 1)), START)
    with pytest.raises(Full) as caught:
        offer(line, light((weight, 1), latest=START + 30 * SECOND), START)
    assert caught.value.shortage.room_at == START + 40 * SECOND


def test_what_is_heavier_than_the_whole_limit_never_goes() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    with pytest.raises(Full) as caught:
        offer(line, light((weight, 11)), START)
    assert caught.value.shortage == (weight, None)


def test_who_waits_is_refused_once_the_venue_closes_for_longer() -> None:
    line, weight = RequestQueue(), meter(limit=1)
    first, waiting = light((weight, 1)), light((weight, 1), latest=START + 20 * SECOND)
    offer(line, first, START)
    offer(line, waiting, START)
    weight.close(60 * SECOND, at(START))
    decided = line.advance(at(START + 1))
    assert [ticket for ticket, _ in decided.late] == [waiting]
    assert decided.late[0][1].is_after(START + 60 * SECOND)
    assert len(line) == 0


def test_who_waited_in_vain_is_refused_in_time() -> None:
    line, weight = RequestQueue(), meter(limit=1)
    waiting = light((weight, 1), latest=START + 20 * SECOND)
    offer(line, light((weight, 1)), START)  # never answered
    offer(line, waiting, START)
    assert line.changes_at(at(START)) == waiting.latest
    assert [ticket for ticket, _ in line.advance(at(waiting.latest)).late] == [waiting]


def test_who_goes_away_makes_place() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    offer(line, light((weight, 8)), START)
    waiting, behind = light((weight, 5)), light((weight, 2))
    offer(line, waiting, START)
    offer(line, behind, START)
    line.withdraw(waiting)
    assert line.advance(at(START + 1)).gone == [behind]


def test_who_goes_away_is_waited_behind_no_longer_and_nobody_need_look() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    offer(line, light((weight, 8)), START)
    waiting = light((weight, 5))
    offer(line, waiting, START)
    line.withdraw(waiting)
    line.withdraw(waiting)
    assert offer(line, light((weight, 2)), START)


def test_what_is_given_back_twice_is_given_back_once() -> None:
    line, weight = RequestQueue(), meter(limit=10)
    one, other = light((weight, 4)), light((weight, 4))
    assert offer(line, one, START)
    assert offer(line, other, START)
    one.give_back()
    one.give_back()
    assert weight.headroom("okx", None, at(START)).left == 6


def test_who_can_take_only_a_part_of_what_it_needs_takes_nothing() -> None:
    class Faulty(Meter):
        def begin(self, weight: int, now: Moment, urgency: Urgency = Urgency.COMMAND) -> Charge:
            raise ZeroDivisionError

    weight = meter(limit=10)
    faulty = Faulty(weight.scope, None, 10, 1.0)
    with pytest.raises(ZeroDivisionError):
        light((weight, 4), (faulty, 1)).take(at(START))
    assert weight.headroom("okx", None, at(START)).left == 10


@dataclass
class Traffic:
    """A line in front of two scopes, with requests that come, are answered and give up in any order."""

    line: RequestQueue = field(default_factory=RequestQueue)
    now: Milliseconds = START
    meters: tuple[Meter, Meter] = field(default_factory=lambda: (meter(10, name="a"), meter(6, name="b")))
    waiting: list[PendingRequest] = field(default_factory=list)
    under_way: list[PendingRequest] = field(default_factory=list)
    past: list[tuple[Milliseconds, PendingRequest]] = field(default_factory=list)

    def offer(self, ticket: PendingRequest) -> None:
        try:
            gone = offer(self.line, ticket, self.now)
        except Full:
            return
        (self.under_way if gone else self.waiting).append(ticket)

    def advance(self, gap: Milliseconds) -> None:
        self.now += gap
        gone, late = self.line.advance(at(self.now))
        self.under_way.extend(gone)
        left = {*gone, *(ticket for ticket, _ in late)}
        self.waiting = [ticket for ticket in self.waiting if ticket not in left]

    def answer(self, which: int) -> None:
        if self.under_way:
            ticket = self.under_way.pop(which % len(self.under_way))
            answered(ticket, self.now)
            self.past.append((self.now, ticket))

    def give_up(self, which: int) -> None:
        if self.waiting:
            self.line.withdraw(self.waiting.pop(which % len(self.waiting)))

    def close(self, which: int, wait: Milliseconds) -> None:
        self.meters[which].close(wait, at(self.now))

    def used(self, of: Meter) -> int:
        recent = [ticket for at, ticket in self.past if at > self.now - of.scope.window]
        return sum(weight for ticket in recent + self.under_way for it, weight, *_ in ticket.claims if it is of)


Step = Callable[[Traffic], None]


def _come(weights: tuple[int, int], is_heavy: bool, patience: Milliseconds) -> Step:
    def step(traffic: Traffic) -> None:
        spare = 1 if is_heavy else 0
        claims = tuple(Demand(of, weight, spare) for of, weight in zip(traffic.meters, weights, strict=True) if weight)
        traffic.offer(PendingRequest(claims, traffic.now + patience, is_heavy))

    return step


weights = st.tuples(st.integers(0, 10), st.integers(0, 6)).filter(any)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.builds(_come, weights, st.booleans(), st.integers(0, 60 * SECOND)),
        st.integers(0, 12 * SECOND).map(lambda gap: lambda traffic: traffic.advance(gap)),
        st.integers(0, 9).map(lambda which: lambda traffic: traffic.answer(which)),
        st.integers(0, 9).map(lambda which: lambda traffic: traffic.give_up(which)),
        st.tuples(st.integers(0, 1), st.integers(0, 20 * SECOND)).map(lambda row: lambda traffic: traffic.close(*row)),
    ),
    max_size=80,
)


@given(steps)
def test_whatever_happens_no_limit_is_exceeded_and_no_light_request_waits_without_need(happening: list[Step]) -> None:
    traffic = Traffic()
    for step in happening:
        step(traffic)
        assert all(traffic.used(of) <= of.budget for of in traffic.meters)
        traffic.advance(1)
        held: set[Meter] = set()
        for ticket in (ticket for ticket in traffic.waiting if not ticket.heavy):
            lacking = {of for of, weight, *_ in ticket.claims if of in held or not of.has_room(weight, at(traffic.now))}
            assert lacking, "it waits although there is room, or only heavier ones are before it"
            held |= lacking
