"""Who may call an operation."""

import base64
import json
from typing import Any

import jwt
import pytest

from schemas import HTTP_PREFIXES, ROUTES, Operation
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import LEVERAGE, PREFIX, SECRET, assert_failure, bearer, now_ms, shim_client, token
from worker.bus.rpc import RpcReply
from worker.shim.auth.keys import SharedSecret
from worker.shim.auth.tokens import Denied, Verifier

DONE = RpcReply(200, b'{"isError":false}', {})
LATER = now_ms() // 1000 + 3_600


def signed(claims: dict[str, Any], key: str = SECRET.get_secret_value(), algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])


INVALID_TOKENS = {
    "expired": token(now=now_ms() - 3_600_000),
    "forged": signed({"role": "admin", "exp": LATER}, key="somebody else's secret, 32 bytes or more"),
    "unsigned": unsigned({"role": "admin", "exp": LATER}),
    "another algorithm": signed(
        {"role": "admin", "exp": LATER}, key=SECRET.get_secret_value().ljust(64), algorithm="HS512"
    ),
    "endless": signed({"role": "admin"}),
    "nonsense": "nonsense",
    "cut": token()[:-3],
}


@pytest.mark.parametrize("name", INVALID_TOKENS)
async def test_an_invalid_token_is_401_and_reaches_no_bus(name: str) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE, headers=bearer(INVALID_TOKENS[name]))
    body = assert_failure(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == 'Bearer realm="perps-dma", error="invalid_token"'
    assert "perps-dma token" in body["message"]
    assert INVALID_TOKENS[name] not in response.text
    assert caller.asked == []


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic dHJhZGVyOng=", token()])
async def test_no_bearer_token_is_401_and_says_how_to_get_one(authorization: str) -> None:
    caller = InMemoryCaller()
    async with shim_client(caller, Authorization=authorization) as client:
        response = await client.get(f"{PREFIX}/positions", params={"exchange_account_id": "a"})
    assert "Authorization: Bearer" in assert_failure(response, 401, "unauthorized")["message"]
    assert response.headers["www-authenticate"] == 'Bearer realm="perps-dma"'
    assert caller.asked == []


@pytest.mark.parametrize(
    "claims", [{"role": "viewer"}, {"role": "auditor"}, {"roles": ["auditor", 7]}, {"roles": {}}, {"role": 1}, {}]
)
async def test_any_other_role_is_403(claims: dict[str, Any]) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller, **bearer(signed({**claims, "exp": LATER}))) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert "admin or trader" in assert_failure(response, 403, "forbidden")["message"]
    assert caller.asked == []


@pytest.mark.parametrize("claims", [{"role": "trader"}, {"role": "admin"}, {"roles": ["viewer", "trader"]}])
async def test_traders_and_admins_get_through(claims: dict[str, Any]) -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller, **bearer(signed({**claims, "exp": LATER}))) as client:
        response = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert response.status_code == 200
    assert [asked.actor for asked in caller.asked] == [None]


@pytest.mark.parametrize("operation", [row for row in ROUTES if "trader" not in row.roles], ids=lambda row: row.name)
async def test_a_trader_may_neither_freeze_nor_read_the_audit(operation: Operation) -> None:
    caller = InMemoryCaller({operation.name: DONE})
    async with shim_client(caller) as client:
        response = await client.request(operation.method, PREFIX + operation.path)
    assert "needs the role admin" in assert_failure(response, 403, "forbidden")["message"]
    assert caller.asked == []


async def test_the_subject_of_the_token_is_the_actor_of_the_request() -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with shim_client(caller) as client:
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert [asked.actor for asked in caller.asked] == ["engine-7"]


async def test_a_token_that_was_good_is_refused_once_it_has_expired() -> None:
    header = f"Bearer {token()}"
    verifier = Verifier(SharedSecret(SECRET))
    assert (await verifier.actor(header, now_ms())).subject == "engine-7"
    with pytest.raises(Denied, match="expired"):
        await verifier.actor(header, now_ms() + 3_000_000)


@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
@pytest.mark.parametrize("operation", ROUTES, ids=lambda row: row.name)
async def test_no_operation_is_open(operation: Operation, prefix: str) -> None:
    caller = InMemoryCaller()
    async with shim_client(caller, Authorization="") as client:
        response = await client.request(operation.method, prefix + operation.path)
    assert_failure(response, 401, "unauthorized")
