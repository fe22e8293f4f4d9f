"""The programs of the client's guide, run as they stand there, on the wheel that its readers install."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.pages import DOCS, README, ROOT, blocks

PAGES = (
    README,
    *(
        DOCS / page
        for page in ("quick-start.md", "CLIENT.md", "how-to/strategy.md", "how-to/risk.md", "how-to/histories.md")
    ),
)
BLOCKS = [block for page in PAGES for block in blocks(page) if block.run_by.endswith(Path(__file__).name)]
PROGRAMS = {block.name: block.text for block in BLOCKS if block.name}

Started = Callable[[str], Any]


@pytest.fixture(scope="module")
async def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    process = await asyncio.create_subprocess_exec(ROOT / "deploy" / "client" / "build.sh", sys.executable, folder)
    assert await process.wait() == 0
    [built] = folder.iterdir()
    return built


@pytest.fixture
def started(running_up: RunningUp, wheel: Path, venue: Venue) -> Started:
    """Runs a program of the guide, with `perps_dma` out of the wheel."""

    @asynccontextmanager
    async def start(name: str) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAMS[name]),
            stdout=PIPE,
            cwd=running_up.state.parent,
            env={**os.environ, "PYTHONPATH": str(wheel)},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return start


async def lines(process: Process) -> list[str]:
    """All that it prints until its end, which is in order."""
    async with asyncio.timeout(40):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().splitlines()


async def line(process: Process, beginning: str) -> str:
    """The next line that begins so."""
    assert process.stdout is not None
    async with asyncio.timeout(40):
        while not (read := (await process.stdout.readline()).decode()).startswith(beginning):
            assert read, "it ended"
    return read


async def test_the_strategy_is_told_what_is_in_force_and_how_that_is_known(started: Started) -> None:
    async with started("strategy.py") as strategy:
        [told] = await lines(strategy)
    assert told in {"applied echo 10", "applied read_back 10", "unchanged read_back 10"}


async def test_the_first_programs_of_all_tell_the_outcome(started: Started) -> None:
    async with started("publish.py") as strategy:
        [told] = await lines(strategy)
    assert told == "applied echo Leverage set to 10x for BTC/USDT:USDT"
    async with started("first.py") as strategy:
        [told] = await lines(strategy)
    assert told == "applied echo 10"


async def test_the_guide_to_publishing_shows_an_outcome_and_a_refusal(started: Started) -> None:
    async with started("trade.py") as strategy:
        assert await lines(strategy) == ["applied echo", "unsupported unsupported"]


async def test_the_guide_to_the_book_shows_how_far_each_position_is_to_be_believed(started: Started) -> None:
    async with started("book.py") as risk, started("publish.py") as strategy:
        await lines(strategy)
        told = await line(risk, "binance-perp-001 ")
    assert re.fullmatch(r"binance-perp-001 (none|not told) BTC/USDT:USDT long 0\.05 \d+\.?\d*\n", told)


async def test_the_guide_to_histories_adds_up_what_was_paid_in_each_currency(started: Started) -> None:
    async with started("funding.py") as program:
        [told] = await lines(program)
    assert re.fullmatch(r"\{'USDT': Decimal\('-?[\d.]+'\), .*\} not read: None", told)


async def test_the_first_program_that_subscribes_begins_with_the_book(started: Started) -> None:
    async with started("subscribe.py") as risk, started("publish.py") as strategy:
        await lines(strategy)
        assert "('BTC/USDT:USDT', 'long'" in await line(risk, "binance-perp-001 ")


async def test_the_query_lists_positions_and_is_told_what_is_wrong(started: Started) -> None:
    async with started("query.py") as query:
        *rows, unread, problem = await lines(query)
    assert "BTC/USDT:USDT long" in {" ".join(row.split()[:2]) for row in rows}
    assert (unread, problem.split()[0]) == ("not read: None", "unknown_symbol")


async def test_the_risk_system_has_the_book_and_hears_what_the_strategy_does(started: Started) -> None:
    async with started("risk.py") as risk, started("strategy.py") as strategy:
        await lines(strategy)
        assert "('BTC/USDT:USDT', 'long'" in await line(risk, "binance-perp-001 ")


async def test_events_are_followed_from_where_one_wants(started: Started) -> None:
    async with started("strategy.py") as strategy:
        await lines(strategy)
    async with started("events.py") as events:
        assert "'symbol': 'BTC/USDT:USDT'" in await line(events, "set_leverage ")


async def test_a_program_that_blocks_sets_a_margin_mode_and_reads_it_back(started: Started) -> None:
    async with started("blocking.py") as program:
        done, book = await lines(program)
    assert done in {"applied isolated", "unchanged isolated"}
    assert book.startswith("binance-perp-001 ")


def test_every_program_of_the_guide_is_run_here() -> None:
    here = Path(__file__).read_text()
    assert PROGRAMS.keys() == {name for name in PROGRAMS if f'started("{name}")' in here}
    assert len(PROGRAMS) == 11


def test_the_commands_that_install_it_are_those_that_this_wheel_comes_from() -> None:
    for page in ("quick-start.md", "CLIENT.md"):
        [commands] = [block.text for block in blocks(DOCS / page) if block.language == "sh" and block.run_by]
        assert commands == "make client\npip install dist/perps_dma_client-*.whl\n"
    [recipe] = re.findall(r"(?m)^client: .*\n\t@(.*)$", (ROOT / "Makefile").read_text())
    assert recipe == "deploy/client/build.sh $(VENV)/bin/python dist"
