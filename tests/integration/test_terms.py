"""Applying terms, with a venue that does as it is told: what is tried again, what is not, and what is on record."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from schemas import MarginMode
from schemas.outcomes import Scope
from tests.support.memory_venue import ACCOUNT, BTC
from tests.support.worker_harness import WorkerHarness, in_time, worker_harness
from worker.venues.port.errors import Ambiguous, LimitReached, NotSent, NotSupported, ValueRefused

ABOUT: dict[str, Any] = {"exchange_account_id": ACCOUNT.id}
TO_9X = {**ABOUT, "symbols": {BTC.symbol: {"leverage": 9}}}


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    async with worker_harness(ledger_url) as harness:
        yield harness
        await harness.worker.terms.close(1)
        await harness.worker.relay.close()


async def applied(harness: WorkerHarness, command_id: str = "terms-1", **document: Any) -> dict[str, Any]:
    """The result event of terms that are applied."""
    await harness.deliver("apply_terms", {**TO_9X, "force": True, **document}, command_id, deadline=in_time())
    await harness.worker.terms.settled()
    return next(data for data in harness.bus.told("result") if data["command_id"] == command_id)


async def test_a_change_that_a_limit_held_up_is_tried_until_there_is_room(harness: WorkerHarness) -> None:
    harness.venue.fail(*(LimitReached("no room", retry_after=1) for _ in range(3)), applied=False)
    told = await applied(harness)
    assert told["outcome"] == "applied"
    assert harness.venue.leverage == 9
    children = [data for data in harness.bus.told("result") if data["operation"] == "set_leverage"]
    assert [(data["outcome"], data["envelope"]["isError"]) for data in children][-1] == ("applied", False)
    assert len({data["command_id"] for data in children}) == 4


async def test_a_look_while_one_begins_does_not_begin_it_again(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, publish = harness.worker.terms, harness.worker.relay.publish

    async def looked_at_meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(harness.worker.relay, "publish", publish)
        await office.look()
        await publish(*arguments)

    monkeypatch.setattr(harness.worker.relay, "publish", looked_at_meanwhile)
    await harness.deliver("apply_terms", {**TO_9X, "force": True}, "terms-1", deadline=in_time())
    await office.settled()
    assert [reply.status for _, reply in harness.bus.replies] == [200]


async def test_room_is_waited_for_outside_of_the_accounts_turn(harness: WorkerHarness) -> None:
    harness.venue.room_in = 10
    await harness.deliver("apply_terms", {**TO_9X, "force": True}, "terms-1", deadline=in_time())
    assert (await harness.ask("set_leverage"))["isError"] is False
    assert harness.changes == ["leverage 10"]
    harness.venue.room_in = 0
    await harness.worker.terms.settled()
    assert harness.changes == ["leverage 10", "leverage 9"]


async def test_it_is_cancelled_while_it_waits_for_room(harness: WorkerHarness) -> None:
    harness.venue.room_in = 10
    await harness.deliver("apply_terms", {**TO_9X, "force": True}, "terms-1", deadline=in_time())
    assert (await harness.ask("cancel_command", {"command_id": "terms-1"}))["data"]["cancelled"] is True
    await harness.worker.terms.settled()
    assert harness.changes == []
    assert harness.outcomes == ["rejected"]


async def test_what_may_have_been_sent_is_never_tried_under_another_id(harness: WorkerHarness) -> None:
    harness.venue.fail(Ambiguous("no answer"), applied=False)
    harness.venue.echoes = False
    told = await applied(harness)
    children = [data for data in harness.bus.told("result") if data["operation"] == "set_leverage"]
    assert len(children) == 1
    assert told["outcome"] == children[0]["outcome"] == "applied"


async def test_a_symbol_that_is_refused_is_the_reason_of_the_whole(harness: WorkerHarness) -> None:
    harness.venue.fail(ValueRefused("not this one", venue_code="-4028"), applied=False)
    told = await applied(harness)
    assert (told["outcome"], told["envelope"]["error"]["code"]) == ("rejected", "rejected")
    assert told["envelope"]["error"]["details"]["symbols"][0]["outcome"] == "rejected"


async def test_a_venue_that_cant_be_reached_ends_it_as_expired(harness: WorkerHarness) -> None:
    harness.venue.fail(*(NotSent("no connection") for _ in range(400)), applied=False)
    body = {**TO_9X, "force": True}
    await harness.deliver("apply_terms", body, "terms-1", deadline=in_time())
    await harness.worker.terms.settled()
    told = next(data for data in harness.bus.told("result") if data["command_id"] == "terms-1")
    assert told["outcome"] == "expired"
    assert harness.venue.leverage == 5


async def test_all_settings_are_set_in_their_order(harness: WorkerHarness) -> None:
    wanted = {"leverage": 9, "margin_mode": "isolated"}
    harness.venue.exchange, harness.venue.contracts = "okx", harness.venue.contracts * 0
    told = await applied(harness, symbols={BTC.symbol: wanted}, position_mode="hedge")
    assert told["outcome"] == "applied"
    assert harness.changes == ["position mode hedge", "margin mode isolated", "leverage 9"]
    assert harness.venue.margin_mode is MarginMode.ISOLATED


async def test_a_redelivery_is_told_the_same_and_changes_nothing(harness: WorkerHarness) -> None:
    first = await applied(harness)
    changes = list(harness.changes)
    again = await applied(harness)
    assert (again, harness.changes) == (first, changes)
    assert harness.replies[0] == harness.replies[-1]


async def test_the_same_id_with_another_document_is_a_conflict(harness: WorkerHarness) -> None:
    await applied(harness)
    await harness.deliver("apply_terms", {**ABOUT, "select": "open", "force": True}, "terms-1")
    assert harness.replies[-1]["error"]["code"] == "conflict"


async def test_what_is_frozen_is_not_begun(harness: WorkerHarness) -> None:
    await harness.deliver("freeze", {**ABOUT, "reason": "audit"})
    told = await applied(harness)
    assert (told["outcome"], told["envelope"]["error"]["code"]) == ("rejected", "frozen")
    assert harness.changes == []


async def test_it_is_accepted_before_anything_is_changed_and_everybody_is_told(harness: WorkerHarness) -> None:
    await applied(harness)
    [accepted, *_] = harness.bus.told("terms")
    assert (accepted["stage"], accepted["total"], accepted["done"]) == ("accepted", 1, 0)
    assert (accepted["command_id"], accepted["actor"]) == ("terms-1", "ann")
    kinds = [event.type for event in harness.bus.events]
    assert kinds.index("perps-dma.terms.v1") < kinds.index("perps-dma.result.v1")


async def test_a_document_that_says_nothing_is_refused(harness: WorkerHarness) -> None:
    for body in (ABOUT, TO_9X, {**TO_9X, "force": True, "fingerprint": "f"}, {**ABOUT, "select": "all of them"}):
        await harness.deliver("apply_terms", body)
        assert harness.replies[-1]["error"]["code"] == "invalid_request"


async def test_an_ordinary_command_cant_be_cancelled(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    await harness.deliver("cancel_command", {"command_id": "c-1"})
    assert harness.replies[-1]["error"]["code"] == "unsupported"
    await harness.deliver("cancel_command", {"command_id": "nobody's"})
    assert harness.replies[-1]["error"]["code"] == "unknown_command"


async def test_guardrails_of_a_token_hold_for_the_plan_and_for_each_change(harness: WorkerHarness) -> None:
    claim = json.dumps({"max_leverage": 8})
    plan = (await harness.ask("plan_terms", TO_9X, guardrails=claim))["data"]
    [row] = plan["symbols"]
    assert (row["state"], row["code"]) == ("impossible", "guardrail")
    assert "the guardrails of the token forbid it" in row["reason"]
    body = {**TO_9X, "force": True}
    await harness.deliver("apply_terms", body, "terms-1", deadline=in_time(), guardrails=claim)
    await harness.worker.terms.settled()
    told = next(data for data in harness.bus.told("result") if data["command_id"] == "terms-1")
    assert (told["outcome"], told["envelope"]["error"]["code"]) == ("rejected", "guardrail")
    assert harness.changes == []


async def planned(harness: WorkerHarness, guardrails: str | None = None, **wanted: Any) -> dict[str, Any]:
    """What a plan says of the symbol."""
    body = {**ABOUT, "symbols": {BTC.symbol: wanted}}
    [row] = (await harness.ask("plan_terms", body, guardrails=guardrails))["data"]["symbols"]
    found: dict[str, Any] = row
    return found


async def test_a_plan_knows_that_leverage_may_only_be_lowered_while_a_position_is_open(harness: WorkerHarness) -> None:
    claim = json.dumps({"only_lower_while_open": True})
    row = await planned(harness, claim, leverage=9)
    assert (row["state"], row["code"], row["changes"]) == ("impossible", "guardrail", [])
    assert "has an open position at 5x" in row["reason"]
    assert harness.venue.log.count("positions") == 1
    assert (await planned(harness, claim, leverage=4))["state"] == "change"
    harness.venue.contracts = Decimal(0)
    assert (await planned(harness, claim, leverage=9))["state"] == "change"


async def test_positions_are_read_for_a_plan_only_where_something_depends_on_them(harness: WorkerHarness) -> None:
    for claim, leverage in ((None, 9), (json.dumps({"only_lower_while_open": True}), 5)):
        await planned(harness, claim, leverage=leverage)
    assert harness.venue.log == ["terms of all", "terms of all"]


async def test_a_margin_mode_of_the_whole_account_says_how_far_it_reaches(harness: WorkerHarness) -> None:
    harness.venue.exchange, harness.venue.mode_scope = "bybit", Scope.ACCOUNT
    row = await planned(harness, margin_mode="isolated")
    assert (row["state"], row["changes"]) == ("change", ["margin_mode"])
    assert row["reason"].startswith("the whole account is switched")


async def test_what_keeps_a_margin_mode_as_it_is_is_known_to_the_plan(harness: WorkerHarness) -> None:
    harness.venue.exchange, harness.venue.mode_kept = "okx", NotSupported("each order names its own")
    row = await planned(harness, margin_mode="isolated", leverage=9)
    assert (row["state"], row["code"], row["reason"]) == ("impossible", "unsupported", "each order names its own")
    assert (await planned(harness, margin_mode="cross", leverage=9))["changes"] == ["leverage"]


async def test_guardrails_that_allow_other_operations_alone_forbid_the_whole(harness: WorkerHarness) -> None:
    claim = json.dumps({"operations": ["set_leverage"]})
    envelope = await harness.ask("apply_terms", {**TO_9X, "force": True}, guardrails=claim)
    assert (envelope["statusCode"], envelope["error"]["code"]) == (403, "guardrail")
    assert harness.changes == []


async def test_what_the_token_may_is_kept_for_who_goes_on(ledger_url: str) -> None:
    claim = json.dumps({"max_leverage": 20})
    async with worker_harness(ledger_url) as first:
        first.venue.room_in = 10
        body = {**TO_9X, "force": True}
        await first.deliver("apply_terms", body, "terms-1", deadline=in_time(), guardrails=claim)
        first.worker.cease()
        await first.worker.terms.close(0)
    async with worker_harness(ledger_url) as second:
        record = await second.ledger.commands.find("terms-1")
        assert record is not None
        assert json.loads(record.entry.guardrails or "{}")["max_leverage"] == 20
        while not second.bus.told("result"):
            await second.worker.terms.look()
            await second.worker.terms.settled()
        children = [data for data in second.bus.told("result") if data["operation"] == "set_leverage"]
        assert [data["outcome"] for data in children] == ["applied"]
        entry = await second.ledger.commands.find(children[0]["command_id"])
        assert entry is not None
        assert entry.entry.guardrails == record.entry.guardrails
