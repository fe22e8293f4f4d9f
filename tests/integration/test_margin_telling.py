"""Margin, told: news alone, each crossing once whoever reads and however often, also after a restart."""

import json
from decimal import Decimal

import pytest

from schemas.events import Trigger
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.accounts.account import MarginThresholds
from worker.ledger.ledger import Ledger, open_ledger
from worker.messages.wire import Outgoing
from worker.snapshots.margin import MarginWatch
from worker.venues.port.adapter import MarginRead, Part

ASKED = 1_706_745_600_000
HEARTBEAT = 60_000
WATCHED = ACCOUNT.model_copy(update={"margin_thresholds": MarginThresholds()})


async def read(ratio: str, **changes: object) -> MarginRead:
    """The margin of an account whose ratio is this."""
    return await MemoryVenue(equity=Decimal(1_000), maintenance=Decimal(1_000) * Decimal(ratio)).margin_health()


async def told(ledger: Ledger, ratio: str, at: int = 0) -> list[Outgoing]:
    """The events that a reading of a ratio makes."""
    watch = MarginWatch(ledger, HEARTBEAT)
    recorded = await watch.record(WATCHED, ASKED + at, await read(ratio), Trigger.SCHEDULE)
    return [event for _, event in recorded]


def crossed(events: list[Outgoing]) -> list[tuple[str, str, str]]:
    rows = [json.loads(event.body)["data"] for event in events if event.routing_key.startswith("risk.threshold.")]
    return [(row["direction"], row["level_before"], row["level"]) for row in rows]


async def test_a_first_reading_is_told_and_the_same_again_is_not(ledger: Ledger) -> None:
    (event,) = await told(ledger, "0.1")
    assert event.routing_key == f"margin.binance.{WATCHED.id}"
    assert await told(ledger, "0.1", 1) == []
    assert await told(ledger, "0.119", 2) == []
    (moved,) = await told(ledger, "0.12", 3)
    data = json.loads(moved.body)["data"]
    assert (data["seq"], data["worst_ratio"], data["level"], data["trigger"]) == (2, 0.12, "ok", "schedule")


async def test_where_nothing_moves_a_sign_of_life_is_told_each_heartbeat(ledger: Ledger) -> None:
    await told(ledger, "0.1")
    assert await told(ledger, "0.1", HEARTBEAT - 1) == []
    (event,) = await told(ledger, "0.1", HEARTBEAT)
    assert json.loads(event.body)["data"]["seq"] == 2


async def test_a_crossing_is_told_once_up_and_once_down(ledger: Ledger) -> None:
    way = ("0.4", "0.51", "0.49", "0.52", "0.81", "0.76", "0.74", "0.4")
    told_of = [crossed(await told(ledger, ratio, at)) for at, ratio in enumerate(way)]
    assert told_of == [
        [],
        [("up", "ok", "warn")],
        [],
        [],
        [("up", "warn", "critical")],
        [],
        [("down", "critical", "warn")],
        [("down", "warn", "ok")],
    ]


async def test_two_workers_that_read_the_same_tell_a_crossing_once(ledger: Ledger, other: Ledger) -> None:
    await told(ledger, "0.1")
    first = await told(other, "0.6", 1)
    assert crossed(first) == [("up", "ok", "warn")]
    assert crossed(await told(ledger, "0.6", 2)) == []


async def test_a_reading_that_is_older_than_what_another_worker_has_told_is_not_told(
    ledger: Ledger, other: Ledger
) -> None:
    await told(other, "0.6", 10)
    assert await told(ledger, "0.1", 9) == []


async def test_what_was_crossed_before_a_restart_is_not_crossed_again(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as ledger:
        assert crossed(await told(ledger, "0.9")) == [("up", "ok", "critical")]
    async with open_ledger(ledger_url) as ledger:
        assert crossed(await told(ledger, "0.79", 1)) == []
        assert crossed(await told(ledger, "0.1", 2)) == [("down", "critical", "ok")]


async def test_the_events_of_a_crossing_have_the_same_ids_whoever_makes_them(ledger: Ledger, other: Ledger) -> None:
    events = await told(ledger, "0.9")
    waiting = [row.event.id for row in await ledger.outbox.of(ledger.owner, 10)]
    assert [event.id for event in events] == waiting
    assert len(set(waiting)) == 2


@pytest.mark.parametrize("unread", [True, False])
async def test_a_pool_that_is_not_shown_keeps_its_level_only_where_its_part_is_unread(
    ledger: Ledger, unread: bool
) -> None:
    await told(ledger, "0.9")
    found = await read("0.9")
    part = Part("linear", "the venue is away" if unread else None)
    gone = MarginRead(found.found, (), (part,))
    recorded = await MarginWatch(ledger, HEARTBEAT).record(WATCHED, ASKED + 1, gone, Trigger.SCHEDULE)
    assert crossed([event for _, event in recorded]) == ([] if unread else [("down", "critical", "ok")])
