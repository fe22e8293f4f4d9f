"""Terms that are being applied give way: to other commands, to whoever cancels them, to a freeze."""

import json
from typing import Any

import pytest

from schemas import OPERATIONS
from tests.faults.stage import LEVERAGE, SYMBOL, Stage, until
from tests.faults.test_terms import ACCOUNT, SYMBOLS, TO_3X, at_venue
from worker.bus.rpc import connect_rpc
from worker.runtime.clock import now

pytestmark = pytest.mark.long

OTHER = "f-2"
HELD_MS = 400


async def begun(stage: Stage, symbols: int = 4) -> str:
    """Terms that are being applied, and have come to a symbol in the middle; their command."""
    stage.open_accounts(ACCOUNT, OTHER)
    stage.hold(HELD_MS)
    await stage.worker().start()
    command_id = await stage.publish("apply_terms", ACCOUNT, **TO_3X)
    await until(lambda: len(at_venue(stage)) >= symbols)
    return command_id


async def asked(stage: Stage, operation: str, **request: Any) -> dict[str, Any]:
    """What a worker answers."""
    async with connect_rpc(stage.url, "a test") as client:
        reply = await client.call(
            OPERATIONS[operation],
            json.dumps(request).encode(),
            command_id=f"asked-{operation}",
            deadline=now() + 20_000,
        )
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


async def result(stage: Stage, command_id: str) -> dict[str, Any]:
    """What was told of its end."""
    stage.tally.expected.add(command_id)
    await stage.tally.collect(stage.url)
    return stage.tally.data(command_id)


def place(stage: Stage, account: str) -> int:
    """How many changes the venue was asked for before that of the other symbol."""
    own = [(entry.account, entry.params.get("symbol")) for entry in stage.changes if entry.path == LEVERAGE]
    return own.index((account, "BTCUSDT"))


async def test_another_command_of_the_account_waits_for_one_request_at_most(stage: Stage) -> None:
    await begun(stage)
    before = len(at_venue(stage))
    command_id = await stage.publish("set_leverage", ACCOUNT, symbol=SYMBOL, leverage=9)
    assert (await result(stage, command_id))["outcome"] == "applied"
    # one is under way, and one may have been begun while the message was on its way to the worker
    assert place(stage, ACCOUNT) <= before + 1


async def test_a_command_of_another_account_waits_not_at_all(stage: Stage) -> None:
    await begun(stage)
    command_id = await stage.publish("set_leverage", OTHER, symbol=SYMBOL, leverage=9)
    timings = (await result(stage, command_id))["timings"]
    assert timings["sent"] - timings["received"] < HELD_MS / 2


async def test_cancelled_it_stops_before_its_next_symbol(stage: Stage) -> None:
    command_id = await begun(stage)
    answer = await asked(stage, "cancel_command", command_id=command_id)
    assert answer["data"] == {"command_id": command_id, "exchange_account_id": ACCOUNT, "cancelled": True}
    done = len(at_venue(stage))
    told = await result(stage, command_id)
    assert told["outcome"] == "partial"
    data = told["envelope"]["data"]
    assert data["cancelled"] is True
    assert data["counts"]["applied"] == len(at_venue(stage)) <= done + 1
    assert data["counts"]["applied"] + data["counts"]["rejected"] == len(SYMBOLS)
    assert "cancelled by" in data["symbols"][-1]["message"]
    again = await asked(stage, "cancel_command", command_id=command_id)
    assert again["data"]["cancelled"] is False


async def test_of_another_account_nothing_is_cancelled(stage: Stage) -> None:
    command_id = await begun(stage)
    answer = await asked(stage, "cancel_command", command_id=command_id, exchange_account_id=OTHER)
    assert answer["error"]["code"] == "unknown_command"
    assert (await result(stage, command_id))["outcome"] == "applied"


async def test_a_freeze_ends_it_before_its_next_symbol(stage: Stage) -> None:
    command_id = await begun(stage)
    await asked(stage, "freeze", exchange_account_id=ACCOUNT, reason="audit")
    done = len(at_venue(stage))
    told = await result(stage, command_id)
    assert (told["outcome"], len(at_venue(stage))) == ("partial", done)
    assert "is frozen: audit" in told["envelope"]["data"]["symbols"][-1]["message"]


async def test_a_second_one_of_the_account_is_told_of_the_first(stage: Stage) -> None:
    command_id = await begun(stage)
    answer = await asked(stage, "apply_terms", exchange_account_id=ACCOUNT, **TO_3X)
    assert (answer["statusCode"], answer["error"]["details"]) == (409, {"command_id": command_id})


async def test_one_that_takes_longer_than_it_is_waited_for_is_pending_and_can_be_asked_for(stage: Stage) -> None:
    command_id = await begun(stage)
    async with connect_rpc(stage.url, "a test") as client:
        body = json.dumps({"exchange_account_id": ACCOUNT, **TO_3X}).encode()
        reply = await client.call(OPERATIONS["apply_terms"], body, command_id=command_id, deadline=now() + 1_000)
        assert (reply.status, json.loads(reply.body)["data"]) == (202, {"command_id": command_id})
        status = (await asked(stage, "get_command", command_id=command_id))["data"]
        assert (status["state"], status["progress"]["total"]) == ("received", len(SYMBOLS))
        assert 0 < status["progress"]["done"] < len(SYMBOLS)
        again = await client.call(OPERATIONS["apply_terms"], body, command_id=command_id, deadline=now() + 30_000)
        assert (again.status, again.headers["Outcome"]) == (200, "applied")
    assert set(at_venue(stage).values()) == {1}
