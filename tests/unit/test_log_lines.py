"""Whatever logs a line on behalf of a command, the line says which command, account and venue it belongs to."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.support.memory_venue import ACCOUNT, MemoryBus
from tests.support.worker_harness import TO_10X, WorkerHarness, worker_harness
from worker.ledger.commands import Entry
from worker.messages.wire import NotPublished, Outgoing

Line = MutableMapping[str, Any]
WHOSE = {"account": ACCOUNT.id, "venue": ACCOUNT.exchange, "operation": "set_leverage"}


@dataclass(slots=True)
class DeafBus(MemoryBus):
    """Confirms no event until it has refused as many as it was told to."""

    refusals: deque[str] = field(default_factory=deque)

    async def event(self, event: Outgoing) -> None:
        if self.refusals:
            raise NotPublished(self.refusals.popleft())
        self.events.append(event)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WorkerHarness]:
    async with worker_harness(f"sqlite:///{tmp_path / 'ledger.db'}", bus=DeafBus()) as harness:
        yield harness
        await harness.worker.relay.close()  # or what it has begun would log into the next test


async def lines_of(harness: WorkerHarness, command_id: str) -> list[Line]:
    """What is logged while a command is carried out, in a task of its own, as the consumer does it."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        await asyncio.create_task(harness.deliver(command_id=command_id))
    return lines


async def test_an_event_that_is_not_confirmed_names_its_command(harness: WorkerHarness) -> None:
    assert isinstance(harness.bus, DeafBus)
    harness.bus.refusals.append("the broker is busy")
    lines = await lines_of(harness, "c-1")
    assert [line["event"] for line in lines] == ["command_finished", "event_not_published"]
    assert all(line.items() >= (WHOSE | {"command_id": "c-1"}).items() for line in lines)


async def test_a_fault_of_ours_names_the_command_that_met_it(harness: WorkerHarness) -> None:
    harness.venue.fail(ZeroDivisionError("a bug"), applied=False)  # type: ignore[arg-type]
    lines = await lines_of(harness, "c-1")
    assert [line["event"] for line in lines] == ["handler_failed", "command_finished"]
    assert all(line.items() >= (WHOSE | {"command_id": "c-1"}).items() for line in lines)


async def test_a_command_that_is_recovered_names_itself_and_a_trace_and_the_next_line_does_not(
    harness: WorkerHarness,
) -> None:
    await harness.ledger.commands.register(
        Entry("c-1", "set_leverage", ACCOUNT.exchange, ACCOUNT.id, None, "-", json.dumps(TO_10X), 1, 2)
    )
    with capture_logs(processors=[merge_contextvars]) as lines:
        await harness.worker.recovery.look()
        structlog.get_logger().info("afterwards")
    found, *_, afterwards = lines
    assert found["command_id"] == "c-1"
    ours = [line for line in lines if line["event"] == "request_rejected"]
    assert [len(line["trace_id"]) for line in ours] == [32]
    assert afterwards.keys() == {"event", "log_level"}
