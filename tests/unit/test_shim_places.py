"""Nobody takes all places: a share for each subject, some kept for admins' controls, none without a good token."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web

from schemas import Operation
from tests.support.identity_provider import identity_provider
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import LEVERAGE, PREFIX, SECRET, assert_failure, bearer, client_of, gate, now_ms, token
from tests.support.token_keys import jwk, signed
from tests.unit.served_shim import port_of, served
from worker.bus.rpc import RpcReply
from worker.shim.app import create_app
from worker.shim.auth.denials import Denials
from worker.shim.auth.key_set import MOST_WAITING, KeySet
from worker.shim.http.connections import ConnectionLimits, Connections
from worker.shim.http.limits import Bounds

DONE = RpcReply(200, b'{"isError":false,"data":{"recorded":1}}', {})
WAITS = {"Prefer": "wait=600"}
READ = f"{PREFIX}/positions?exchange_account_id=a"
FREEZE = {"all": True, "reason": "enough"}


class Busy(InMemoryCaller):
    """Workers that take their time with commands, and answer the rest at once."""

    def __init__(self, slow: tuple[str, ...] = ("set_leverage",)) -> None:
        super().__init__()
        self.slow = slow
        self.running = 0
        self.go_on = asyncio.Event()

    async def call(self, operation: Operation, body: bytes, **more: Any) -> RpcReply:
        if operation.name in self.slow:
            self.running += 1
            await self.go_on.wait()
            self.running -= 1
        return DONE


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.01)


def command(client: httpx.AsyncClient, text: str) -> "asyncio.Task[httpx.Response]":
    headers = {**bearer(text), **WAITS}
    return asyncio.create_task(client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers=headers))


async def test_waiting_commands_of_one_token_leave_room_for_reads_and_a_freeze() -> None:
    caller, limits = Busy(), ConnectionLimits(most=200, of_address=200)
    app = create_app(caller, gate(caller), Bounds(at_once=100))
    async with (
        served(app, Connections(limits), http_receive_s=20) as server,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port_of(server)}", timeout=60, limits=httpx.Limits(max_connections=None)
        ) as client,
    ):
        mine = token(accounts=["binance-perp-001"], subject="greedy")
        asked = [command(client, mine) for _ in range(110)]
        await until(lambda: sum(one.done() for one in asked) == 94)
        assert caller.running == 16
        assert (await client.get(READ, headers=bearer(token(subject="other")))).status_code == 200
        boss = bearer(token("admin", subject="boss"))
        assert (await client.post(f"{PREFIX}/freeze", json=FREEZE, headers=boss)).status_code == 200
        caller.go_on.set()
        answers = [await one for one in asked]
    assert Counter(answer.status_code for answer in answers) == {200: 16, 429: 94}
    refused = next(answer for answer in answers if answer.status_code == 429)
    body = assert_failure(refused, 429, "rate_limited")
    assert (refused.headers["retry-after"], body["error"]["details"]) == ("1", {"limit": "16 at once"})


async def test_when_all_places_are_taken_admins_still_control() -> None:
    caller = Busy()
    app = create_app(caller, gate(caller), Bounds(at_once=8))
    async with client_of(app, {}) as client:
        asked = [command(client, token(subject=f"engine-{number % 4}")) for number in range(8)]
        await until(lambda: caller.running == 8)
        other, boss = bearer(token(subject="other")), bearer(token("admin", subject="boss"))
        assert_failure(await client.get(READ, headers=other), 503, "overloaded")
        assert_failure(await client.get(READ, headers=boss), 503, "overloaded")
        assert_failure(await client.get(f"{PREFIX}/status", headers=other), 503, "overloaded")
        assert (await client.post(f"{PREFIX}/freeze", json=FREEZE, headers=boss)).status_code == 200
        for path in ("/freeze", "/audit", "/status", "/commands/some-id"):
            assert (await client.get(PREFIX + path, headers=boss)).status_code == 200, path
        caller.go_on.set()
        assert {(await one).status_code for one in asked} == {200}
        assert (await client.get(READ, headers=other)).status_code == 200


async def test_an_admin_who_has_taken_its_own_share_can_freeze() -> None:
    caller = Busy()
    app = create_app(caller, gate(caller), Bounds(at_once=8))
    async with client_of(app, bearer(boss := token("admin", subject="boss"))) as client:
        asked = [command(client, boss) for _ in range(2)]
        await until(lambda: caller.running == 2)
        assert_failure(await client.get(READ), 429, "rate_limited")
        assert (await client.post(f"{PREFIX}/freeze", json=FREEZE)).status_code == 200
        caller.go_on.set()
        await asyncio.gather(*asked)


async def test_one_admin_does_not_take_the_kept_places_from_another() -> None:
    caller = Busy(("set_leverage", "get_audit"))
    app = create_app(caller, gate(caller), Bounds(at_once=2))
    async with client_of(app, {}) as client:
        asked = [command(client, token()) for _ in range(2)]
        one, other = (bearer(token("admin", subject=name)) for name in ("one", "other"))
        await until(lambda: caller.running == 2)
        slow = [asyncio.create_task(client.get(f"{PREFIX}/audit", headers=one)) for _ in range(20)]
        await until(lambda: sum(task.done() for task in slow) == 16)
        assert (await client.post(f"{PREFIX}/freeze", json=FREEZE, headers=other)).status_code == 200
        caller.go_on.set()
        await asyncio.gather(*asked, *slow)


async def test_places_given_back_are_free_again_however_a_request_ends() -> None:
    caller = InMemoryCaller()  # knows no answer: a fault
    app = create_app(caller, gate(caller), Bounds(at_once=2))
    async with client_of(app, bearer(token())) as client:
        for _ in range(10):
            assert (await client.get(READ)).status_code == 500
            assert (await client.post(f"{PREFIX}/leverage", json={})).status_code == 400


async def test_a_share_that_is_taken_is_audited() -> None:
    caller = Busy()
    denials = Denials(caller)
    app = create_app(caller, gate(caller, denials=denials), Bounds(at_once=8))
    async with client_of(app, {}) as client:
        asked = [command(client, token(subject="greedy")) for _ in range(4)]
        await until(lambda: sum(one.done() for one in asked) == 2)
        [denial] = denials._counts.take()
        assert (denial.reason, denial.actor, denial.status, denial.count) == ("rate_limit", "greedy", 429, 2)
        caller.go_on.set()
        await asyncio.gather(*asked)


def nameless(number: int) -> str:
    claims = {"role": "trader", "exp": now_ms() // 1000 + 600, "jti": str(number)}
    return jwt.encode(claims, SECRET.get_secret_value(), algorithm="HS256")


async def test_many_tokens_that_name_nobody_have_one_share_and_one_rate() -> None:
    caller = Busy()
    app = create_app(caller, gate(caller), Bounds(at_once=8))
    async with client_of(app, {}) as client:
        asked = [command(client, nameless(number)) for number in range(10)]
        await until(lambda: sum(one.done() for one in asked) == 8)
        assert caller.running == 2
        caller.go_on.set()
        await asyncio.gather(*asked)
    app = create_app(caller, gate(caller, rate="3/day"), Bounds())
    async with client_of(app, {}) as client:
        statuses = [(await client.get(READ, headers=bearer(nameless(number)))).status_code for number in range(6)]
        assert statuses == [200, 200, 200, 429, 429, 429]
        assert (await client.get(READ, headers=bearer(token(subject="ann")))).status_code == 200


@pytest.mark.parametrize("known", [True, False], ids=["keys are known", "no key is known yet"])
async def test_invented_keys_hold_no_places_while_the_provider_is_silent(known: bool) -> None:
    silent, asked_in_vain = asyncio.Event(), asyncio.Event()

    async def says_nothing(_: web.Request) -> web.StreamResponse:
        asked_in_vain.set()
        await silent.wait()
        return web.Response(status=503)

    async with identity_provider(jwk("rsa", "known")) as provider:
        keys = KeySet(provider.url, 300, pause_s=0)
        if known:
            await keys.named("known")
        provider.answer = says_nothing
        caller = Busy()
        async with client_of(create_app(caller, gate(caller, keys=keys), Bounds(at_once=8)), {}) as client:
            invented = [
                asyncio.create_task(
                    client.get(READ, headers={"Authorization": signed("rsa", "RS256", kid=f"invented {number}")})
                )
                for number in range(MOST_WAITING + 50)
            ]
            await asked_in_vain.wait()
            await until(lambda: sum(one.done() for one in invented) == 50)
            assert {one.result().status_code for one in invented if one.done()} == {503}
            if known:
                good = {"Authorization": signed("rsa", "RS256", kid="known")}
                assert (await client.get(READ, headers=good)).status_code == 200
            silent.set()
            await asyncio.gather(*invented)
