"""The routes of the operations: what goes onto the bus, and what comes back to the client."""

import json
from typing import Any
from uuid import UUID

import pytest

from schemas import COMMANDS, HTTP_PREFIXES, ROUTES, Operation
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import (
    LEVERAGE,
    PREFIX,
    TIMEOUT_MS,
    assert_failure,
    bearer,
    now_ms,
    shim_client,
    token,
)
from worker.bus.rpc import BrokerAway, NoAnswer, NoWorker, RequestInDoubt, RightsMissing, RpcReply
from worker.telemetry.tracing import TraceContext

VALUES = {
    "leverage": 10,
    "amount": 10,
    "margin_mode": "cross",
    "position_mode": "hedge",
    "asset": "USDT",
    "symbol": "BTC/USDT:USDT",
}
REQUESTS: dict[str, dict[str, Any]] = {
    operation.name: {
        field: VALUES.get(field, "a-1") for field, info in operation.request.model_fields.items() if info.is_required()
    }
    for operation in ROUTES
}
for name in ("freeze", "unfreeze"):
    REQUESTS[name]["exchange_account_id"] = "a-1"
REQUESTS["plan_terms"] |= {"select": "open", "defaults": {"leverage": 3}}
REQUESTS["keep_terms"] |= REQUESTS["plan_terms"]
REQUESTS["apply_terms"] |= REQUESTS["plan_terms"] | {"force": True}
DONE = RpcReply(200, b'{ "leverage": 1.50 }', {"Outcome": "applied"})
every_operation = pytest.mark.parametrize("operation", ROUTES, ids=[row.name for row in ROUTES])
every_command = pytest.mark.parametrize("operation", COMMANDS, ids=[row.name for row in COMMANDS])


def arguments(operation: Operation) -> dict[str, Any]:
    request = dict(REQUESTS[operation.name])
    for name in operation.path_names:
        del request[name]
    return {"json": request} if operation.has_body else {"params": request}


def path(operation: Operation) -> str:
    return operation.path.format(**REQUESTS[operation.name])


@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
@every_operation
async def test_each_operation_is_asked_as_documented_under_both_prefixes(operation: Operation, prefix: str) -> None:
    caller = InMemoryCaller({operation.name: DONE})
    async with shim_client(caller, **bearer(token("admin"))) as client:
        response = await client.request(operation.method, prefix + path(operation), **arguments(operation))
    assert response.status_code == 200
    [asked] = caller.asked
    assert (asked.operation, asked.wants_answer) == (operation.name, True)
    assert json.loads(asked.body) == REQUESTS[operation.name]


async def test_a_workers_answer_is_passed_on_untouched() -> None:
    throttled = RpcReply(429, b'{ "leverage": 1.50 }', {"Outcome": "rejected", "Retry-After": "3"})
    async with shim_client(InMemoryCaller({"set_leverage": throttled})) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert (response.status_code, response.content) == (429, throttled.body)
    assert response.headers["outcome"] == "rejected"
    assert response.headers["retry-after"] == "3"
    assert response.headers["content-type"] == "application/json"


async def test_a_command_goes_onto_the_bus_byte_for_byte() -> None:
    body = b'{"exchange_account_id": "a-1", "symbol":"BTC/USDT:USDT",  "leverage": 10.0}'
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        await client.post(f"{PREFIX}/leverage", content=body)
    assert caller.asked[0].body == body


async def test_a_query_goes_onto_the_bus_with_what_was_given_and_nothing_else() -> None:
    caller = InMemoryCaller({"get_funding_history": DONE})
    async with shim_client(caller) as client:
        await client.get(f"{PREFIX}/funding-history?exchange_account_id=a-1&since=5&symbol=BTC/USDT%3AUSDT")
    assert json.loads(caller.asked[0].body) == {"exchange_account_id": "a-1", "since": 5, "symbol": "BTC/USDT:USDT"}


@pytest.mark.parametrize(
    ("prefer", "expected_ms"),
    [
        ("", TIMEOUT_MS),
        ("wait=2", 2_000),
        ("respond-async, wait=30", 30_000),
        ('Wait = "45"', 45_000),
        ("wait=5, wait=7", 5_000),
        ("wait=100000", 600_000),
        ("wait=0", TIMEOUT_MS),
        ("wait=-3", TIMEOUT_MS),
        ("wait=soon", TIMEOUT_MS),
        ("wait=²", TIMEOUT_MS),
        ("handling=lenient", TIMEOUT_MS),
    ],
)
async def test_the_deadline_is_the_timeout_that_was_preferred(prefer: str, expected_ms: int) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        before = now_ms()
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers={b"Prefer": prefer.encode()})
        after = now_ms()
    assert before + expected_ms <= caller.asked[0].deadline <= after + expected_ms


async def test_a_preference_that_was_honoured_is_named() -> None:
    async with shim_client(InMemoryCaller({"set_leverage": DONE})) as client:
        wished = await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers={"Prefer": "wait=5"})
        plain = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert wished.headers["preference-applied"] == "wait=5"
    assert "preference-applied" not in plain.headers


@every_command
async def test_respond_async_answers_202_with_the_command_id_once_the_broker_has_it(operation: Operation) -> None:
    caller = InMemoryCaller()
    async with shim_client(caller, Prefer="respond-async") as client:
        response = await client.post(PREFIX + operation.path, json=REQUESTS[operation.name])
    [asked] = caller.asked
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "respond-async"
    assert response.headers["command-id"] == asked.command_id
    body = response.json()
    assert body.pop("message")
    assert body == {"isError": False, "statusCode": 202, "data": {"command_id": asked.command_id}}
    assert not asked.wants_answer


