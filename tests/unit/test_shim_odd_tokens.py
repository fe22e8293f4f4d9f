"""Whatever a token holds, signed or not: it is good, or denied and audited, and never a fault."""

import base64
import json
from typing import Any

import jwt
import pytest

from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, PREFIX, SECRET, assert_failure, bearer, client_of, gate, now_ms
from worker.bus.rpc import RpcReply
from worker.shim.app import create_app
from worker.shim.auth.denials import Denials

READ = f"{PREFIX}/positions?exchange_account_id=a"
GOOD = {"sub": "engine-7", "role": "trader", "exp": now_ms() // 1000 + 3_600}
HEAD = {"alg": "HS256", "typ": "JWT"}
LONE = '"\\ud800"'


def encoded(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: str | bytes, head: str | bytes | None = None) -> str:
    """A token whose parts are whatever they are, signed with our secret."""
    parts = f"{encoded(json.dumps(HEAD) if head is None else head)}.{encoded(payload)}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        parts.encode(), SECRET.get_secret_value().encode()
    )
    return f"{parts}.{encoded(signature)}"


def with_claims(said: dict[str, str]) -> str:
    """A payload with claims in raw JSON beside the good ones."""
    kept = [f"{json.dumps(name)}:{json.dumps(value)}" for name, value in GOOD.items() if name not in said]
    return "{" + ",".join([*kept, *(f"{json.dumps(name)}:{value}" for name, value in said.items())]) + "}"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


SUBJECTS = {
    "a lone surrogate": LONE,
    "one within a text": '"engine\\udc00-7"',
    "a number": "7",
    "a list": '["engine-7"]',
    "an object": '{"a": 1}',
    "null": "null",
    "true": "true",
    "nothing": '""',
    "a long one": json.dumps("e" * 201),
    "a line break": '"engine\\n7"',
    "a zero": '"engine\\u0000"',
    "an escape": '"\\u001b[31m"',
    "a mark that turns the line": '"\\u202eengine"',
}
TIMES = {
    "infinity": "1e400",
    "Infinity": "Infinity",
    "NaN": "NaN",
    "a list": "[9999999999]",
    "true": "true",
    "null": "null",
    "text": '"soon"',
    "a very large number": "9" * 5_000,
    "an object": "{}",
}
PAYLOADS: dict[str, str | bytes] = {
    **{f"sub: {name}": with_claims({"sub": value}) for name, value in SUBJECTS.items()},
    **{f"exp: {name}": with_claims({"exp": value}) for name, value in TIMES.items()},
    **{f"nbf: {name}": with_claims({"nbf": TIMES[name]}) for name in ("infinity", "NaN", "a list", "null", "text")},
    **{f"iat: {name}": with_claims({"iat": TIMES[name]}) for name in ("infinity", "NaN", "a list", "null", "text")},
    **{
        f"{name}: a lone surrogate": with_claims({name: LONE})
        for name in ("role", "accounts", "iss", "aud", "jti", "name")
    },
    "accounts: one among others": with_claims({"accounts": f'["a", {LONE}]'}),
    "a name that is none": "{" + LONE + ':1,"exp":9999999999,"role":"trader"}',
    "an audience of objects": with_claims({"aud": '[{"a": 1}]'}),
    "jti: a number": with_claims({"jti": "7"}),
    **{f"nested {depth} deep": with_claims({"more": nested(depth)}) for depth in (1_500, 10_000)},
    "nested and nothing else": nested(10_000),
    "a list": "[1]",
    "no JSON": "{",
    "no text": b"\xff\xfe{}",
    "nothing": "",
}
HEADS: dict[str, str | bytes] = {
    "nested": nested(10_000),
    "a key by number": '{"alg":"HS256","kid":7}',
    "a key of a surrogate": '{"alg":"HS256","kid":' + LONE + "}",
    "an algorithm of many": '{"alg":["HS256"]}',
    "an algorithm of none": '{"alg":null}',
    "no algorithm": '{"alg":"none"}',
    "what must be understood": '{"alg":"HS256","crit":["more"],"more":1}',
    "a payload elsewhere": '{"alg":"HS256","b64":false,"crit":["b64"]}',
    "a list": "[]",
    "no text": b"\xff",
    "a number without end": '{"alg":"HS256","more":' + "9" * 10_000 + "}",
}
ODD = {
    **{f"payload, {name}": signed(payload) for name, payload in PAYLOADS.items()},
    **{f"head, {name}": signed(json.dumps(GOOD), head) for name, head in HEADS.items()},
    "dots": "." * 10_000,
    "no base64": "*.*.*",
    "letters of no alphabet": "é.é.é",
}


