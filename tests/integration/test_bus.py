"""The way of a message: from any AMQP client through a real broker to the worker, and back as reply and event."""

import asyncio
import json
import time
from uuid import uuid4

import pytest

from schemas import COMMANDS, OPERATIONS, MarginMode
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue, Misbehaviour
from tests.support.strategy import Body, Strategy
from worker.bus.amqp.connection import connect
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.publishing import LARGEST_MESSAGE, TooLarge
from worker.bus.rpc import NoAnswer, NoWorker, RpcClient, connect_rpc
from worker.ledger.unresolved import MARGIN_MOVES
from worker.messages.wire import Delivery, Outgoing, Reply
from worker.venues.port.errors import Ambiguous

TO_10X: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}


async def test_a_bare_publish_to_the_queue_gets_a_result_event(strategy: Strategy, venue: MemoryVenue) -> None:
    command_id = await strategy.publish("set_leverage", TO_10X)
    result = await strategy.event("result", command_id)
    assert result["outcome"] == "applied"
    assert result["confirmed_by"] == "echo"
    assert result["applied"] == {"symbol": BTC.symbol, "leverage": 10}
    assert result["requested"] == {**TO_10X, "market_type": "swap"}
    assert result["envelope"]["message"] == "Leverage set to 10x for BTC/USDT:USDT"
    assert venue.leverage == 10


async def test_a_reply_to_gets_the_documented_envelope(strategy: Strategy) -> None:
    envelope, message = await strategy.ask("set_leverage", TO_10X)
    assert envelope == {
        "isError": False,
        "message": "Leverage set to 10x for BTC/USDT:USDT",
        "statusCode": 200,
        "data": {
            "exchange": "binance",
            "exchange_account_id": ACCOUNT.id,
            "symbol": BTC.symbol,
            "leverage": 10,
            "result": {"leverage": 10, "symbol": "BTCUSDT"},
        },
    }
    assert message.headers["Outcome"] == "applied"


