"""The commands of README and pages, run as they stand there, beside one running `up`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.pages import PAGES, ROOT, Block, blocks

RUNNING = [block for page in PAGES for block in blocks(page) if block.runs]


@pytest.fixture(scope="module")
async def folder(running_up: RunningUp) -> AsyncIterator[Path]:
    """Where `up` was started, with our scripts in it; some command has ended, so that there is a result to watch."""
    folder = running_up.state.parent
    (folder / "deploy").symlink_to(ROOT / "deploy")
    await running_up.cli("leverage", "binance-perp-001", "BTC/USDT:USDT", "11")
    yield folder
    (folder / "deploy").unlink()


@pytest.mark.parametrize("block", RUNNING, ids=str)
async def test_commands_end_as_the_page_says(block: Block, running_up: RunningUp, folder: Path, venue: Venue) -> None:
    ended = await running_up.shell(block.text, folder)
    assert ended.code == block.exit_code, ended.out + ended.err


def test_there_are_commands_to_run() -> None:
    assert len(RUNNING) > 8


async def test_a_command_that_fails_ends_a_block(running_up: RunningUp, tmp_path: Path) -> None:
    ended = await running_up.shell("perps-dma no-such-command\necho ended well", tmp_path)
    assert ended.code == 2
    assert "ended well" not in ended.out
