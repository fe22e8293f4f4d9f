"""One change at a time per account, in the order in which they came."""

import asyncio

from worker.execution.lanes import Lanes


async def test_an_accounts_changes_run_one_by_one_in_order() -> None:
    lanes, log = Lanes(), list[str]()

    async def change(number: int) -> None:
        async with lanes.lane("a"):
            log.append(f"begin {number}")
            await asyncio.sleep(0)
            log.append(f"end {number}")

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(change(number))
    assert log == [f"{what} {number}" for number in range(5) for what in ("begin", "end")]


async def test_other_accounts_go_on_meanwhile() -> None:
    lanes = Lanes()
    async with lanes.lane("a"), asyncio.timeout(1), lanes.lane("b"):
        pass


async def test_a_failed_change_frees_the_lane() -> None:
    lanes = Lanes()
    for _ in range(2):
        try:
            async with asyncio.timeout(1), lanes.lane("a"):
                raise ZeroDivisionError
        except ZeroDivisionError:
            continue
    async with asyncio.timeout(1), lanes.lane("a"):
        pass
