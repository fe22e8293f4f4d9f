"""The programs on bare aio-pika, run as they stand in the guides."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.pages import DOCS, named_blocks

PROGRAMS = named_blocks(DOCS / "how-to" / "strategy.md") | named_blocks(DOCS / "how-to" / "risk.md")


async def start(running_up: RunningUp, name: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAMS[name]), stdout=PIPE, cwd=running_up.state.parent
    )


async def line(process: Process, beginning: str = "") -> str:
    """The next line that begins so; the events of other tests may come before it."""
    assert process.stdout is not None
    async with asyncio.timeout(40):
        while not (read := (await process.stdout.readline()).decode()).startswith(beginning):
            assert read, "it ended"
    return read


async def test_the_strategy_engine_gets_its_answer_and_the_risk_system_hears_of_it(
    running_up: RunningUp, venue: Venue
) -> None:
    risk = await start(running_up, "risk.py")
    try:
        heard = asyncio.create_task(line(risk, "result.set_leverage.binance.binance-perp-001"))
        while not heard.done():  # the risk system hears what is published once it has subscribed
            strategy = await start(running_up, "strategy.py")
            assert await line(strategy) == "applied Leverage set to 10x for BTC/USDT:USDT\n"
            assert await strategy.wait() == 0
        assert (await heard).endswith(" applied\n")
        snapshot = await line(risk, "positions.binance.binance-perp-001")
        assert "[{'symbol': 'BTC/USDT:USDT', 'side': 'long'" in snapshot
    finally:
        risk.kill()
        await risk.wait()
