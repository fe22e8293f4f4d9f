"""What is denied is counted and told; however many they are, what is told stays small."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from schemas import Operation
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, LEVERAGE, PREFIX, assert_failure, bearer, client_of, gate, token
from worker.bus.rpc import BrokerAway, NoAnswer, NoWorker, RpcReply
from worker.config.settings import Settings
from worker.shim.app import create_app
from worker.shim.auth.denials import Denials
from worker.telemetry.denials import DISTINCT

TOLD = RpcReply(200, b'{"data":{"recorded":1}}', {})
SOON_MS = 1_000


class Desk:
    """A shim, what it denied so far, and the worker that it tells."""

    def __init__(self, rate: str | None = None) -> None:
        self.caller = InMemoryCaller({"report_denials": TOLD, "set_leverage": RpcReply(200, b"{}", {})})
        self.denials = Denials(self.caller, clock=lambda: 1_000)
        self.app = create_app(self.caller, gate(self.caller, denials=self.denials, rate=rate), BOUNDS)

    async def post(self, header: dict[str, str], address: str = "10.0.0.7", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shim", headers=header) as client:
            return await client.post(f"{PREFIX}/leverage", json={**LEVERAGE, **more})

    @property
    def reports(self) -> list[list[dict[str, Any]]]:
        return [json.loads(row.body)["denials"] for row in self.caller.asked if row.operation == "report_denials"]

    async def told(self) -> list[dict[str, Any]]:
        """What is told now."""
        await self.denials.tell(SOON_MS)
        return self.reports[-1] if self.reports else []


async def test_each_reason_is_told_with_who_and_from_where() -> None:
    desk = Desk()
    await desk.post({})
    await desk.post(bearer(token(now=1)))
    await desk.post(bearer("nonsense"))
    await desk.post(bearer(token("viewer", subject="ann")))
    await desk.post(bearer(token(accounts=["mine"], subject="bob")))
    about = {"at": 1_000, "operation": "set_leverage", "address": "10.0.0.7", "count": 1}
    nobody = {"actor": None, "account": None}
    assert await desk.told() == [
        {**about, "status": 401, "reason": "no_token", **nobody},
        {**about, "status": 401, "reason": "expired_token", **nobody},
        {**about, "status": 401, "reason": "invalid_token", **nobody},
        {**about, "status": 403, "reason": "role", "actor": "ann", "account": None},
        {**about, "status": 403, "reason": "account", "actor": "bob", "account": LEVERAGE["exchange_account_id"]},
    ]


async def test_what_a_bad_token_says_of_itself_is_not_believed() -> None:
    desk = Desk()
    await desk.post(bearer(token("admin", subject="the-boss")[:-4]))
    [denial] = await desk.told()
    assert (denial["actor"], denial["reason"]) == (None, "invalid_token")


async def test_what_is_alike_is_counted() -> None:
    desk = Desk()
    for account in ("a", "b", "c"):
        await desk.post(bearer(token(accounts=["mine"])), exchange_account_id=account)
    await desk.post(bearer(token(accounts=["mine"])), address="10.0.0.8")
    assert [(row["count"], row["address"], row["account"]) for row in await desk.told()] == [
        (3, "10.0.0.7", "c"),
        (1, "10.0.0.8", LEVERAGE["exchange_account_id"]),
    ]


async def test_a_flood_from_everywhere_is_a_small_report_that_counts_all() -> None:
    desk = Desk()
    for number in range(500):
        await desk.post({}, address=f"10.1.{number // 250}.{number % 250}")
    told = await desk.told()
    assert len(told) == DISTINCT + 1
    assert sum(row["count"] for row in told) == 500
    assert (told[-1]["operation"], told[-1]["address"], told[-1]["count"]) == ("several", None, 500 - DISTINCT)


@pytest.mark.parametrize("trouble", [BrokerAway("gone"), NoWorker("none"), NoAnswer("late"), RpcReply(503, b"{}", {})])
async def test_what_nobody_confirmed_is_told_again_in_the_same_words_and_nothing_is_lost(trouble: Any) -> None:
    desk = Desk()
    await desk.post({})
    desk.caller.answers["report_denials"] = trouble
    first = await desk.told()
    await desk.post({})
    assert await desk.told() == first
    desk.caller.answers["report_denials"] = TOLD
    assert await desk.told() == first
    assert [row["count"] for row in await desk.told()] == [1]
    reports = len(desk.reports)
    await desk.denials.tell(SOON_MS)
    assert len(desk.reports) == reports


async def test_a_worker_that_does_not_understand_is_logged_and_not_asked_for_ever() -> None:
    desk = Desk()
    await desk.post({})
    desk.caller.answers["report_denials"] = RpcReply(400, b"{}", {})
    with capture_logs() as lines:
        await desk.told()
        await desk.told()
    assert [line["log_level"] for line in lines] == ["error"]
    assert len(desk.reports) == 1


class Hearing(InMemoryCaller):
    """A worker that is told what was denied, and says when."""

    def __init__(self) -> None:
        super().__init__()
        self.told: asyncio.Queue[bytes] = asyncio.Queue()

    async def call(self, operation: Operation, body: bytes, **more: Any) -> RpcReply:
        self.told.put_nowait(body)
        return TOLD


async def test_it_is_told_by_itself_again_and_again() -> None:
    hearing = Hearing()
    denials = Denials(hearing, settle_s=0, pause_s=0)
    app = create_app(hearing, gate(hearing, denials=denials), BOUNDS)
    running = asyncio.create_task(denials.run())
    async with client_of(app, {}) as client, asyncio.timeout(30):
        for _ in range(3):
            assert (await client.get(f"{PREFIX}/status")).status_code == 401
            assert json.loads(await hearing.told.get())["denials"][0]["operation"] == "get_status"
    running.cancel()


async def test_other_refusals_are_no_denials() -> None:
    desk = Desk()
    await desk.post(bearer(token()), leverage="ten")
    async with client_of(desk.app, bearer(token())) as client:
        assert (await client.delete(f"{PREFIX}/leverage")).status_code == 405
        assert (await client.get("/nowhere")).status_code == 404
    assert await desk.told() == []


async def test_a_token_that_asks_too_often_is_429_with_when_to_come_again() -> None:
    desk = Desk(rate="3/day")
    answers = [await desk.post(bearer(token(subject="ann"))) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert_failure(answers[-1], 429, "rate_limited")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 172_800
    assert [row.operation for row in desk.caller.asked] == ["set_leverage"] * 3
    [denial] = await desk.told()
    assert (denial["reason"], denial["actor"], denial["count"]) == ("rate_limit", "ann", 2)


async def test_each_subject_has_its_own_rate_whatever_token_it_shows() -> None:
    desk = Desk(rate="2/day")
    for subject in ("ann", "bob"):
        for statuses in (200, 200, 429):
            fresh = bearer(token(subject=subject, accounts=["binance-perp-001"] * (statuses % 3 + 1)))
            assert (await desk.post(fresh)).status_code == statuses


async def test_the_rate_counts_before_the_role_so_that_nobody_can_knock_without_end() -> None:
    desk = Desk(rate="1/day")
    assert [(await desk.post(bearer(token("viewer")))).status_code for _ in range(2)] == [403, 429]


@pytest.mark.parametrize("rate", ["100", "often", "0/second", "-1/second", "10/fortnight"])
def test_a_rate_that_is_none_is_refused_at_the_start(rate: str) -> None:
    with pytest.raises(ValidationError, match="such as 100/second or 6000/minute"):
        Settings(rate_limit=rate)
    assert str(Settings(rate_limit="100/second").rate) == "100 per 1 second"
