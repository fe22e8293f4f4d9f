"""The guardrails of a token: the shim sends them along, and nobody sends others in their place."""

from typing import Any

import jwt
import pytest

from schemas.guardrails import Guardrails
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, LEVERAGE, PREFIX, SECRET, bearer, client_of, gate, now_ms, shim_client
from worker.accounts.guardrails import FORBIDS_ALL, canonical_of
from worker.bus.rpc import BusError, RpcReply
from worker.shim.app import create_app
from worker.shim.auth.claims import ClaimPaths
from worker.shim.auth.tokens import TokenRules, issue_token

DONE: dict[str, RpcReply | BusError] = {"set_leverage": RpcReply(200, b"{}", {})}
CAREFUL = Guardrails(max_leverage=5, operations=("set_leverage",))


def careful() -> str:
    return issue_token(SECRET, role="trader", subject="engine-7", lifetime_s=60, now=now_ms(), guardrails=CAREFUL)


@pytest.mark.parametrize("more", [{}, {"Prefer": "respond-async"}], ids=["waiting", "not waiting"])
async def test_they_go_along_with_each_command(more: dict[str, str]) -> None:
    caller = InMemoryCaller(DONE)
    async with shim_client(caller, **bearer(careful()), **more) as client:
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert [asked.guardrails for asked in caller.asked] == [canonical_of(CAREFUL)]


async def test_a_token_without_any_sends_none_and_a_header_of_the_request_is_none() -> None:
    caller = InMemoryCaller(DONE)
    async with shim_client(caller, guardrails="{}") as client:
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    async with shim_client(caller, **bearer(careful()), guardrails="{}") as client:
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert [asked.guardrails for asked in caller.asked] == [None, canonical_of(CAREFUL)]


SAID: dict[str, tuple[dict[str, Any], str | None]] = {
    "no claim": ({}, None),
    "rules": ({"guardrails": {"max_leverage": 5.0}}, '{"max_leverage":5}'),
    "no rule": ({"guardrails": {}}, "{}"),
    "nothing": ({"guardrails": None}, canonical_of(FORBIDS_ALL)),
    "a text": ({"guardrails": '{"max_leverage": 5}'}, canonical_of(FORBIDS_ALL)),
    "a rule that there is not": ({"guardrails": {"max_levrage": 5}}, canonical_of(FORBIDS_ALL)),
    "a limit that is none": ({"guardrails": {"max_leverage": "5"}}, canonical_of(FORBIDS_ALL)),
}


@pytest.mark.parametrize(("said", "guardrails"), SAID.values(), ids=SAID)
def test_a_claim_that_cant_be_understood_allows_no_command(said: dict[str, Any], guardrails: str | None) -> None:
    assert ClaimPaths().actor(said).guardrails == guardrails
    assert ClaimPaths(guardrails="dma.limits.guardrails").actor({"dma": {"limits": said}}).guardrails == guardrails


async def test_the_claim_can_have_another_name() -> None:
    caller, rules = InMemoryCaller(DONE), TokenRules(claims=ClaimPaths(guardrails="https://dma/limits"))
    claims = {"sub": "ann", "role": "trader", "exp": now_ms() // 1000 + 60, "https://dma/limits": {"max_leverage": 3}}
    token = jwt.encode(claims, SECRET.get_secret_value(), algorithm="HS256")
    async with client_of(create_app(caller, gate(caller, rules=rules), BOUNDS), bearer(token)) as client:
        await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert [asked.guardrails for asked in caller.asked] == ['{"max_leverage":3}']