async def test_a_query_is_always_waited_for() -> None:
    caller = InMemoryCaller({"get_positions": DONE})
    async with shim_client(caller, Prefer="respond-async") as client:
        response = await client.get(f"{PREFIX}/positions", params={"exchange_account_id": "a"})
    assert response.status_code == 200
    assert "preference-applied" not in response.headers
    assert caller.asked[0].wants_answer


@pytest.mark.parametrize("key", ["0b6f3f0e-5f0a-4c43-9d0e-0f4f6f0a9a11", "rebalance-2026-01-01#17", "x" * 128])
async def test_an_idempotency_key_becomes_the_command_id(key: str) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers={"Idempotency-Key": key})
    assert caller.asked[0].command_id == response.headers["command-id"] == key


@pytest.mark.parametrize("key", ["", "two words", "x" * 129, "schlüssel"])
async def test_an_idempotency_key_that_cannot_be_one_is_refused_and_not_forgotten(key: str) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers={b"Idempotency-Key": key.encode()})
    body = assert_failure(response, 400, "invalid_request")
    assert [row["field"] for row in body["error"]["details"]["fields"]] == ["Idempotency-Key"]
    assert caller.asked == []


async def test_each_command_without_a_key_gets_an_id_of_its_own() -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        for _ in range(2):
            await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    ids = {UUID(asked.command_id) for asked in caller.asked}
    assert len(ids) == 2


@every_operation
async def test_no_worker_is_503_and_may_be_tried_again(operation: Operation) -> None:
    async with shim_client(InMemoryCaller({operation.name: NoWorker()}), **bearer(token("admin"))) as client:
        response = await client.request(operation.method, PREFIX + path(operation), **arguments(operation))
    body = assert_failure(response, 503, "no_worker")
    assert body["error"]["retryable"] is True
    assert operation.name in body["message"]


@every_operation
async def test_no_answer_is_504_with_the_command_id(operation: Operation) -> None:
    async with shim_client(InMemoryCaller({operation.name: NoAnswer()}), **bearer(token("admin"))) as client:
        response = await client.request(operation.method, PREFIX + path(operation), **arguments(operation))
    body = assert_failure(response, 504, "timeout")
    assert body["error"]["details"] == {"command_id": response.headers["command-id"]}
    assert ("result event" in body["message"]) is operation.is_command
    assert body["error"]["retryable"] is not operation.is_command


@pytest.mark.parametrize("prefer", ["", "respond-async"])
async def test_a_broker_that_is_away_is_503_and_nothing_was_sent(prefer: str) -> None:
    async with shim_client(InMemoryCaller({"set_leverage": BrokerAway()}), Prefer=prefer) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    body = assert_failure(response, 503, "broker_unavailable")
    assert body["error"]["retryable"] is True
    assert "nothing was sent" in body["message"]


async def test_a_broker_that_denies_the_shim_a_right_is_not_called_away() -> None:
    async with shim_client(InMemoryCaller({"set_leverage": RightsMissing()})) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    body = assert_failure(response, 503, "broker_unavailable")
    assert "denies the shim what it has to know; nothing was sent" in body["message"]


@pytest.mark.parametrize("prefer", ["", "respond-async"])
async def test_a_broker_that_goes_away_meanwhile_is_503_and_a_command_is_not_called_unsent(prefer: str) -> None:
    async with shim_client(InMemoryCaller({"set_leverage": RequestInDoubt()}), Prefer=prefer) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    body = assert_failure(response, 503, "broker_unavailable")
    assert body["error"]["retryable"] is False
    assert "may have taken the command" in body["message"]
    assert body["error"]["details"] == {"command_id": response.headers["command-id"]}


async def test_a_fault_is_500_and_says_nothing_of_its_inside() -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with shim_client(InMemoryCaller(), traceparent=traceparent) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert_failure(response, 500, "internal_error")
    assert "KeyError" not in response.text
    assert response.headers["traceparent"] == traceparent


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("nonsense", False),
    ],
)
async def test_the_trace_context_is_given_back_and_a_new_one_in_place_of_nonsense(given: str, returned: bool) -> None:
    async with shim_client(InMemoryCaller({"set_leverage": DONE}), traceparent=given) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    told = response.headers["traceparent"]
    assert (told == given) is returned
    assert TraceContext.read(told) is not None


@pytest.mark.parametrize(("told", "meant"), [("mended", "mended"), ("it%27s%20%C3%BCber%2050%25", "it's über 50%")])
async def test_the_reason_of_a_command_goes_to_the_bus_and_that_of_a_query_does_not(told: str, meant: str) -> None:
    caller = InMemoryCaller({"set_leverage": DONE, "get_positions": DONE})
    async with shim_client(caller, **bearer(token()), **{"Audit-Reason": told}) as client:
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers={"Prefer": "respond-async"})
        await client.get(f"{PREFIX}/positions", params={"exchange_account_id": "a"})
    assert [asked.reason for asked in caller.asked] == [meant, meant, None]


@pytest.mark.parametrize("told", ["", "x" * 501, "two%0Alines", "nul%00", "del%7F", "half%2", "not encoded"])
async def test_a_reason_that_is_none_is_refused_and_nothing_is_sent(told: str) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller, **bearer(token())) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers={"Audit-Reason": told})
    body = assert_failure(response, 400, "invalid_request")
    assert [row["field"] for row in body["error"]["details"]["fields"]] == ["Audit-Reason"]
    assert caller.asked == []
