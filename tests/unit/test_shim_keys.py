"""Which keys check which tokens, and what a token must say."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.support.certificates import Authority
from tests.support.shim_client import now_ms
from tests.support.token_keys import claims, private_pem, public_file, public_pem, signed
from worker.config.locations import jwt_secret
from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError
from worker.shim.auth.claims import ClaimPaths
from worker.shim.auth.key_set import KeySet
from worker.shim.auth.keys import PublicKeyFile, SharedSecret
from worker.shim.auth.tokens import Denied, TokenRules, Verifier
from worker.shim.server import keys_of

LONG = SecretStr("k" * 64)

SIGNED = [
    *(("rsa", name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    *(("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("ed25519", "EdDSA"), ("ed448", "EdDSA")),
]


def settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings(state=tmp_path, **{"jwt_secret": None, **more})


def secretly(secret: SecretStr = LONG, algorithm: str = "HS256", **more: Any) -> str:
    return f"Bearer {jwt.encode(claims(**more), secret.get_secret_value(), algorithm=algorithm)}"


async def denied(verifier: Verifier, header: str, at: int | None = None) -> str:
    """Why a token is denied."""
    with pytest.raises(Denied) as refusal:
        await verifier.actor(header, now_ms() if at is None else at)
    assert refusal.value.envelope.statusCode == 401
    return refusal.value.envelope.message


@pytest.mark.parametrize(("kind", "algorithm"), SIGNED)
async def test_a_public_key_checks_what_its_private_key_signed(tmp_path: Path, kind: str, algorithm: str) -> None:
    verifier = Verifier(PublicKeyFile(public_file(tmp_path, kind)))
    actor = await verifier.actor(signed(kind, algorithm), now_ms())
    assert (actor.subject, set(actor.roles)) == ("engine-7", {"trader"})
    assert "not one of ours" in await denied(verifier, signed(kind, algorithm, name="2"))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_long_secret_checks_each_hmac(algorithm: str) -> None:
    assert (await Verifier(SharedSecret(LONG)).actor(secretly(algorithm=algorithm), now_ms())).subject == "engine-7"


async def test_a_secret_that_is_shorter_than_a_hash_does_not_check_it() -> None:
    short = SecretStr("k" * 32)
    assert (await Verifier(SharedSecret(short)).actor(secretly(short), now_ms())).subject == "engine-7"
    with pytest.raises(ConfigurationError, match="32 bytes checks none of HS512"):
        SharedSecret(short, frozenset({"HS512"}))


def signed_with_the_public_key(pem: bytes) -> str:
    """The old attack: the public key, which everybody has, taken for a secret."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims(role="admin")]
    head = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(pem, head, hashlib.sha256)).rstrip(b"=")
    return f"Bearer {(head + b'.' + signature).decode()}"


async def test_a_public_key_is_never_taken_for_a_secret_nor_a_secret_for_a_public_key(tmp_path: Path) -> None:
    public = Verifier(PublicKeyFile(public_file(tmp_path, "rsa")))
    assert "not one of ours" in await denied(public, signed_with_the_public_key(public_pem("rsa")))
    assert "not one of ours" in await denied(Verifier(SharedSecret(LONG)), signed("rsa", "RS256"))


async def test_a_token_of_the_wrong_curve_is_refused(tmp_path: Path) -> None:
    assert "not one of ours" in await denied(
        Verifier(PublicKeyFile(public_file(tmp_path, "p384"))), signed("p256", "ES256")
    )


async def test_algorithms_can_be_narrowed(tmp_path: Path) -> None:
    narrowed = settings(tmp_path, jwt_public_key=public_file(tmp_path, "rsa"), jwt_algorithms="PS256, ES256")
    verifier = Verifier(keys_of(narrowed))
    assert (await verifier.actor(signed("rsa", "PS256"), now_ms())).subject == "engine-7"
    assert "not one of ours" in await denied(verifier, signed("rsa", "RS256"))


async def test_a_file_may_hold_several_keys_while_they_change_hands(tmp_path: Path) -> None:
    file = tmp_path / "public.pem"
    file.write_bytes(public_pem("rsa") + public_pem("rsa", name="2") + public_pem("ed25519"))
    verifier = Verifier(PublicKeyFile(file))
    for header in (signed("rsa", "RS256"), signed("rsa", "RS256", name="2"), signed("ed25519", "EdDSA")):
        assert (await verifier.actor(header, now_ms())).subject == "engine-7"


