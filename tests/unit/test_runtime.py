"""What every part of the program shares for doing things again: waits after failures, periods, looks at files."""

import asyncio
from pathlib import Path

import pytest

from worker.runtime.backoff import Backoff, backoff_s
from worker.runtime.files.file_watch import FileWatch
from worker.runtime.periodic import periodically


def test_each_failure_in_a_row_doubles_the_wait_up_to_the_longest() -> None:
    assert [backoff_s(failures, 1, 6, least=1) for failures in (1, 2, 3, 4, 5_000)] == [1, 2, 4, 6, 6]


def test_waits_are_out_of_step_within_their_bounds() -> None:
    waits = {backoff_s(3, 1, 60) for _ in range(100)}
    assert len(waits) > 90
    assert all(2 <= wait <= 4 for wait in waits)
    assert min(backoff_s(3, 1, 60, least=0) for _ in range(200)) < 1


def test_after_a_success_the_first_wait_comes_again() -> None:
    backoff = Backoff(1, 60)
    assert [backoff.next_s() > limit for limit in (0.4, 0.9, 1.9)] == [True] * 3
    backoff.reset()
    assert backoff.next_s() <= 1


async def test_periodic_work_goes_on_after_what_is_tolerated_and_ends_with_anything_else() -> None:
    results = iter((None, LookupError("away"), 0.0, ValueError("a fault")))
    heard: list[Exception] = []

    async def work() -> float | None:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    with pytest.raises(ValueError, match="a fault"):
        await periodically(work, 0, tolerated=(LookupError,), told=heard.append)
    assert [str(error) for error in heard] == ["away"]


async def test_periodic_work_names_its_own_pause() -> None:
    times = 0

    async def work() -> float:
        nonlocal times
        times += 1
        return 0

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await periodically(work, 3_600)
    assert times > 1


def test_a_watch_tells_each_change_of_its_files_once(tmp_path: Path) -> None:
    here, link = tmp_path / "here", tmp_path / "link"
    here.write_text("one")
    watch = FileWatch(here, link)
    assert not watch.changed()
    link.symlink_to(here)
    assert watch.changed()
    assert not watch.changed()
    here.write_text("another")
    assert watch.changed()
    here.unlink()
    assert watch.changed()
    assert not watch.changed()
