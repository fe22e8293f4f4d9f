"""The programs that benchmarks measure from outside still start, and still do what is measured."""

import pytest

from tests.benchmarks.bus import BODY, command
from tests.benchmarks.ledger import KINDS
from tests.benchmarks.processes import program
from tests.support.operation_queues import emptied
from worker.bus.rpc import connect_rpc


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_with_and_without_a_ledger_carries_a_command_out(amqp_url: str, kind: str) -> None:
    await emptied(amqp_url)
    async with program("tests.benchmarks.memory_worker", amqp_url, kind), connect_rpc(amqp_url, "bench") as client:
        await command(client, BODY)()  # raises where it did not succeed


async def test_a_program_that_does_not_start_says_why(amqp_url: str) -> None:
    with pytest.raises(RuntimeError, match="No module named"):
        async with program("tests.benchmarks.of_no_such_name", amqp_url):
            pass
