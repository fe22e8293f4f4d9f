"""Every moment of a command counts in one stage, and what runs side by side counts once."""

import asyncio
import time
from collections import deque
from contextvars import Context

from worker.telemetry.stages import MOST_INTERVALS, STAGES, Interval, Stage, StageTimes, begin


def times(*intervals: Interval) -> dict[Stage, float]:
    """The stages that took any time."""
    return {stage: spent for stage, spent in StageTimes(0, deque(intervals)).spent().items() if spent}


def test_time_counts_as_the_stage_in_which_it_passes() -> None:
    assert times((Stage.LANE, 1, 3), (Stage.LEDGER, 3, 4), (Stage.LANE, 5, 6)) == {Stage.LANE: 3, Stage.LEDGER: 1}


def test_requests_side_by_side_count_once() -> None:
    assert times((Stage.VENUE, 2, 5), (Stage.VENUE, 1, 3), (Stage.VENUE, 2, 4)) == {Stage.VENUE: 4}
    assert times((Stage.VENUE, 1, 9), (Stage.VENUE, 2, 3), (Stage.VENUE, 10, 11)) == {Stage.VENUE: 9}


def test_what_is_asked_for_a_read_back_counts_as_such_and_the_waiting_between_does_not() -> None:
    spent = times((Stage.VENUE, 1, 2), (Stage.VENUE, 4, 5), (Stage.LIMITER, 5, 7), (Stage.READ_BACK, 3, 8))
    assert spent == {Stage.VENUE: 1, Stage.READ_BACK: 1, Stage.LIMITER: 2}


def test_a_delivery_begins_with_its_time_in_the_queue() -> None:
    found = begin(1_000, 3_000)
    assert STAGES.get() is found
    assert round(found.spent()[Stage.QUEUE], 6) == 2.0
    assert found.whole >= 2.0


async def test_without_a_command_nothing_is_kept() -> None:
    async def nobodys() -> int:
        STAGES.get().intervals.append((Stage.LIMITER, 1, 2))
        return len(STAGES.get().intervals)

    assert await asyncio.create_task(nobodys(), context=Context()) == 0


def test_what_goes_on_behind_a_command_does_not_pile_up() -> None:
    found = begin(None, 0)
    found.intervals.extend((Stage.VENUE, number, number + 1) for number in range(2 * MOST_INTERVALS))
    assert len(found.intervals) == MOST_INTERVALS


def test_noting_and_adding_up_the_stages_of_a_command_takes_microseconds() -> None:
    def command() -> None:
        found = begin(None, 0)
        for stage in Stage:
            began = time.perf_counter()
            STAGES.get().intervals.append((stage, began, time.perf_counter()))
        found.spent()

    for _ in range(100):
        command()
    quickest = min(_seconds(command) for _ in range(200))
    assert quickest < 0.0005, f"{quickest * 1e6:.0f} µs"


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
