"""Whatever an identity provider answers, or stands in a file of keys: the last keys stay in force, and nothing ends."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.support.identity_provider import identity_provider
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, PREFIX, client_of, gate, now_ms
from tests.support.token_keys import jwk, public_file, public_pem, signed
from worker.bus.rpc import RpcReply
from worker.runtime.background import in_background
from worker.runtime.errors import ConfigurationError
from worker.shim.app import create_app
from worker.shim.auth.jwks import LARGEST_SET, MOST_NAMED, MOST_ROWS, read_key_set
from worker.shim.auth.key_set import KeySet
from worker.shim.auth.keys import ALGORITHMS, PublicKeyFile, read_public_keys
from worker.shim.auth.tokens import Denied, Verifier

GOOD = jwk("rsa", "good")
BY_GOOD = signed("rsa", "RS256", kid="good")
DEEP = 100_000


def nested(depth: int = DEEP) -> str:
    return "[" * depth + "]" * depth


def as_set(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"keys": [*rows], **more}).encode()


@cache
def bomb(of: int = 50_000_000) -> bytes:
    return gzip.compress(b'{"keys": [' + b" " * of + b"]}")


def says(body: bytes, **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def explodes(_: web.Request) -> web.StreamResponse:
    return web.Response(body=bomb(), headers={"Content-Encoding": "gzip"})


def without_end(part: bytes, pause_s: float = 0.0) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(part)
                await asyncio.sleep(pause_s)
        except ConnectionError:
            return response

    return answer


ODD: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
    "nested without end": says(nested().encode()),
    "objects in objects": says(('{"keys":' * DEEP + "1" + "}" * DEEP).encode()),
    "nested inside a row": says(b'{"keys": [{"kty": "RSA", "n": ' + nested().encode() + b"}]}"),
    "only a row without algorithm": says(as_set({**GOOD, "alg": "none"})),
    "too large": says(as_set(GOOD, more="m" * LARGEST_SET)),
    "without end": without_end(b" " * 65_536),
    "a bomb": explodes,
    "an encoding that is not so": says(as_set(GOOD), Content_Encoding="gzip"),
    "half an archive": says(gzip.compress(as_set(GOOD))[:40], Content_Encoding="gzip"),
    "an unknown encoding": says(as_set(GOOD), Content_Encoding="br"),
    "bytes that are no text": says(b'{"keys": ["\xff\xfe"]}'),
    "nothing": says(b""),
    "a number": says(b"9" * 5_000),
    "null": says(b"null"),
    "keys that are an object": says(b'{"keys": {"a": 1}}'),
    "a redirect": says(b"", Location="/elsewhere"),
}


async def accepts(verifier: Verifier, header: str = BY_GOOD) -> bool:
    try:
        await verifier.actor(header, now_ms())
    except Denied:
        return False
    return True


def fresh(number: int) -> str:
    """A token that was never seen."""
    return signed("rsa", "RS256", kid="good", jti=str(number))


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
async def test_an_odd_answer_ends_nothing_and_the_last_keys_stay_in_force(answer: Any) -> None:
    async with identity_provider(GOOD) as provider:
        key_set = KeySet(provider.url, 0.02, pause_s=0)
        verifier = Verifier(key_set)
        assert await accepts(verifier)
        provider.answer = answer
        with capture_logs() as lines:
            async with in_background(key_set.run()):
                for number in range(3):
                    await provider.asked_again(provider.fetches)
                    assert await accepts(verifier, fresh(number))
        assert [line["log_level"] for line in lines] == ["error"]
        assert len(lines[0]["error"]) < 1_000


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
async def test_at_the_start_it_is_not_ready_and_goes_on_trying(answer: Any) -> None:
    async with identity_provider(GOOD) as provider:
        provider.answer = answer
        key_set = KeySet(provider.url, 0.02, pause_s=0)
        caller = InMemoryCaller({"get_positions": RpcReply(200, b"{}", {})})
        app = create_app(caller, gate(caller, keys=key_set), BOUNDS)
        async with in_background(key_set.run()), client_of(app, {"Authorization": BY_GOOD}) as client:
            asks = f"{PREFIX}/positions?exchange_account_id=a"
            assert (await client.get(asks)).status_code == 503
            provider.answer = None
            async with asyncio.timeout(20):
                while (await client.get(asks)).status_code != 200:  # noqa: ASYNC110 - nothing tells us
                    await asyncio.sleep(0.02)


async def test_an_answer_that_drips_is_waited_for_no_longer() -> None:
    async with identity_provider(GOOD) as provider:
        provider.answer = without_end(b" ", pause_s=0.05)
        with capture_logs() as lines:
            assert not await Verifier(KeySet(provider.url, 300, fetch_s=0.3)).has_keys()
        assert lines[0]["error"] == "no whole answer within 0.3 s"


@pytest.mark.parametrize("packed", [gzip.compress(as_set(GOOD)), zlib.compress(as_set(GOOD))], ids=["gzip", "deflate"])
async def test_a_set_that_comes_packed_though_nobody_asked_is_read(packed: bytes) -> None:
    async with identity_provider() as provider:
        encoding = "gzip" if packed[:2] == b"\x1f\x8b" else "deflate"
        provider.answer = says(packed, Content_Encoding=encoding)
        assert await accepts(Verifier(KeySet(provider.url, 300)))


ODD_ROWS: dict[str, tuple[Any, str]] = {
    "no algorithm": ({**GOOD, "kid": "a", "alg": "none"}, "kid 'a': its `alg` is none that is taken"),
    "another": ({**GOOD, "kid": "a", "alg": "HS256"}, "kid 'a': it can't be read"),
    "an algorithm that is a list": ({**GOOD, "kid": "a", "alg": ["RS256"]}, "kid 'a': it can't be read (TypeError)"),
    "no object": (7, "row 0: it is no JSON object"),
    "a name that is no text": ({**GOOD, "kid": 5}, "row 0: its `kid` is no text"),
    "a name that nobody can write": ({**GOOD, "kid": "\ud800\n", "alg": "none"}, "kid '\\ud800\\n': its `alg`"),
    "a long name": ({**GOOD, "kid": "k" * 10_000, "alg": "none"}, f"kid '{'k' * 80}': its `alg`"),
    "a secret": ({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}, "kid 'a': it is of another kind"),
    "a private key": ({**GOOD, "kid": "a", "d": "AQAB"}, "kid 'a': it is a private key in a public place"),
    "a short key": (jwk("rsa", "a", n="w" * 100), "kid 'a': it is too short"),
    "a key as long as can be": (jwk("rsa", "a", n="w" * 200_000), "kid 'a': its numbers are too long"),
    "an exponent of nothing": (jwk("rsa", "a", e="AA"), "kid 'a': it can't be read"),
    "a point beside the curve": (jwk("p256", "a", x="AAAA"), "kid 'a': it can't be read"),
    "an unknown curve": (jwk("p256", "a", crv="P-0"), "kid 'a': it can't be read"),
    "a use that is a list": ({**GOOD, "kid": "a", "use": ["sig"]}, "kid 'a': its `use` or `key_ops`"),
    "numbers that are objects": ({**GOOD, "kid": "a", "n": {"a": 1}}, "kid 'a': it can't be read"),
}


@pytest.mark.parametrize(("row", "told"), ODD_ROWS.values(), ids=ODD_ROWS)
async def test_an_odd_row_is_left_out_and_named_beside_a_good_one(row: Any, told: str) -> None:
    async with identity_provider(row, GOOD) as provider:
        key_set = KeySet(provider.url, 300, pause_s=0)
        with capture_logs() as lines:
            assert await accepts(Verifier(key_set))
            for number in range(3):
                assert not await accepts(Verifier(key_set), signed("rsa", "RS256", kid=f"unknown {number}"))
        warnings = [line for line in lines if line["log_level"] == "warning"]
        assert [len(line["rows"]) for line in warnings] == [1]
        assert warnings[0]["rows"][0].startswith(told)
        assert "c2VjcmV0" not in str(lines)


def test_very_many_rows_cost_a_bounded_time_and_line() -> None:
    found = read_key_set(as_set(GOOD, *({"kty": "none"} for _ in range(5_000))), ALGORITHMS)
    assert [key.name for key in found.keys] == ["good"]
    assert len(found.left_out) == MOST_NAMED + 2
    assert found.left_out[-1] == f"{5_001 - MOST_ROWS} rows beyond the first {MOST_ROWS}"


VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, "", "none", "\ud800", "=", "A" * 5_000),
    *([], [[]], {}, ["verify", 7], {"a": {}}, json.loads(nested(500))),
)


@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
def test_no_value_of_any_field_spoils_another_row(kind: str) -> None:
    row = jwk(kind, "strange")
    for field in (*row, "alg", "use", "key_ops", "d", "k", "x5c", "crv", "p", "q", "oth"):
        for value in VALUES:
            assert read_key_set(as_set({**row, field: value}, GOOD), ALGORITHMS).keys[-1].name == "good", (field, value)


async def test_the_same_keys_in_another_order_of_fields_are_no_others() -> None:
    async with identity_provider(GOOD) as provider:
        key_set = KeySet(provider.url, 300, pause_s=0)
        await key_set.named("good")
        before = key_set.version()
        provider.rows = [dict(reversed(GOOD.items()))]
        await key_set.named("another")
        assert (provider.fetches, key_set.version()) == (2, before)


FILES: dict[str, bytes] = {
    "endless": public_pem("rsa") * 3_000,
    "of begins alone": b"-----BEGIN PUBLIC KEY-----\n" * 30_000,
    "of bytes": bytes(range(256)) * 100,
    "a damaged key": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "a damaged certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "of another kind": b"-----BEGIN PUBLIC KEY-----\nMAwwBwYDK2VwBQADAQA=\n-----END PUBLIC KEY-----\n",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
async def test_an_odd_file_is_refused_at_the_start_and_later_the_last_keys_stay(tmp_path: Path, content: bytes) -> None:
    file = public_file(tmp_path, "rsa")
    verifier = Verifier(PublicKeyFile(file))
    file.write_bytes(content)
    with capture_logs() as lines:
        assert await accepts(verifier, signed("rsa", "RS256"))
    assert [line["log_level"] for line in lines] == ["error"]
    with pytest.raises(ConfigurationError, match="PERPS_DMA_JWT_PUBLIC_KEY"):
        read_public_keys(file)