async def test_the_commands_exchange_routes_by_operation(strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", TO_10X, exchange="dma.commands")
    assert (await strategy.event("result", command_id))["outcome"] == "applied"


REQUESTS: dict[str, Body] = {
    "set_leverage": {"symbol": BTC.symbol, "leverage": 10},
    "set_margin_mode": {"symbol": BTC.symbol, "margin_mode": "isolated"},
    "set_position_mode": {"position_mode": "hedge"},
    "add_margin": {"symbol": BTC.symbol, "amount": 5},
    "remove_margin": {"symbol": BTC.symbol, "amount": 5},
    "apply_terms": {"symbols": {BTC.symbol: {"leverage": 12}}, "force": True},
    "pm_auto_collect": {},
    "pm_asset_collect": {"asset": "USDT"},
}


@pytest.mark.parametrize("operation", [row.name for row in COMMANDS])
async def test_every_command_ends_in_one_result_event(strategy: Strategy, venue: MemoryVenue, operation: str) -> None:
    if operation in MARGIN_MOVES:
        venue.margin_mode = MarginMode.ISOLATED
    command_id = await strategy.publish(operation, {"exchange_account_id": ACCOUNT.id, **REQUESTS[operation]})
    assert (await strategy.event("result", command_id))["outcome"] == "applied"


async def test_a_change_of_terms_is_followed_by_a_snapshot_of_the_new_ones(strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", TO_10X)
    snapshot = await strategy.event("positions", command_id)
    assert [row["leverage"] for row in snapshot["positions"]] == [10]
    assert (snapshot["trigger"], snapshot["stale"], snapshot["coverage"]) == ("command", False, ["linear"])


async def test_a_snapshot_of_an_unreadable_venue_is_marked_stale(strategy: Strategy, venue: MemoryVenue) -> None:
    venue.unreadable.extend([Ambiguous("502")] * 3)
    command_id = await strategy.publish("set_leverage", TO_10X)
    assert (await strategy.event("positions", command_id))["stale"] is True


async def test_commands_of_one_account_run_in_the_order_of_the_queue(strategy: Strategy, venue: MemoryVenue) -> None:
    for leverage in range(1, 41):
        command_id = await strategy.publish("set_leverage", {**TO_10X, "leverage": leverage})
    await strategy.event("result", command_id)
    assert [row for row in venue.log if row.startswith("leverage")] == [f"leverage {n}" for n in range(1, 41)]


BAD_BODIES = {
    "no JSON": (b"{", "body is not valid JSON"),
    "not an object": (b"[]", "body"),
    "no leverage": (b'{"exchange_account_id": "a", "symbol": "b"}', "leverage is required"),
    "leverage as text": (b'{"exchange_account_id": "a", "symbol": "b", "leverage": "10"}', "must be a number"),
    "leverage zero": (b'{"exchange_account_id": "a", "symbol": "b", "leverage": 0}', "greater than 0"),
    "leverage negative": (b'{"exchange_account_id": "a", "symbol": "b", "leverage": -1}', "greater than 0"),
    "leverage true": (b'{"exchange_account_id": "a", "symbol": "b", "leverage": true}', "must be a number"),
    "a typo": (b'{"exchange_account_id": "a", "symbol": "b", "leverage": 1, "levrage": 2}', "levrage"),
    "an unknown account": (b'{"exchange_account_id": "a", "symbol": "b", "leverage": 1}', "no account 'a'"),
}


@pytest.mark.parametrize(("body", "problem"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_what_cant_be_answered_goes_to_the_dead_letters_with_its_reason(
    strategy: Strategy, venue: MemoryVenue, body: bytes, problem: str
) -> None:
    command_id = await strategy.publish("set_leverage", body)
    letter = await strategy.dead_letter(command_id)
    assert problem in str(letter.headers["reason"])
    assert (letter.body, letter.headers["operation"]) == (body, "set_leverage")
    assert venue.log == []


@pytest.mark.parametrize(("body", "problem"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_bad_input_with_a_reply_to_is_answered(strategy: Strategy, body: bytes, problem: str) -> None:
    envelope, _ = await strategy.ask("set_leverage", body)
    assert envelope["isError"] is True
    assert envelope["statusCode"] == (404 if "account" in problem else 400)
    assert envelope["message"].startswith("Error - ")
    assert problem in envelope["message"]


async def test_a_refusal_that_no_queue_takes_is_a_dead_letter(strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", b"{", reply_to="a queue that is gone")
    assert "JSON" in str((await strategy.dead_letter(command_id)).headers["reason"])


async def test_an_unknown_operation_is_answered_with_those_there_are(strategy: Strategy) -> None:
    envelope, _ = await strategy.ask("set_leverige", TO_10X, exchange="dma.commands")
    assert (envelope["statusCode"], envelope["error"]["code"]) == (404, "unknown_operation")
    assert "set_leverage" in envelope["message"]


async def test_an_unknown_operation_without_reply_to_is_a_dead_letter(strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverige", TO_10X, exchange="dma.commands")
    assert "there is no operation 'set_leverige'" in str((await strategy.dead_letter(command_id)).headers["reason"])


async def test_a_query_nobody_waits_for_is_a_dead_letter(strategy: Strategy) -> None:
    command_id = await strategy.publish("get_positions", {"exchange_account_id": ACCOUNT.id})
    assert "reply_to" in str((await strategy.dead_letter(command_id)).headers["reason"])


async def test_an_unknown_symbol_ends_as_rejected_with_what_was_probably_meant(
    strategy: Strategy, venue: MemoryVenue
) -> None:
    command_id = await strategy.publish("set_leverage", {**TO_10X, "symbol": "BTC/USDT"})
    result = await strategy.event("result", command_id)
    assert (result["outcome"], result["envelope"]["statusCode"]) == ("rejected", 404)
    assert "did you mean BTC/USDT:USDT" in result["envelope"]["message"]
    assert venue.log == []


async def test_a_command_behind_its_deadline_expires_and_nothing_is_sent(
    strategy: Strategy, venue: MemoryVenue
) -> None:
    past = int(time.time() * 1000) - 1
    command_id = await strategy.publish("set_leverage", TO_10X, headers={"deadline": past})
    result = await strategy.event("result", command_id)
    assert (result["outcome"], result["attempts"], result["timings"]["sent"]) == ("expired", 0, None)
    assert venue.log == []


async def test_a_fault_of_ours_is_told_and_the_worker_lives_on(strategy: Strategy, venue: MemoryVenue) -> None:
    venue.misbehaviours.append(Misbehaviour(ZeroDivisionError("a bug"), applied=False))
    envelope, _ = await strategy.ask("set_leverage", TO_10X)
    assert (envelope["statusCode"], envelope["error"]["code"]) == (502, "unknown")
    envelope, _ = await strategy.ask("set_leverage", TO_10X)
    assert envelope["statusCode"] == 200


async def test_of_an_answer_larger_than_the_broker_takes_its_asker_is_told(amqp_url: str, strategy: Strategy) -> None:
    asked = Delivery("get_positions", b"", reply_to=strategy.reply_to, correlation_id="much")
    async with await connect(amqp_url, "tests") as connection:
        publisher = await MessagePublisher.open(connection, connection)
        await publisher.reply(asked, Reply(200, bytes(LARGEST_MESSAGE + 1)))
        async with asyncio.timeout(20):
            told = await strategy.replies.get()
        with pytest.raises(TooLarge):
            await publisher.event(Outgoing("much", "noise", "noise", "x" * (LARGEST_MESSAGE + 1)))
    assert (told.correlation_id, told.headers["status"]) == ("much", 500)
    assert "ask for less" in json.loads(told.body)["message"]


async def test_the_rpc_client_answers_every_query(rpc: RpcClient) -> None:
    body = b'{"exchange_account_id": "memory-perp-001"}'
    deadline = int(time.time() * 1000) + 5_000
    names = ["get_positions", "get_funding_history", "get_realized_pnl", "pm_get_balance", "pm_get_account"]
    answers = await asyncio.gather(
        *(rpc.call(OPERATIONS[name], body, command_id=str(uuid4()), deadline=deadline) for name in names)
    )
    assert [answer.status for answer in answers] == [200] * 5
    assert answers[1].headers["Coverage-From"] == "1706745600000"


async def test_a_post_returns_when_the_broker_has_the_command(rpc: RpcClient, strategy: Strategy) -> None:
    command_id = str(uuid4())
    body = b'{"exchange_account_id": "memory-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 3}'
    deadline = int(time.time() * 1000) + 5_000
    await rpc.post(OPERATIONS["set_leverage"], body, command_id=command_id, deadline=deadline, actor="ann")
    result = await strategy.event("result", command_id)
    assert (result["actor"], result["timings"]["deadline"]) == ("ann", deadline)


async def test_without_a_worker_nothing_is_published(amqp_url: str) -> None:
    async with connect_rpc(amqp_url, "tests") as client:
        with pytest.raises(NoWorker, match="set_leverage"):
            await client.call(OPERATIONS["set_leverage"], b"{}", command_id="1", deadline=int(time.time() * 1000) + 500)


async def test_nobody_waits_longer_than_the_deadline(rpc: RpcClient) -> None:
    with pytest.raises(NoAnswer):
        await rpc.call(
            OPERATIONS["get_positions"],
            b'{"exchange_account_id": "memory-perp-001"}',
            command_id="late",
            deadline=int(time.time() * 1000) - 10_000,
        )