async def test_a_certificate_is_as_good_as_its_key(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("signer")
    token = jwt.encode(claims(), pair.key.read_bytes(), algorithm="ES256")
    verifier = Verifier(PublicKeyFile(pair.cert))
    assert (await verifier.actor(f"Bearer {token}", now_ms())).subject == "engine-7"


def exchange(file: Path, content: bytes) -> None:
    """As Kubernetes does it: another file under the same name."""
    draft = file.with_suffix(".new")
    draft.write_bytes(content)
    os.replace(draft, file)


async def test_a_key_that_is_exchanged_takes_the_old_tokens_with_it(tmp_path: Path) -> None:
    file = public_file(tmp_path, "p256")
    verifier, old, new = Verifier(PublicKeyFile(file)), signed("p256", "ES256"), signed("p256", "ES256", name="2")
    assert (await verifier.actor(old, now_ms())).subject == "engine-7"
    exchange(file, public_pem("p256", name="2"))
    assert "not one of ours" in await denied(verifier, old)
    assert (await verifier.actor(new, now_ms())).subject == "engine-7"


@pytest.mark.parametrize(
    "broken", [b"", b"nonsense", public_pem("p256")[:90], None], ids=["empty", "text", "cut", "gone"]
)
async def test_where_the_new_file_is_broken_the_old_key_stays_in_force(tmp_path: Path, broken: bytes | None) -> None:
    file = public_file(tmp_path, "p256")
    verifier, header = Verifier(PublicKeyFile(file)), signed("p256", "ES256")
    if broken is None:
        file.unlink()
    else:
        exchange(file, broken)
    assert (await verifier.actor(header, now_ms())).subject == "engine-7"
    exchange(file, public_pem("p256", name="2"))
    assert "not one of ours" in await denied(verifier, header)


UNUSABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "holds no key in PEM"),
    "a private key": (lambda: private_pem("p256"), "holds a private key; only the public one belongs here"),
    "a short key": (lambda: public_pem("short rsa"), "checks none of"),
    "a curve nobody signs tokens with": (lambda: public_pem("secp256k1"), "checks none of"),
    "a kind nobody signs tokens with": (lambda: public_pem("dsa"), "checks none of"),
    "a damaged key": (lambda: public_pem("p256").replace(b"M", b"N"), "holds a damaged PUBLIC KEY"),
}


@pytest.mark.parametrize(("content", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cant_be_used_is_said_at_the_start(
    tmp_path: Path, content: Callable[[], bytes], problem: str
) -> None:
    file = tmp_path / "public.pem"
    file.write_bytes(content())
    with pytest.raises(ConfigurationError, match=problem) as error:
        keys_of(settings(tmp_path, jwt_public_key=file))
    assert "PERPS_DMA_JWT_PUBLIC_KEY" in str(error.value)


def test_a_file_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read: No such file"):
        keys_of(settings(tmp_path, jwt_public_key=tmp_path / "none.pem"))


TWO = {
    "secret and file": {"jwt_secret": LONG, "jwt_public_key": "key.pem"},
    "secret and set": {"jwt_secret": LONG, "jwt_jwks_url": "https://id.example/keys"},
    "file and set": {"jwt_public_key": "key.pem", "jwt_jwks_url": "https://id.example/keys"},
}


@pytest.mark.parametrize("two", TWO.values(), ids=TWO)
def test_two_ways_to_check_tokens_are_one_too_many(tmp_path: Path, two: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="exclude one another: tokens are checked in one way"):
        keys_of(settings(tmp_path, **two))


def test_without_any_the_shim_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to check tokens with: set PERPS_DMA_JWT_SECRET"):
        keys_of(settings(tmp_path))


@pytest.mark.parametrize("secret", ["", "changeme", "k" * 31])
def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path, secret: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"PERPS_DMA_JWT_SECRET: a secret of {len(secret)} bytes can be guessed"
    ):
        keys_of(settings(tmp_path, jwt_secret=SecretStr(secret)))
    (tmp_path / "jwt.secret").write_text(secret)
    with pytest.raises(ConfigurationError, match="can be guessed"):
        keys_of(settings(tmp_path))


def test_an_algorithm_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    for name in ("none", "HS1", "RS256,none"):
        with pytest.raises(ConfigurationError, match="is not among ES256, "):
            keys_of(settings(tmp_path, jwt_secret=LONG, jwt_algorithms=name))


def test_no_token_is_made_where_others_sign_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ask your identity provider"):
        jwt_secret(settings(tmp_path, jwt_jwks_url="https://id.example/keys"))


@pytest.mark.parametrize(
    "url", ["http://id.example/keys", "http://10.0.0.1/keys", "ftp://id.example", "https://", "keys"]
)
def test_a_key_set_is_fetched_over_https_or_from_this_machine(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError, match="must be an https:// URL"):
        settings(tmp_path, jwt_jwks_url=url)


@pytest.mark.parametrize("url", ["https://id.example/keys", "http://127.0.0.1:1/keys", "http://localhost/keys"])
def test_these_can_be_a_key_set(tmp_path: Path, url: str) -> None:
    assert isinstance(keys_of(settings(tmp_path, jwt_jwks_url=url)), KeySet)


RULES = TokenRules(issuer="https://id.example", audience="perps-dma", leeway_s=10)
LENIENT = replace(RULES, leeway_s=120)
GOOD = {"iss": "https://id.example", "aud": "perps-dma"}


def in_seconds(seconds: int) -> int:
    return now_ms() // 1000 + seconds


def from_now(said: dict[str, Any]) -> dict[str, Any]:
    """What a token says, its times counted from now in seconds."""
    return {name: in_seconds(value) if isinstance(value, int) else value for name, value in said.items()}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({**GOOD, "iss": "https://evil.example"}, "from another issuer"),
    "no issuer": ({"aud": "perps-dma"}, "not one of ours"),
    "another audience": ({**GOOD, "aud": ["a", "b"]}, "for another audience"),
    "no audience": ({"iss": "https://id.example"}, "not one of ours"),
    "long past": ({**GOOD, "exp": -60}, "has expired"),
    "not yet": ({**GOOD, "nbf": 86_400}, "not valid yet"),
    "issued tomorrow": ({**GOOD, "iat": 86_400}, "not valid yet"),
    "an end that is none": ({**GOOD, "exp": "soon"}, "not one of ours"),
}


