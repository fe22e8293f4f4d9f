"""Promise 1 and 2: a command id is carried out once and told alike ever after, by whichever worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from schemas import OPERATIONS
from schemas.guardrails import UNGUARDED
from schemas.requests import SetLeverage
from tests.support.hand_clock import HandClock
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue, Misbehaviour
from tests.support.worker_harness import COLLECT, TO_10X, Body, Stalls, WorkerHarness, in_time, worker_harness
from worker.accounts.account import Accounts
from worker.accounts.guardrails import version_of
from worker.execution.aftermath.recovery import AGAIN_MS, BATCH, BATCHES, Recovery
from worker.execution.requests import Command, entry_of
from worker.ledger.commands import Entry
from worker.messages.wire import Delivery
from worker.runtime.clock import now
from worker.telemetry.denials import DISTINCT
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    """A worker on an empty ledger."""
    async with worker_harness(ledger_url) as harness:
        yield harness


async def test_a_second_delivery_makes_no_second_venue_call_and_is_told_the_same(harness: WorkerHarness) -> None:
    for _ in range(3):
        await harness.deliver(command_id="c-1")
    assert harness.changes == ["leverage 10"]
    first, *again = harness.replies
    assert again == [first, first]
    events = [event for event in harness.bus.events if event.type == "perps-dma.result.v1"]
    assert events == [events[0]] * 3


async def test_the_answer_has_the_same_headers_every_time(harness: WorkerHarness) -> None:
    for _ in range(2):
        await harness.deliver(command_id="c-1")
    (_, first), (_, again) = harness.bus.replies
    assert first == again
    assert first.headers == {
        "Command-Id": "c-1",
        "Exchange": "binance",
        "Outcome": "applied",
        "Confirmed-By": "echo",
        "Policy": version_of(UNGUARDED),
    }


async def test_fifty_at_once_are_one_change_and_fifty_answers(harness: WorkerHarness) -> None:
    await asyncio.gather(*(harness.deliver(command_id="c-1") for _ in range(50)))
    assert harness.changes == ["leverage 10"]
    assert harness.replies == [harness.replies[0]] * 50
    assert set(harness.outcomes) == {"applied"}


async def test_a_restart_changes_nothing_of_it(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as before:
        await before.deliver(command_id="c-1")
    async with worker_harness(ledger_url) as after:
        await after.deliver(command_id="c-1")
        assert after.venue.log == []
        assert after.replies == before.replies
        assert after.bus.events[0] == before.bus.events[0]


async def test_the_same_request_written_differently_is_the_same(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    written_differently = {**dict(reversed(TO_10X.items())), "market_type": "swap", "leverage": 10.0}
    await harness.deliver(body=written_differently, command_id="c-1")
    assert harness.changes == ["leverage 10"]
    assert harness.replies[0] == harness.replies[1]


ANOTHER = ACCOUNT.model_copy(update={"id": "another-account"})
OTHERS: dict[str, tuple[str, Body]] = {
    "another value": ("set_leverage", {**TO_10X, "leverage": 11}),
    "another operation": ("set_margin_mode", {**COLLECT, "symbol": BTC.symbol, "margin_mode": "cross"}),
}


@pytest.mark.parametrize(("operation", "body"), OTHERS.values(), ids=OTHERS)
async def test_the_same_id_with_another_body_is_a_conflict(harness: WorkerHarness, operation: str, body: Body) -> None:
    await harness.deliver(command_id="c-1")
    envelope = await harness.ask(operation, body, "c-1")
    assert (envelope["statusCode"], envelope["error"]["code"]) == (409, "conflict")
    assert harness.changes == ["leverage 10"]
    letter = await harness.deliver(operation, body, "c-1", reply=False)
    assert letter is not None
    assert "was used for another command" in letter.reason


@pytest.mark.parametrize(("operation", "body"), OTHERS.values(), ids=OTHERS)
async def test_who_uses_the_id_of_another_command_learns_nothing_of_it(
    ledger_url: str, operation: str, body: Body
) -> None:
    async with worker_harness(ledger_url, accounts=Accounts((ACCOUNT, ANOTHER))) as harness:
        await harness.deliver(command_id="c-1")
        envelope = await harness.ask(operation, {**body, "exchange_account_id": ANOTHER.id}, "c-1")
        reply = harness.bus.replies[-1][1]
        message = "Error - the command id c-1 was used for another command; nothing was sent, take a new id"
        assert envelope["message"] == message
        assert envelope["error"] == {
            "code": "conflict",
            "retryable": False,
            "venue_code": None,
            "details": {"command_id": "c-1"},
        }
        assert reply.headers == {"Command-Id": "c-1", "Outcome": "rejected"}
        assert harness.changes == ["leverage 10"]


async def test_who_uses_the_id_of_another_command_is_in_the_audit_once_for_many_times(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    for leverage in (11, 12, 13):
        await harness.deliver(body={**TO_10X, "leverage": leverage}, command_id="c-1")
    await harness.worker.denials.tell()
    [entry] = (await harness.ask("get_audit", {}))["data"]["entries"]
    assert (entry["action"], entry["actor"], entry["subject"]) == ("denial", "ann", "set_leverage")
    told = {name: value for name, value in entry["details"].items() if name != "worker"}
    assert told == {"status": 409, "reason": "command_id", "address": None, "account": ACCOUNT.id, "count": 3}
    [event] = harness.bus.told("denial")
    assert (event["reason"], event["actor"], event["count"]) == ("command_id", "ann", 3)


async def test_a_flood_of_conflicts_makes_a_bounded_number_of_entries(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    for number in range(100):
        harness.worker.denials.note_conflict("set_leverage", f"engine-{number}", ACCOUNT.id)
    await harness.worker.denials.tell()
    entries = (await harness.ask("get_audit", {}))["data"]["entries"]
    assert len(entries) == DISTINCT + 1
    assert sum(entry["details"]["count"] for entry in entries) == 100


async def test_the_same_command_from_another_subject_is_told_the_first_result(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    message = Delivery("set_leverage", json.dumps(TO_10X).encode(), "c-1", reply_to="bob", actor="bob")
    await harness.worker.handle(message)
    assert harness.replies[0] == harness.replies[1]
    await harness.worker.denials.tell()
    assert (await harness.ask("get_audit", {}))["data"]["entries"] == []


async def test_a_conflict_is_found_while_the_first_one_still_runs(harness: WorkerHarness) -> None:
    first = asyncio.create_task(harness.deliver(command_id="c-1"))
    second = asyncio.create_task(harness.deliver(body={**TO_10X, "leverage": 11}, command_id="c-1"))
    await asyncio.gather(first, second)
    assert sorted(envelope["statusCode"] for envelope in harness.replies) == [200, 409]
    assert harness.changes == ["leverage 10"]


async def test_two_workers_share_one_memory(ledger_url: str) -> None:
    venue = MemoryVenue()
    async with worker_harness(ledger_url, venue) as one, worker_harness(ledger_url, venue) as two:
        await asyncio.gather(*(side.deliver(command_id="c-1") for side in (one, two) for _ in range(10)))
        assert one.changes == ["leverage 10"]
        assert set(one.outcomes + two.outcomes) == {"applied"}
        assert [*one.replies, *two.replies] == [one.replies[0]] * 20


SHORT_MS = 1_000
"""A deadline that a loaded machine keeps, and that a test can wait for."""


class Died(BaseException):
    """Stands for the death of a worker: nothing catches it, and nothing is written after it."""


class DiesBeforeSending(MemoryVenue):
    """A worker on this venue dies before it has sent anything."""

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        raise Died


async def dies(url: str, venue: MemoryVenue, operation: str, body: Body, deadline: int | None = None) -> None:
    """A worker begins a command and dies in the middle of it."""
    async with worker_harness(url, venue) as before:
        with pytest.raises(Died):
            await before.deliver(operation, body, "c-1", deadline=deadline)
        assert before.bus.events == []


async def test_a_worker_that_died_before_sending_leaves_a_command_like_new(ledger_url: str) -> None:
    venue = DiesBeforeSending()
    await dies(ledger_url, venue, "set_leverage", TO_10X)
    async with worker_harness(ledger_url) as after:
        await after.deliver(command_id="c-1")
        assert (after.outcomes, after.changes) == (["applied"], ["leverage 10"])


async def test_a_setter_that_came_through_is_found_in_force_and_not_sent_again(ledger_url: str) -> None:
    venue = MemoryVenue()
    venue.misbehaviours.append(Misbehaviour(Died(), applied=True))
    await dies(ledger_url, venue, "set_leverage", TO_10X)
    async with worker_harness(ledger_url, venue) as after:
        await after.deliver(command_id="c-1")
        [result] = after.bus.told("result")
        assert (result["outcome"], result["confirmed_by"], result["attempts"]) == ("applied", "read_back", 1)
        assert after.changes == ["leverage 10"]


async def test_a_setter_that_got_lost_is_sent_again_after_the_read_back(ledger_url: str) -> None:
    venue = MemoryVenue()
    venue.misbehaviours.append(Misbehaviour(Died(), applied=False))
    await dies(ledger_url, venue, "set_leverage", TO_10X)
    async with worker_harness(ledger_url, venue) as after:
        await after.deliver(command_id="c-1")
        [result] = after.bus.told("result")
        assert (result["outcome"], result["attempts"]) == ("applied", 2)
        assert venue.log[:3] == ["leverage 10", "terms", "leverage 10"]


async def test_a_setter_whose_deadline_is_past_is_read_back_and_never_sent_late(ledger_url: str) -> None:
    venue = MemoryVenue()
    venue.misbehaviours.append(Misbehaviour(Died(), applied=False))
    await dies(ledger_url, venue, "set_leverage", TO_10X, deadline=in_time(SHORT_MS))
    async with worker_harness(ledger_url, venue) as after:
        await passed(in_time(SHORT_MS))
        await after.deliver(command_id="c-1")
        assert (after.outcomes, after.changes) == (["unknown"], ["leverage 10"])
        assert "a read-back shows 5x" in after.replies[0]["message"]


async def test_a_read_back_that_fails_once_is_tried_again(ledger_url: str) -> None:
    venue = MemoryVenue()
    venue.misbehaviours.append(Misbehaviour(Died(), applied=True))
    await dies(ledger_url, venue, "set_leverage", TO_10X)
    venue.unreadable.append(Ambiguous("502"))
    async with worker_harness(ledger_url, venue) as after:
        await after.deliver(command_id="c-1")
        assert (after.outcomes, after.changes) == (["applied"], ["leverage 10"])


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize(
    ("operation", "body"), [("pm_auto_collect", COLLECT), ("pm_asset_collect", {**COLLECT, "asset": "USDT"})]
)
async def test_a_collection_in_doubt_is_told_and_never_sent_again(
    ledger_url: str, operation: str, body: Body, applied: bool
) -> None:
    venue = MemoryVenue()
    venue.misbehaviours.append(Misbehaviour(Died(), applied=applied))
    await dies(ledger_url, venue, operation, body)
    async with worker_harness(ledger_url, venue) as after:
        for _ in range(3):
            await after.deliver(operation, body, "c-1")
        assert set(after.outcomes) == {"unknown"}
        assert len(after.changes) == 1


async def test_a_command_whose_message_is_lost_is_finished_from_the_ledger(ledger_url: str) -> None:
    venue = MemoryVenue()
    venue.misbehaviours.append(Misbehaviour(Died(), applied=True))
    await dies(ledger_url, venue, "set_leverage", TO_10X, deadline=in_time(SHORT_MS))
    async with worker_harness(ledger_url, venue) as after:
        await passed(in_time(SHORT_MS))
        later = Recovery(after.ledger, after.worker.handle, lambda _: False, lambda: now() + 60_000)
        await later.look()
        assert (after.outcomes, after.changes) == (["applied"], ["leverage 10"])
        await later.look()
        assert len(after.outcomes) == 1


async def test_a_command_whose_account_is_gone_is_finished_once_the_account_is_back(ledger_url: str) -> None:
    venue, accounts, clock = MemoryVenue(), Accounts([]), HandClock(now() + 60_000)
    venue.misbehaviours.append(Misbehaviour(Died(), applied=True))
    await dies(ledger_url, venue, "set_leverage", TO_10X, deadline=in_time(SHORT_MS))
    async with worker_harness(ledger_url, venue, accounts=accounts) as after:
        await passed(in_time(SHORT_MS))
        later = Recovery(after.ledger, after.worker.handle, lambda _: False, clock)
        await later.look()
        accounts.replace([ACCOUNT])
        await later.look()
        assert after.outcomes == []  # it was tried a moment ago
        clock.pass_(AGAIN_MS)
        await later.look()
        assert (after.outcomes, after.changes) == (["applied"], ["leverage 10"])


@pytest.mark.parametrize("gone", [120, BATCH * BATCHES])
async def test_commands_of_accounts_that_are_gone_keep_none_of_the_living_waiting(ledger_url: str, gone: int) -> None:
    async with worker_harness(ledger_url) as harness:
        for number in range(gone):
            await harness.ledger.commands.register(overdue(f"gone-{number}", "gone", 1_000 + number % 7))
        await harness.ledger.commands.register(overdue("living", ACCOUNT.id, 2_000))
        later = Recovery(harness.ledger, harness.worker.handle, lambda _: False, now)
        looks = 1
        while not await later.look():
            looks += 1
        assert looks == 1 + gone // (BATCH * BATCHES)  # one look does not grow with what is left
        assert [data["command_id"] for data in harness.bus.told("result")] == ["living"]
        await harness.ledger.commands.register(overdue("older", ACCOUNT.id, 1_000))
        while not await later.look():
            pass
        assert [data["command_id"] for data in harness.bus.told("result")] == ["living", "older"]


def overdue(command_id: str, account: str, deadline: int) -> Entry:
    """A command whose message is lost."""
    request = SetLeverage.model_validate({**TO_10X, "exchange_account_id": account})
    made = Command(command_id, OPERATIONS["set_leverage"], request, ACCOUNT, None, 1, deadline)
    return replace(entry_of(made), account=account)


async def passed(moment: int) -> None:
    """Wait until a moment is over."""
    await asyncio.sleep(max(0, moment - now() + 1) / 1000)


async def test_a_worker_that_was_superseded_tells_nothing(ledger_url: str) -> None:
    venue = Stalls()
    async with worker_harness(ledger_url, venue) as frozen, worker_harness(ledger_url, venue) as other:
        stalled = asyncio.create_task(frozen.deliver(command_id="c-1"))
        await venue.reached.wait()
        record = await other.ledger.commands.find("c-1")
        assert record is not None
        await other.ledger.commands.take_over(record)
        venue.go_on.set()
        assert await stalled is None
        assert (frozen.bus.events, frozen.bus.replies) == ([], [])


async def test_an_account_that_a_stuck_worker_holds_is_given_up_at_the_deadline(ledger_url: str) -> None:
    venue = Stalls()
    async with worker_harness(ledger_url, venue) as stuck, worker_harness(ledger_url, venue) as other:
        first = asyncio.create_task(stuck.deliver(command_id="c-1"))
        await venue.reached.wait()
        await asyncio.gather(
            other.deliver(command_id="c-1", deadline=in_time(SHORT_MS)),
            other.deliver(command_id="c-2", deadline=in_time(SHORT_MS)),
        )
        outcomes = {data["command_id"]: data["outcome"] for data in other.bus.told("result")}
        assert outcomes == {"c-1": "unknown", "c-2": "expired"}
        venue.go_on.set()
        await first
        assert stuck.replies == [reply for reply in other.replies if reply["statusCode"] == 502]
        assert stuck.outcomes == ["unknown"]
        assert other.changes == ["leverage 10"]
