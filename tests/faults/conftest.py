"""A stage for each test, and the counts that each test ends with, printed behind the run."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.faults.stage import Stage, staged
from tests.integration.conftest import emptied

_COUNTS = pytest.StashKey[list[str]]()

Count = Callable[..., None]


@pytest.fixture
async def stage(amqp_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Venues, and an empty state folder, on the shared broker."""
    await emptied(amqp_url)
    async with staged(amqp_url, tmp_path) as stage:
        yield stage
    await emptied(amqp_url)


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    """Print what was counted, and require that nothing was lost or doubled."""

    def tell(commands: int, *, lost: int, doubled: int, **more: object) -> None:
        extra = "".join(f", {name.replace('_', ' ')} {value}" for name, value in more.items())
        line = f"{request.node.name}: {commands} commands, lost {lost}, doubled {doubled}{extra}"
        request.config.stash.setdefault(_COUNTS, []).append(line)
        assert (lost, doubled) == (0, 0), line

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if counts := config.stash.get(_COUNTS, None):
        terminalreporter.section("faults: lost and doubled")
        for line in counts:
            terminalreporter.write_line(line)