@pytest.mark.parametrize(("said", "problem"), BAD.values(), ids=BAD)
async def test_a_token_must_say_what_the_rules_ask(said: dict[str, Any], problem: str) -> None:
    assert problem in await denied(Verifier(SharedSecret(LONG), RULES), secretly(**from_now(said)))


FINE: dict[str, dict[str, Any]] = {
    "as asked": GOOD,
    "one of several audiences": {**GOOD, "aud": ["other", "perps-dma"]},
    "past, by another clock": {**GOOD, "exp": -30},
    "not yet, by another clock": {**GOOD, "nbf": 60},
}


@pytest.mark.parametrize("said", FINE.values(), ids=FINE)
async def test_clocks_may_differ_a_little(said: dict[str, Any]) -> None:
    header = secretly(**from_now(said))
    assert (await Verifier(SharedSecret(LONG), LENIENT).actor(header, now_ms())).subject == "engine-7"


async def test_a_token_for_somebody_is_not_for_a_shim_that_has_no_name() -> None:
    assert "another audience" in await denied(Verifier(SharedSecret(LONG)), secretly(aud="billing"))


async def test_what_was_found_of_a_token_is_not_held_beyond_its_end_and_leeway() -> None:
    verifier, header = Verifier(SharedSecret(LONG), TokenRules(leeway_s=10)), secretly(exp=in_seconds(60))
    end = in_seconds(60) * 1000
    for at in (now_ms(), end, end + 8_000):
        assert (await verifier.actor(header, at)).subject == "engine-7"
    assert "has expired" in await denied(verifier, header, end + 11_000)


async def test_more_tokens_than_are_remembered_are_all_checked() -> None:
    verifier = Verifier(SharedSecret(LONG))
    headers = [secretly(sub=f"engine-{number}") for number in range(1_100)]
    for header in (*headers, *headers[:50]):
        assert (await verifier.actor(header, now_ms())).subject is not None


ROLES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "a list": ("realm_access.roles", {"realm_access": {"roles": ["trader", "x"]}}, {"trader", "x"}),
    "one": ("dma", {"dma": "admin"}, {"admin"}),
    "words, as in scopes": ("scope", {"scope": "openid trader"}, {"openid", "trader"}),
    "a name with dots": ("https://id.example/roles", {"https://id.example/roles": ["admin"]}, {"admin"}),
    "nothing there": ("realm_access.roles", {"realm_access": []}, set()),
    "no text": ("dma", {"dma": [1, None, {"admin": True}]}, set()),
    "elsewhere only": ("dma", {"role": "admin"}, set()),
}


@pytest.mark.parametrize(("path", "said", "roles"), ROLES.values(), ids=ROLES)
async def test_roles_stand_where_the_identity_provider_puts_them(
    path: str, said: dict[str, Any], roles: set[str]
) -> None:
    token = jwt.encode({"exp": in_seconds(60), **said}, LONG.get_secret_value())
    verifier = Verifier(SharedSecret(LONG), TokenRules(claims=ClaimPaths(roles=(path,))))
    assert (await verifier.actor(f"Bearer {token}", now_ms())).roles == roles


NAMES = st.sampled_from(["sub", "role", "roles", "exp", "nbf", "iat", "iss", "aud", "jti", "accounts"])
HEADS = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"])
TEXTS = st.sampled_from(["", "a", "HS256", "trader", "\0", "\u00e9", "\ud800"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXTS, SCALARS, max_size=2)


def encoded(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


@settings_of(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(head=st.dictionaries(HEADS, VALUES), said=st.dictionaries(NAMES, VALUES))
async def test_whatever_a_signed_token_holds_it_is_good_or_denied_and_never_a_fault(
    head: dict[str, Any], said: dict[str, Any]
) -> None:
    parts = encoded({"alg": "HS256", **head}) + b"." + encoded(claims(**said))
    signature = base64.urlsafe_b64encode(hmac.digest(LONG.get_secret_value().encode(), parts, hashlib.sha256))
    header = f"Bearer {(parts + b'.' + signature.rstrip(b'=')).decode()}"
    with suppress(Denied):
        actor = await Verifier(SharedSecret(LONG)).actor(header, now_ms())
        assert head.get("alg", "HS256") == "HS256"
        assert all(isinstance(role, str) for role in actor.roles)
        assert (actor.accounts is None) == ("accounts" not in said)
