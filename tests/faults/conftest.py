"""A stage for each test, and the counts that each test ends with, printed behind the run."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aio_pika
import pytest

from tests.faults.node import Node, own_node
from tests.faults.stage import Stage, staged
from tests.support.operation_queues import emptied
from worker.bus.amqp.topology import DEAD_LETTERS, declare

COUNTED = "counted"

Count = Callable[..., None]


@pytest.fixture
async def stage(amqp_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Venues, and an empty state folder, on the shared broker."""
    await emptied(amqp_url)
    async with staged(amqp_url, tmp_path) as stage:
        yield stage
    await emptied(amqp_url)


@pytest.fixture(scope="session")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A broker that may be broken: nobody else uses it."""
    async with own_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture
async def breakable(node: Node) -> AsyncIterator[str]:
    """Its URL. It is whole, and has no dead letters, when a test begins."""
    await node.mend()
    async with await aio_pika.connect(node.broker.url) as connection:
        channel = await connection.channel()
        await declare(channel)
        await (await channel.get_queue(DEAD_LETTERS)).purge()
    yield node.broker.url
    await node.mend()


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    """Print what was counted, and require that nothing was lost or doubled."""

    def tell(commands: int, *, lost: int, doubled: int, **more: object) -> None:
        extra = "".join(f", {name.replace('_', ' ')} {value}" for name, value in more.items())
        line = f"{request.node.name}: {commands} commands, lost {lost}, doubled {doubled}{extra}"
        request.node.user_properties.append((COUNTED, line))
        assert (lost, doubled) == (0, 0), line

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome))
    told = [line for report in reports for name, line in report.user_properties if name == COUNTED]
    if counts := sorted(set(told)):
        terminalreporter.section("faults: lost and doubled")
        for line in counts:
            terminalreporter.write_line(line)
