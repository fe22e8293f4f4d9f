"""How accounts are followed is in force too: who knows nothing of a new epoch is told again."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.memory_venue import ACCOUNT
from tests.support.worker_harness import WorkerHarness, worker_harness
from worker.execution.aftermath.epochs import Event, Tail


@dataclass
class Log:
    """A stream of events as a test says it is."""

    events: list[Event] = field(default_factory=list)
    came_back = False

    async def tail(self) -> Tail:
        return Tail(self.events)


def streams_told(harness: WorkerHarness) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in harness.bus.events if event.type == "perps-dma.stream.v1"]


async def test_in_a_new_epoch_it_is_told_again_how_accounts_are_followed(tmp_path: Path) -> None:
    log = Log()
    async with worker_harness(f"sqlite:///{tmp_path / 'ledger.db'}") as harness:
        await harness.worker.epochs.start(log)
        assert streams_told(harness) == [], "one that starts has not learned it yet"
        await harness.worker.streams.look()
        async with asyncio.timeout(10):
            while not (before := streams_told(harness)) or before[-1]["data"]["state"] != "none":  # noqa: ASYNC110
                await asyncio.sleep(0)
        log.events = [{"epoch": harness.ledger.epoch.number + 7}]
        await harness.worker.epochs.compare()
        again = streams_told(harness)[len(before) :]
        await harness.worker.streams.close()
    assert [event["data"] for event in again] == [before[-1]["data"]]
    assert [event["epoch"] for event in again] == [harness.ledger.epoch.number]
    assert again[0]["epoch"] > before[-1]["epoch"]
    assert again[0]["id"] not in {event["id"] for event in before}
    assert again[0]["subject"] == ACCOUNT.id
