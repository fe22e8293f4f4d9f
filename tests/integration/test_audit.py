"""The audit in the ledger: denials are written down and told once, however often a shim reports them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.audit.chain import GENESIS
from tests.support.memory_venue import MemoryBus
from tests.support.worker_harness import TO_10X, Body, WorkerHarness, worker_harness

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
    link = {name: oldest.pop(name) for name in ("position", "previous", "hash", "stored")}
    assert (link["position"], link["previous"], link["stored"]) == (1, GENESIS, None)
    assert newest["previous"] == link["hash"]
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


async def test_a_command_that_comes_with_a_reason_is_an_entry_once(harness: WorkerHarness) -> None:
    for _ in range(3):
        await harness.deliver(command_id="c-1", reason="the leverage was mistyped")
    [entry] = await entries(harness)
    assert (entry["actor"], entry["action"], entry["subject"]) == ("ann", "command", "set_leverage")
    assert entry["details"] == {
        "reason": "the leverage was mistyped",
        "command_id": "c-1",
        "request": {**TO_10X, "market_type": "swap"},
    }


async def test_a_command_without_a_reason_and_a_query_are_no_entry(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    await harness.deliver(
        "get_leverage", {name: TO_10X[name] for name in ("exchange_account_id", "symbol")}, reason="x"
    )
    assert await entries(harness) == []


async def test_a_reason_is_kept_as_text_that_every_database_takes(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1", reason="two\nlines\x00" + "x" * 600)
    [entry] = await entries(harness)
    assert entry["details"]["reason"] == ("twolines" + "x" * 600)[:500]


async def test_why_a_freeze_was_lifted_is_in_the_audit(harness: WorkerHarness) -> None:
    await harness.ask("freeze", {"all": True, "reason": "key leaked"})
    await harness.ask("unfreeze", {"all": True, "reason": "key changed"})
    told = [(entry["action"], entry["details"]["reason"]) for entry in await entries(harness)]
    assert told == [("unfreeze", "key changed"), ("freeze", "key leaked")]
