"""Ready means that the broker says workers consume, a worker's ledger writes, and markets are loaded."""

import asyncio
from typing import Any, Unpack

import httpx
import pytest

from schemas import OPERATIONS, Success
from schemas.control import Status, VenueHealth, VenueStatus
from schemas.operations import Operation
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import now_ms, shim_client
from worker.bus.rpc import About, BrokerAway, BusError, NoAnswer, NoWorker, RightsMissing, RpcReply
from worker.messages.wire import encode
from worker.shim.routes.readiness import ANSWER_MS, FRESH_S, FRESH_UNREADY_S, Probe

SINCE = 1_800_000_000_000
UP = VenueStatus(
    snapshot_interval_ms=10_000,
    exchange="binance",
    health=VenueHealth.UP,
    markets_loaded=True,
    since=SINCE,
    reason=None,
)
FAILING = UP.model_copy(update={"exchange": "okx", "health": VenueHealth.FAILING, "reason": "no answer from okx"})
UNLISTED = UP.model_copy(
    update={
        "exchange": "gate",
        "health": VenueHealth.DOWN,
        "markets_loaded": False,
        "reason": "no connection to gate",
    }
)


def says(*venues: VenueStatus, ledger: bool = True) -> RpcReply:
    """A worker's answer."""
    status = Status(
        worker="w-1", ready=ledger and bool(venues), ledger_writes=ledger, outbox=3, venues=venues, accounts=2
    )
    return RpcReply(200, encode(Success(message="Success", data=status)), {})


def bus(answer: RpcReply | BusError, **more: Any) -> InMemoryCaller:
    """A bus with workers that answer so."""
    return InMemoryCaller({"get_status": answer}, **more)


async def readyz(caller: InMemoryCaller) -> httpx.Response:
    """The answer of `/readyz`, asked without a token."""
    async with shim_client(caller, Authorization="") as client:
        return await client.get("/readyz")


async def test_it_is_ready_when_workers_consume_their_ledger_writes_and_markets_are_loaded() -> None:
    response = await readyz(bus(says(UP)))
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "reason": None,
        "broker": True,
        "missing": [],
        "consumers": dict.fromkeys(OPERATIONS, 1),
        "worker": "w-1",
        "ledger": True,
        "outbox": 3,
        "registry": True,
        "venues": [UP.model_dump(mode="json")],
    }


@pytest.mark.parametrize("trouble", [FAILING, UNLISTED], ids=lambda venue: venue.health)
async def test_one_venue_in_trouble_is_a_detail(trouble: VenueStatus) -> None:
    response = await readyz(bus(says(UP, trouble)))
    assert (response.status_code, response.json()["ready"]) == (200, True)
    assert response.json()["venues"][1] == trouble.model_dump(mode="json")


UNREADY: dict[str, tuple[RpcReply | BusError, str]] = {
    "the ledger does not write": (says(UP, ledger=False), "see that the ledger can be reached and its disk has room"),
    "no markets": (says(UNLISTED), "gate: no connection to gate); see that it reaches its venues"),
    "no accounts": (says(), "it has no account"),
    "no answer": (NoAnswer("no answer in time"), "the log of the worker tells"),
    "no worker any more": (NoWorker("no worker takes get_status"), "no worker takes get_status"),
    "the broker goes away": (BrokerAway("gone"), "gone"),
    "a refusal": (RpcReply(404, b'{"isError":true,"error":{}}', {}), "of the same version"),
    "another form": (RpcReply(200, b'{"data":{"worker":1}}', {}), "of the same version"),
    "no JSON": (RpcReply(200, b"<html>", {}), "of the same version"),
    "no object": (RpcReply(200, b"[]", {}), "of the same version"),
}


@pytest.mark.parametrize(("answer", "reason"), UNREADY.values(), ids=UNREADY)
async def test_otherwise_it_is_not_and_the_reason_says_what_to_do(answer: RpcReply | BusError, reason: str) -> None:
    response = await readyz(bus(answer))
    assert (response.status_code, response.json()["ready"]) == (503, False)
    assert reason in response.json()["reason"]
    assert set(response.json()) == set((await readyz(bus(says(UP)))).json())


@pytest.mark.parametrize("missing", OPERATIONS)
@pytest.mark.parametrize("known", [True, False])
async def test_it_is_not_ready_while_one_operation_has_no_consumer(missing: str, known: bool) -> None:
    workers = {name: 2 for name in OPERATIONS if name != missing} | ({missing: 0} if known else {})
    caller = bus(says(UP), workers=workers)
    response = await readyz(caller)
    assert response.status_code == 503
    assert (response.json()["ready"], response.json()["missing"]) == (False, [missing])
    assert response.json()["reason"].startswith(f"no worker takes {missing}; start one with `perps-dma worker`")
    assert caller.asked == []


async def test_it_is_not_ready_without_any_worker() -> None:
    response = await readyz(bus(says(UP), workers=dict.fromkeys(OPERATIONS, 0)))
    assert response.json()["reason"].startswith("no worker takes anything")


async def test_it_is_not_ready_without_a_broker() -> None:
    response = await readyz(bus(says(UP), workers=BrokerAway("no route to it")))
    assert response.status_code == 503
    body = response.json()
    assert (body["ready"], body["broker"], body["missing"]) == (False, False, list(OPERATIONS))
    assert "no route to it" in body["reason"]
    assert "PERPS_DMA_AMQP_URL" in body["reason"]


async def test_a_broker_that_denies_a_right_is_not_blamed_on_the_url() -> None:
    response = await readyz(bus(says(UP), workers=RightsMissing("import the definitions again")))
    assert (response.status_code, response.json()["reason"]) == (503, "import the definitions again")


async def test_a_worker_has_but_a_short_time_to_answer() -> None:
    caller = bus(says(UP))
    before = now_ms()
    await readyz(caller)
    (asked,) = caller.asked
    assert (asked.operation, asked.body) == ("get_status", b"{}")
    assert before + ANSWER_MS <= asked.deadline <= now_ms() + ANSWER_MS


class SlowBus(InMemoryCaller):
    """Its workers answer when they are let."""

    async def call(self, operation: Operation, body: bytes, **about: Unpack[About]) -> RpcReply:
        self.reached.set()
        await self.let.wait()
        return await super().call(operation, body, **about)

    reached: asyncio.Event
    let: asyncio.Event


@pytest.mark.parametrize("answer", [says(UP), says(UNLISTED)], ids=["ready", "not ready"])
async def test_many_who_ask_at_once_are_one_question_to_the_workers(answer: RpcReply) -> None:
    caller = SlowBus({"get_status": answer})
    caller.reached, caller.let = asyncio.Event(), asyncio.Event()
    probe = Probe(caller, lambda: 0.0)
    asking = [asyncio.create_task(probe.readiness()) for _ in range(50)]
    await caller.reached.wait()
    caller.let.set()
    found = await asyncio.gather(*asking)
    assert len({one.reason for one in found}) == 1
    assert len(caller.asked) == 1


@pytest.mark.parametrize(
    ("answer", "fresh_s"), [(says(UP), FRESH_S), (says(UNLISTED), FRESH_UNREADY_S)], ids=["ready", "not ready"]
)
async def test_what_was_found_is_good_for_a_moment(answer: RpcReply, fresh_s: float) -> None:
    caller, time = bus(answer), [100.0]
    probe = Probe(caller, lambda: time[0])
    await probe.readiness()
    time[0] += fresh_s * 0.99
    await probe.readiness()
    assert len(caller.asked) == 1
    time[0] += fresh_s * 0.02
    await probe.readiness()
    assert len(caller.asked) == 2
