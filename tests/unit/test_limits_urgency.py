"""Where there is not room for all, commands go first, then users' queries, and what nobody waits for has a share."""

import pytest

from tests.support.metering import at
from tests.unit.test_limits_line import START as NOW
from tests.unit.test_limits_line import answered, offer
from worker.venues.limits.meter import Meter
from worker.venues.limits.request_context import Urgency
from worker.venues.limits.request_queue import Demand, PendingRequest, RequestQueue
from worker.venues.limits.tables import Per, Scope

MINUTE = 60_000
LATEST = NOW + 10 * MINUTE


@pytest.fixture
def meter() -> Meter:
    return Meter(Scope("weight", 10, MINUTE, Per.ADDRESS), None, 10, 1.0, background=0.5)


def ticket(meter: Meter, urgency: Urgency, weight: int = 1, *, heavy: bool = False) -> PendingRequest:
    behind = max(urgency, Urgency.QUERY) if heavy else urgency
    return PendingRequest((Demand(meter, weight),), LATEST, heavy, urgency, behind)


def test_the_more_urgent_goes_first_whoever_came_first(meter: Meter) -> None:
    line = RequestQueue()
    first = ticket(meter, Urgency.COMMAND, 10)
    assert offer(line, first, NOW)
    waiting = [ticket(meter, urgency, 4) for urgency in reversed(Urgency)]
    assert not any(offer(line, one, NOW) for one in waiting)
    assert line.advance(at(NOW)).gone == []
    answered(first, NOW)
    gone = line.advance(at(NOW + MINUTE + 100)).gone
    assert [one.urgency for one in gone] == [Urgency.COMMAND, Urgency.QUERY]


def test_what_waits_in_the_background_holds_no_command_up(meter: Meter) -> None:
    line = RequestQueue()
    assert offer(line, ticket(meter, Urgency.SCHEDULED, 5), NOW)
    assert not offer(line, ticket(meter, Urgency.SCHEDULED, 5), NOW)
    assert offer(line, ticket(meter, Urgency.COMMAND, 5), NOW)


def test_the_background_has_its_share_and_not_more(meter: Meter) -> None:
    line = RequestQueue()
    went = [offer(line, ticket(meter, Urgency.AFTER_COMMAND, 2), NOW) for _ in range(5)]
    assert went == [True, True, False, False, False]
    assert [offer(line, ticket(meter, Urgency.QUERY, 2), NOW) for _ in range(4)] == [True, True, True, False]


def test_a_reading_that_weighs_more_than_the_share_goes_by_itself(meter: Meter) -> None:
    line = RequestQueue()
    assert offer(line, ticket(meter, Urgency.SCHEDULED, 8), NOW)
    assert not offer(line, ticket(meter, Urgency.SCHEDULED, 1), NOW)


def test_a_sweep_gives_way_to_queries_and_not_to_the_background(meter: Meter) -> None:
    line = RequestQueue()
    assert offer(line, ticket(meter, Urgency.SCHEDULED, 5), NOW)
    assert not offer(line, ticket(meter, Urgency.SCHEDULED, 2), NOW)
    assert offer(line, ticket(meter, Urgency.COMMAND, 3, heavy=True), NOW)
    assert not offer(line, ticket(meter, Urgency.QUERY, 4), NOW)
    assert not offer(line, ticket(meter, Urgency.COMMAND, 1, heavy=True), NOW)


def test_the_share_is_free_again_when_its_window_is_over(meter: Meter) -> None:
    use = meter.begin(5, at(NOW), Urgency.SCHEDULED)
    meter.end(use, 5, at(NOW))
    assert not meter.has_room(1, at(NOW + 100), Urgency.SCHEDULED)
    assert meter.room_at(1, at(NOW + 100), Urgency.SCHEDULED) > NOW + MINUTE - 1
    assert meter.has_room(5, at(NOW + MINUTE + 100), Urgency.SCHEDULED)
