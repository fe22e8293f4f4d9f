"""Tokens of an identity provider: its key set is fetched, kept, and fetched again when keys change hands."""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from tests.support.certificates import Authority
from tests.support.identity_provider import IdentityProvider, identity_provider
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, PREFIX, assert_failure, client_of, gate, now_ms
from tests.support.token_keys import claims, jwk, private_key, signed
from worker.bus.rpc import RpcReply
from worker.shim.app import create_app
from worker.shim.auth.jwks import read_key_set
from worker.shim.auth.key_set import KeySet
from worker.shim.auth.keys import ALGORITHMS
from worker.shim.auth.tokens import Denied, Verifier
from worker.shim.kit.envelope import HttpRefusal

OLD, NEW = jwk("rsa", "old"), jwk("rsa", "new", name="2")
BY_OLD, BY_NEW = signed("rsa", "RS256", kid="old"), signed("rsa", "RS256", name="2", kid="new")


class Clock:
    """Passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def keys(provider: IdentityProvider, clock: Clock) -> KeySet:
    return KeySet(provider.url, 300, pause_s=10, clock=clock)


async def accepts(verifier: Verifier, header: str) -> bool:
    try:
        await verifier.actor(header, now_ms())
    except Denied:
        return False
    return True


async def test_the_set_is_fetched_once_for_many_tokens() -> None:
    async with identity_provider(OLD, NEW) as provider:
        verifier = Verifier(keys(provider, Clock()))
        answers = await asyncio.gather(*(accepts(verifier, header) for header in (BY_OLD, BY_NEW) * 20))
    assert (set(answers), provider.fetches) == ({True}, 1)


async def test_a_new_key_is_known_with_the_first_token_that_names_it() -> None:
    async with identity_provider(OLD) as provider:
        clock = Clock()
        verifier = Verifier(keys(provider, clock))
        assert await accepts(verifier, BY_OLD)
        provider.rows = [OLD, NEW]
        clock.seconds += 11
        assert await accepts(verifier, BY_NEW)
        assert await accepts(verifier, BY_OLD)
    assert provider.fetches == 2


async def test_invented_key_names_cannot_flood_the_provider() -> None:
    async with identity_provider(OLD) as provider:
        clock = Clock()
        verifier = Verifier(keys(provider, clock))
        for _ in range(3):
            invented = (signed("rsa", "RS256", kid=f"invented-{number}") for number in range(20))
            assert not any(await asyncio.gather(*(accepts(verifier, header) for header in invented)))
            assert await accepts(verifier, BY_OLD)
            clock.seconds += 11
    assert provider.fetches == 3


async def test_a_key_that_was_taken_back_is_taken_no_more_though_its_tokens_were_known() -> None:
    async with identity_provider(OLD, NEW) as provider:
        key_set = KeySet(provider.url, 0.05, pause_s=0)
        verifier = Verifier(key_set)
        assert await accepts(verifier, BY_OLD)
        refreshing = asyncio.create_task(key_set.run())
        provider.rows = [NEW]
        async with asyncio.timeout(30):
            while await accepts(verifier, BY_OLD):
                await provider.asked_again(provider.fetches)
        assert await accepts(verifier, BY_NEW)
        refreshing.cancel()


FAILING: dict[str, tuple[int, str | None]] = {
    "an error": (500, None),
    "no JSON": (200, "<html>"),
    "no set": (200, "[]"),
    "nothing in it": (200, '{"keys": []}'),
    "only keys of other kinds": (200, json.dumps({"keys": [{"kty": "oct", "k": "a2V5"}, {"kty": "x"}, 7]})),
}


@pytest.mark.parametrize(("status", "body"), FAILING.values(), ids=FAILING)
async def test_while_the_provider_fails_the_last_keys_stay_in_force(status: int, body: str | None) -> None:
    async with identity_provider(OLD) as provider:
        clock = Clock()
        verifier = Verifier(keys(provider, clock))
        assert await accepts(verifier, BY_OLD)
        provider.status, provider.body = status, body
        with capture_logs() as lines:
            for _ in range(3):
                clock.seconds += 11
                assert not await accepts(verifier, BY_NEW)
                assert await accepts(verifier, BY_OLD)
        assert [line["log_level"] for line in lines] == ["error"]
        provider.status, provider.body, provider.rows = 200, None, [NEW]
        clock.seconds += 11
        assert await accepts(verifier, BY_NEW)
    assert not await accepts(verifier, BY_OLD)


async def test_a_provider_that_is_gone_changes_nothing() -> None:
    async with identity_provider(OLD) as provider:
        clock = Clock()
        verifier = Verifier(keys(provider, clock))
        assert await accepts(verifier, BY_OLD)
    clock.seconds += 11
    assert not await accepts(verifier, BY_NEW)
    assert await accepts(verifier, signed("rsa", "RS256", kid="old", sub="another"))


STATUS = json.dumps(
    {
        "data": {
            **{"worker": "w", "ready": True, "ledger_writes": True, "outbox": 0, "accounts": 1},
            "venues": [
                {
                    **{"exchange": "okx", "health": "up", "markets_loaded": True, "since": 1, "reason": None},
                    "snapshot_interval_ms": 10_000,
                },
            ],
        }
    }
).encode()


async def test_before_the_first_keys_a_request_is_told_to_come_again_and_is_no_denial() -> None:
    async with identity_provider(OLD) as provider:
        provider.status = 503
        clock = Clock()
        caller = InMemoryCaller({"get_positions": RpcReply(200, b"{}", {})})
        keeper = gate(caller, keys=keys(provider, clock))
        caller.answers["get_status"] = RpcReply(200, STATUS, {})
        async with client_of(create_app(caller, keeper, BOUNDS), {"Authorization": BY_OLD}) as client:
            unready = await client.get("/readyz")
            assert (unready.status_code, "PERPS_DMA_JWT_JWKS_URL" in unready.json()["reason"]) == (503, True)
            asks = f"{PREFIX}/positions?exchange_account_id=a"
            response = await client.get(asks)
            assert_failure(response, 503, "keys_unavailable")
            assert int(response.headers["retry-after"]) > 0
            provider.status = 200
            clock.seconds += 11
            assert (await client.get(asks)).status_code == 200
            assert (await client.get("/readyz")).status_code == 200


async def test_a_provider_must_show_a_certificate_that_somebody_known_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("provider")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.cert, pair.key)
    async with identity_provider(OLD, tls=tls) as provider:
        with pytest.raises(HttpRefusal, match="has not told its keys yet"):
            await Verifier(keys(provider, Clock())).actor(BY_OLD, now_ms())
        assert provider.fetches == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.cert))
        assert await accepts(Verifier(keys(provider, Clock())), BY_OLD)


SECRET_ROW = {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"i" * 48).decode()}
PRIVATE_ROW = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private_key("p256"))), "kid": "private"}
ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "a secret in a public place": (
        SECRET_ROW,
        f"Bearer {jwt.encode(claims(), b'i' * 48, algorithm='HS256', headers={'kid': 'secret'})}",
    ),
    "a private key in a public place": (PRIVATE_ROW, signed("p256", "ES256", kid="private")),
    "a key for encryption": (jwk("p256", "1", use="enc"), signed("p256", "ES256", kid="1")),
    "a key that only signs": (jwk("p256", "1", key_ops=["sign"]), signed("p256", "ES256", kid="1")),
    "a key for another algorithm": (jwk("rsa", "1", alg="RS512"), signed("rsa", "RS256", kid="1")),
    "the name of another key": (jwk("p256", "1"), signed("p256", "ES256", kid="old")),
}


@pytest.mark.parametrize(("row", "header"), ROWS.values(), ids=ROWS)
async def test_a_row_checks_only_what_it_is_for(row: dict[str, Any], header: str) -> None:
    async with identity_provider(OLD, row) as provider:
        verifier = Verifier(keys(provider, Clock()))
        assert not await accepts(verifier, header)
        assert await accepts(verifier, BY_OLD)


STRANGE: tuple[Any, ...] = (None, 5, -1.5, True, "", "AA", "!!!", "\u00e9", [], ["sign"], {})


@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
def test_a_strange_row_spoils_no_other(kind: str) -> None:
    row = jwk(kind, "strange")
    for field in (*row, "alg", "use", "key_ops", "d"):
        for value in STRANGE:
            content = json.dumps({"keys": [{**row, field: value}, OLD]}).encode()
            assert read_key_set(content, ALGORITHMS).keys[-1].name == "old"


async def test_without_names_every_key_is_tried() -> None:
    async with identity_provider(OLD, jwk("p256", None)) as provider:
        verifier = Verifier(keys(provider, Clock()))
        for header in (signed("rsa", "RS256"), signed("p256", "ES256"), signed("p256", "ES256", kid="whatever")):
            assert await accepts(verifier, header)


async def test_a_provider_that_is_not_there_is_a_refusal_and_no_fault() -> None:
    with pytest.raises(HttpRefusal, match="has not told its keys yet"):
        await Verifier(KeySet("http://127.0.0.1:1/keys", 300)).actor(BY_OLD, now_ms())
