"""Promise 7: a freeze stops changes at once, keeps reads, survives a restart, and every change of it is told."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.memory_venue import ACCOUNT, MemoryVenue
from tests.support.worker_harness import COLLECT, Body, WorkerHarness, worker_harness
from worker.ledger.freezes import Freeze
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import Outgoing
from worker.venues.port.errors import Ambiguous

SCOPES: dict[str, Body] = {
    "account": {"exchange_account_id": ACCOUNT.id},
    "venue": {"exchange": "binance"},
    "all": {"all": True},
}
ELSEWHERE = {"exchange": "okx"}


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    """A worker on an empty ledger."""
    async with worker_harness(ledger_url) as harness:
        yield harness


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
async def test_a_frozen_change_is_rejected_and_nothing_is_asked_of_the_venue(
    harness: WorkerHarness, scope: Body
) -> None:
    await harness.ask("freeze", {**scope, "reason": "audit"})
    for operation, body in (("set_leverage", None), ("pm_auto_collect", COLLECT)):
        envelope = await harness.ask(operation, body) if body else await harness.ask(operation)
        assert (envelope["statusCode"], envelope["error"]["code"]) == (423, "frozen")
        assert "audit; nothing was sent" in envelope["message"]
    assert harness.outcomes == ["rejected", "rejected"]
    assert harness.venue.log == []


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
async def test_reads_go_on_and_changes_too_once_it_is_lifted(harness: WorkerHarness, scope: Body) -> None:
    await harness.ask("freeze", {**scope, "reason": "audit"})
    assert (await harness.ask("get_positions", COLLECT))["statusCode"] == 200
    lifted = {"scope": home_scope(scope), "frozen": False, "changed": True, "under_way": []}
    assert (await harness.ask("unfreeze", scope))["data"] == lifted
    assert (await harness.ask())["statusCode"] == 200


def home_scope(scope: Body) -> str:
    kind, name = next(iter(scope.items()))
    return {"exchange_account_id": f"account:{name}", "exchange": f"exchange:{name}", "all": "all"}[kind]


async def test_a_freeze_elsewhere_stops_nothing_here(harness: WorkerHarness) -> None:
    await harness.ask("freeze", {**ELSEWHERE, "reason": "audit"})
    assert (await harness.ask())["statusCode"] == 200


async def test_a_freeze_survives_a_restart(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as before:
        await before.ask("freeze", {"all": True, "reason": "audit"})
    async with worker_harness(ledger_url) as after:
        assert (await after.ask())["statusCode"] == 423
        listed = (await after.ask("get_freezes", {}))["data"]
        assert [(row["scope"], row["reason"], row["actor"]) for row in listed["freezes"]] == [("all", "audit", "ann")]


async def test_every_change_is_an_event_and_an_audit_row_and_a_repetition_is_neither(harness: WorkerHarness) -> None:
    for _ in range(2):
        frozen = await harness.ask("freeze", {"all": True, "reason": "audit"})
    assert frozen["data"]["changed"] is False
    for _ in range(2):
        await harness.ask("unfreeze", {"all": True})
    told = harness.bus.told("freeze")
    assert [(row["scope"], row["frozen"], row["actor"]) for row in told] == [
        ("all", True, "ann"),
        ("all", False, "ann"),
    ]
    assert [row.action for row in await harness.ledger.audit.newest(9)] == ["unfreeze", "freeze"]


BAD: dict[str, tuple[Body, int]] = {
    "no scope": ({"reason": "audit"}, 400),
    "two scopes": ({"all": True, "exchange": "okx", "reason": "audit"}, 400),
    "no reason": ({"all": True}, 400),
    "an unknown venue": ({"exchange": "nyse", "reason": "audit"}, 400),
    "an unknown account": ({"exchange_account_id": "nobody", "reason": "audit"}, 404),
}


@pytest.mark.parametrize(("body", "status"), BAD.values(), ids=BAD)
async def test_a_freeze_of_nothing_in_particular_is_refused(harness: WorkerHarness, body: Body, status: int) -> None:
    assert (await harness.ask("freeze", body))["statusCode"] == status
    assert (await harness.ask("get_freezes", {}))["data"]["count"] == 0


class FreezesAfterTheFirstChange(MemoryVenue):
    """While the first change is at the venue an admin freezes everything."""

    harness: WorkerHarness

    async def under_way(self) -> None:
        if not self.log:
            event = Outgoing("e", "perps-dma.freeze.v1", "control.freeze", json.dumps({"data": {}}))
            await self.harness.ledger.freezes.freeze(Freeze("all", "audit", None, 1), event)


async def test_after_the_freeze_not_even_a_repetition_is_sent(ledger_url: str) -> None:
    venue = FreezesAfterTheFirstChange()
    venue.fail(Ambiguous("502"), applied=False)
    async with worker_harness(ledger_url, venue) as harness:
        venue.harness = harness
        envelope = await harness.ask()
        assert (harness.outcomes, harness.changes) == (["unknown"], ["leverage 10"])
        assert "a read-back shows 5x" in envelope["message"]


async def test_a_ledger_that_fails_is_told_and_nothing_is_changed(harness: WorkerHarness) -> None:
    async def fails() -> list[Freeze]:
        raise LedgerUnavailable("the disk is full")

    harness.ledger.freezes.all = fails  # type: ignore[method-assign]
    envelope = await harness.ask("get_freezes", {})
    assert (envelope["statusCode"], envelope["error"]["code"]) == (503, "ledger_unavailable")
