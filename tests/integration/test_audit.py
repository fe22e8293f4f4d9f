"""The audit in the ledger: denials are written down and told once, however often a shim reports them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.memory_venue import MemoryBus
from tests.support.worker_harness import Body, WorkerHarness, worker_harness

DENIAL: Body = {
    "at": 1_706_745_600_000,
    "status": 403,
    "reason": "account",
    "operation": "set_leverage",
    "actor": "engine-7",
    "address": "10.0.0.7",
    "account": "other-001",
    "count": 3,
}
ANOTHER: Body = {**DENIAL, "reason": "invalid_token", "status": 401, "actor": None, "account": None}
REPORT: Body = {"shim": "shim-1", "denials": [DENIAL, ANOTHER]}


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    """A worker on an empty ledger."""
    async with worker_harness(ledger_url) as harness:
        yield harness


async def entries(harness: WorkerHarness, **more: Any) -> list[Body]:
    data = (await harness.ask("get_audit", more))["data"]
    assert data["count"] == len(data["entries"])
    found: list[Body] = data["entries"]
    return found


async def test_a_denial_is_an_entry_and_an_event(harness: WorkerHarness) -> None:
    assert (await harness.ask("report_denials", REPORT))["data"] == {"recorded": 2}
    newest, oldest = await entries(harness)
    assert oldest == {
        "at": DENIAL["at"],
        "actor": "engine-7",
        "action": "denial",
        "subject": "set_leverage",
        "details": {
            "shim": "shim-1",
            "status": 403,
            "reason": "account",
            "address": "10.0.0.7",
            "account": "other-001",
            "count": 3,
        },
    }
    assert (newest["actor"], newest["details"]["reason"]) == (None, "invalid_token")
    assert harness.bus.told("denial") == [DENIAL, ANOTHER]
    assert [event.routing_key for event in harness.bus.events] == ["control.denial"] * 2


async def test_the_same_report_is_written_down_once_also_by_another_worker(ledger_url: str) -> None:
    bus = MemoryBus()
    for _ in range(2):
        async with worker_harness(ledger_url, bus=bus) as harness:
            for _ in range(2):
                await harness.ask("report_denials", REPORT)
    async with worker_harness(ledger_url) as harness:
        assert len(await entries(harness)) == 2
    assert len(bus.events) == 2
    assert len({event.id for event in bus.events}) == 2


async def test_what_differs_in_anything_is_another_denial(harness: WorkerHarness) -> None:
    for change in ({}, {"at": 1}, {"count": 4}, {"address": None}, {"operation": "get_positions"}, {"actor": None}):
        await harness.ask("report_denials", {**REPORT, "denials": [{**DENIAL, **change}]})
    await harness.ask("report_denials", {"shim": "shim-2", "denials": [DENIAL]})
    assert len(await entries(harness)) == 7
    assert len({event.id for event in harness.bus.events}) == 7


async def test_the_newest_come_first_and_no_more_than_asked_for(harness: WorkerHarness) -> None:
    await harness.ask("freeze", {"all": True, "reason": "audit"})
    await harness.ask("report_denials", REPORT)
    await harness.ask("unfreeze", {"all": True})
    assert [row["action"] for row in await entries(harness)] == ["unfreeze", "denial", "denial", "freeze"]
    assert [row["action"] for row in await entries(harness, limit=2)] == ["unfreeze", "denial"]
    assert (await harness.ask("get_audit", {"limit": 0}))["statusCode"] == 400


BAD: dict[str, Body] = {
    "none": {"denials": []},
    "too many": {"denials": [DENIAL] * 51},
    "no reason of ours": {"denials": [{**DENIAL, "reason": "spite"}]},
    "a success": {"denials": [{**DENIAL, "status": 200}]},
    "what no database takes": {"denials": [{**DENIAL, "actor": "a\0b"}]},
    "no shim": {"shim": None},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
async def test_a_report_that_is_none_is_refused(harness: WorkerHarness, change: Body) -> None:
    assert (await harness.ask("report_denials", {**REPORT, **change}))["statusCode"] == 400
    assert await entries(harness) == []
