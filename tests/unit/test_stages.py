"""Every moment of a command counts in one stage, and what runs side by side counts once."""

import asyncio
import time

from worker.telemetry.stages import STAGES, Stage, asking, counting, reading_back, spent


async def test_time_counts_as_the_stage_in_which_it_passes() -> None:
    with counting(queued_s=2.0) as stages:
        with spent(Stage.LANE):
            await asyncio.sleep(0.05)
        assert stages.spent[Stage.QUEUE] == 2.0
        assert stages.spent[Stage.LANE] >= 0.05
        assert all(stages.spent[stage] == 0 for stage in Stage if stage not in (Stage.QUEUE, Stage.LANE))
        assert stages.whole >= sum(stages.spent.values())
    assert STAGES.get() is None


async def test_requests_side_by_side_count_once() -> None:
    async def request() -> None:
        with asking():
            await asyncio.sleep(0.1)

    began = time.perf_counter()
    with counting(0) as stages:
        await asyncio.gather(*(request() for _ in range(10)))
    assert 0.1 <= stages.spent[Stage.VENUE] <= time.perf_counter() - began


async def test_what_is_asked_for_a_read_back_counts_as_such_until_it_ends() -> None:
    with counting(0) as stages:
        with reading_back(), asking():
            await asyncio.sleep(0.02)
        assert stages.spent[Stage.READ_BACK] >= 0.02
        assert stages.spent[Stage.VENUE] == 0
        with asking():
            await asyncio.sleep(0.01)
    assert stages.spent[Stage.VENUE] >= 0.01


async def test_without_a_command_nothing_is_counted() -> None:
    with asking(), reading_back(), spent(Stage.LIMITER):
        assert STAGES.get() is None


def test_counting_a_command_takes_microseconds() -> None:
    def command() -> None:
        with counting(0.001):
            for stage in Stage:
                with spent(stage):
                    pass

    for _ in range(100):
        command()
    quickest = min(_seconds(command) for _ in range(200))
    assert quickest < 0.0005, f"{quickest * 1e6:.0f} µs"


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