@pytest.mark.parametrize("token", ODD.values(), ids=ODD)
async def test_an_odd_token_is_401_and_audited(token: str) -> None:
    caller = InMemoryCaller({"report_denials": RpcReply(200, b'{"data":{"recorded":1}}', {})})
    denials = Denials(caller)
    headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
    async with client_of(create_app(caller, gate(caller, denials=denials), BOUNDS), {}) as client:
        response = await client.get(READ, headers=headers)  # type: ignore[arg-type]
    assert_failure(response, 401, "unauthorized")
    await denials.tell(1_000)
    [report] = [json.loads(asked.body) for asked in caller.asked]
    [denial] = report["denials"]
    reason = "expired_token" if token == ODD["payload, exp: true"] else "invalid_token"
    assert (denial["reason"], denial["actor"], denial["count"]) == (reason, None, 1)


DEEP = nested(1_020)
"""As deep as orjson reads. Python reads it from 3.12 on, and gives up before."""
DEEP_TOKENS = {
    "payload": signed(with_claims({"more": DEEP})),
    "head": signed(json.dumps(GOOD), '{"alg":"HS256","more":' + DEEP + "}"),
}


def is_readable(text: str) -> bool:
    try:
        return bool(json.loads(text))
    except RecursionError:
        return False


@pytest.mark.parametrize("token", DEEP_TOKENS.values(), ids=DEEP_TOKENS)
async def test_a_token_nested_as_deep_as_may_be_is_good_where_python_reads_it(token: str) -> None:
    caller = InMemoryCaller({"get_positions": RpcReply(200, b"{}", {})})
    async with client_of(create_app(caller, gate(caller), BOUNDS), bearer(token)) as client:
        response = await client.get(READ)
    assert response.status_code == (200 if is_readable(DEEP) else 401)


GOOD_ONES = {
    "as it should be": (json.dumps(GOOD), "engine-7"),
    "letters of the world": (with_claims({"sub": '"Zo\\u00eb \\ud83d\\ude00"'}), "Zoë 😀"),
    "as long as can be": (with_claims({"sub": json.dumps("e" * 200)}), "e" * 200),
    "nobody": ('{"role":"trader","exp":9999999999}', None),
    "an end with a fraction": (with_claims({"exp": "9999999999.5"}), "engine-7"),
    "nested as one may": (with_claims({"more": nested(500)}), "engine-7"),
}


@pytest.mark.parametrize(("payload", "subject"), GOOD_ONES.values(), ids=GOOD_ONES)
async def test_a_good_one_is_good(payload: str, subject: str | None) -> None:
    caller = InMemoryCaller({"get_positions": RpcReply(200, b"{}", {})})
    async with client_of(create_app(caller, gate(caller), BOUNDS), bearer(signed(payload))) as client:
        assert (await client.get(READ)).status_code == 200
    assert [asked.actor for asked in caller.asked] == [subject]


ROLES = {"a list": '["trader", 7, {}, null]', "a number": "7", "an object": '{"trader": true}', "deep": nested(400)}


@pytest.mark.parametrize("roles", ROLES.values(), ids=ROLES)
async def test_roles_of_any_shape_are_understood_or_refused(roles: str) -> None:
    caller = InMemoryCaller({"get_positions": RpcReply(200, b"{}", {})})
    payload = with_claims({"role": '""', "roles": roles, "accounts": roles})
    async with client_of(create_app(caller, gate(caller), BOUNDS), bearer(signed(payload))) as client:
        assert (await client.get(READ)).status_code == 403


TEXTS = ("%ed%a0%80", "%ff", "%00", "%0a", "a" * 4_000, "%f0%9f%98%80", "%e2%80%ae")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
async def test_odd_text_in_a_request_is_no_fault_either(text: str) -> None:
    answers: dict[str, Any] = {"report_denials": RpcReply(200, b'{"data":{"recorded":1}}', {})}
    caller = InMemoryCaller(
        {**answers, "get_positions": RpcReply(200, b"{}", {}), "get_command": RpcReply(404, b"{}", {})}
    )
    denials = Denials(caller)
    headers = bearer(signed(with_claims({"accounts": '["mine"]'})))
    async with client_of(create_app(caller, gate(caller, denials=denials), BOUNDS), headers) as client:
        for path in (f"/positions?exchange_account_id={text}", f"/positions?{text}={text}", f"/commands/{text}"):
            assert (await client.get(PREFIX + path)).status_code in {400, 403, 404}
        body = b'{"exchange_account_id": "\\ud800", "symbol": "\\udfff", "leverage": 10}'
        posted = await client.post(f"{PREFIX}/leverage", content=body, headers={"Content-Type": "application/json"})
        assert posted.status_code == 400
    await denials.tell(1_000)
