"""What became of a command can be asked at any time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.worker_harness import TIMEOUT_MS, Body, Stalls, WorkerHarness, worker_harness
from worker.messages.wire import Outgoing


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    """A worker whose venue answers when it is told to."""
    async with worker_harness(ledger_url, Stalls()) as harness:
        yield harness


async def known(harness: WorkerHarness, command_id: str) -> Body:
    """What is known of a command, once it is noted."""
    async with asyncio.timeout(40):
        while (envelope := await harness.ask("get_command", {"command_id": command_id}))["isError"]:
            assert envelope["error"]["code"] == "unknown_command"
    data: Body = envelope["data"]
    return data


async def test_a_command_is_received_then_sent_then_finished(harness: WorkerHarness) -> None:
    venue = harness.venue
    assert isinstance(venue, Stalls)
    first = asyncio.create_task(harness.deliver(command_id="c-1"))
    second = asyncio.create_task(harness.deliver(command_id="c-2"))
    await venue.reached.wait()
    states = [await known(harness, name) for name in ("c-1", "c-2")]
    assert [(state["state"], state["outcome"], state["message"]) for state in states] == [
        ("sent", None, None),
        ("received", None, None),
    ]
    venue.go_on.set()
    await asyncio.gather(first, second)
    told = (await harness.ask("get_command", {"command_id": "c-1"}))["data"]
    assert (told["state"], told["outcome"], told["attempts"], told["actor"]) == ("finished", "applied", 1, "ann")
    assert told["message"] == "Leverage set to 10x for BTC/USDT:USDT"
    assert told["deadline"] - told["received"] == TIMEOUT_MS
    assert told["event_id"] in {event.id for event in harness.bus.events}


async def test_the_way_of_a_command_is_told_in_instants_that_follow_one_another(harness: WorkerHarness) -> None:
    venue = harness.venue
    assert isinstance(venue, Stalls)
    first = asyncio.create_task(harness.deliver(command_id="c-1"))
    await venue.reached.wait()
    under_way = await known(harness, "c-1")
    assert under_way["received"] <= under_way["intended"]
    assert (under_way["timings"], under_way["event_published"], under_way["trace"]) == (None, None, None)
    venue.go_on.set()
    await first
    told = await known(harness, "c-1")
    timings = told["timings"]
    way = [timings[name] for name in ("received", "turn", "sent", "finished")]
    assert way == sorted(way)
    assert timings["received"] <= told["intended"] <= timings["sent"]
    assert told["requested"]["leverage"] == told["applied"]["leverage"] == 10
    assert told["confirmed_by"] == "echo"
    async with asyncio.timeout(40):  # events that are confirmed are struck out of the outbox together
        while not told["event_published"]:
            told = await known(harness, "c-1")


async def test_an_event_that_the_broker_has_not_confirmed_is_told_as_such(harness: WorkerHarness) -> None:
    venue = harness.venue
    assert isinstance(venue, Stalls)
    venue.go_on.set()
    await harness.deliver(command_id="c-1")
    event_id = (await known(harness, "c-1"))["event_id"]
    waiting = Outgoing(event_id, "perps-dma.result.v1", "result.x", "{}")
    await harness.ledger.outbox.add(waiting, 1)
    assert (await known(harness, "c-1"))["event_published"] is False


async def test_a_command_nobody_knows_is_404_and_says_what_that_can_mean(harness: WorkerHarness) -> None:
    envelope = await harness.ask("get_command", {"command_id": "c-9"})
    assert (envelope["statusCode"], envelope["error"]["code"]) == (404, "unknown_command")
    assert "older than the retention" in envelope["message"]


async def test_an_id_that_can_be_none_is_refused(harness: WorkerHarness) -> None:
    assert (await harness.ask("get_command", {"command_id": "white space"}))["statusCode"] == 400
    letter = await harness.deliver(command_id="white space", reply=False)
    assert letter is not None
    assert "message_id must be 1 to 128 visible ASCII characters" in letter.reason
    assert harness.venue.log == []
