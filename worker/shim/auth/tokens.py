"""Bearer tokens: signed JWTs with a role and an end."""

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson
from jwt.exceptions import InvalidSubjectError
from pydantic import SecretStr

from schemas import ErrorCode, Failure, failure
from schemas.audit.records import DenialReason
from schemas.base import Milliseconds
from schemas.guardrails import UNGUARDED, Guardrails
from schemas.operations import READERS
from worker.accounts.guardrails import canonical_of
from worker.messages.wire import LONGEST_ACTOR
from worker.shim.auth.claims import Actor, ClaimPaths, is_subject
from worker.shim.auth.keys import Keys, KeysUnavailable, VerificationKey
from worker.shim.kit.envelope import HttpRefusal

ROLES = READERS
"""The roles there are."""

REMEMBERED = 1024
"""Tokens whose claims are kept: clients repeat theirs, and checking is half of our work."""

_TROUBLE: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
    (InvalidSubjectError, f"the subject of the token (sub) is no line of text of 1 to {LONGEST_ACTOR} characters"),
    (jwt.InvalidTokenError, "the token is not one of ours"),
)


class Denied(HttpRefusal):
    """Somebody asked for what is not theirs. It is counted for the audit; `actor` is known once a token was good."""

    def __init__(
        self,
        reason: DenialReason,
        envelope: Failure,
        headers: dict[str, str] | None = None,
        *,
        actor: Actor | None = None,
        account: str | None = None,
    ) -> None:
        super().__init__(envelope, headers or {})
        self.reason = reason
        self.actor = actor
        self.account = account


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say beside being signed."""

    issuer: str | None = None
    audience: str | None = None
    leeway_s: int = 0
    claims: ClaimPaths = field(default_factory=ClaimPaths)


@dataclass(frozen=True, slots=True)
class _Checked:
    actor: Actor
    begins: Milliseconds
    ends: Milliseconds


def issue_token(
    secret: SecretStr,
    *,
    role: str,
    subject: str,
    lifetime_s: int,
    now: Milliseconds,
    accounts: Sequence[str] = (),
    guardrails: Guardrails = UNGUARDED,
) -> str:
    """A token for a role, valid from now for a number of seconds; `accounts` limits it to these.

    Its commands may do what its `guardrails` and those of the account both allow.
    """
    issued = now // 1000
    limits: dict[str, Any] = {"accounts": list(accounts)} if accounts else {}
    if guardrails != UNGUARDED:
        limits["guardrails"] = orjson.loads(canonical_of(guardrails))
    claims = {"sub": subject, "role": role, "iat": issued, "exp": issued + lifetime_s, **limits}
    return jwt.encode(claims, secret.get_secret_value(), algorithm="HS256")


class Verifier:
    """Tells whom a token speaks for. What was found stays known until the token ends or the keys change."""

    def __init__(self, keys: Keys, rules: TokenRules | None = None) -> None:
        self._keys = keys
        self._rules = rules or TokenRules()
        self._version = keys.version()
        self._checked: dict[bytes, _Checked] = {}

    async def actor(self, authorization: str | None, at: Milliseconds) -> Actor:
        """Whom the header `Authorization` of a request names.

        Raises Denied (401), or HttpRefusal (503) while there are no keys.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise self._unauthorized("no_token", "there is no bearer token")
        try:
            return (await self._known(token.strip(), at)).actor
        except jwt.PyJWTError as error:
            reason: DenialReason = "expired_token" if isinstance(error, jwt.ExpiredSignatureError) else "invalid_token"
            words = next((words for kind, words in _TROUBLE if isinstance(error, kind)), _TROUBLE[-1][1])
            raise self._unauthorized(reason, words, ', error="invalid_token"') from None
        except KeysUnavailable as error:
            raise HttpRefusal(
                failure(ErrorCode.KEYS_UNAVAILABLE, f"{error}; try again soon"), {"Retry-After": "5"}
            ) from error

    async def has_keys(self) -> bool:
        """Whether there is anything to check tokens with."""
        try:
            return bool(await self._keys.named(None))
        except KeysUnavailable:
            return False

    async def _known(self, token: str, at: Milliseconds) -> _Checked:
        if (version := self._keys.version()) != self._version:
            self._checked.clear()
            self._version = version
        digest = hashlib.sha256(token.encode()).digest()
        if (checked := self._checked.get(digest)) is None:
            checked = await self._check(token)
            if self._keys.version() == version:
                self._remember(digest, checked)
        if at >= checked.ends:
            raise jwt.ExpiredSignatureError
        if at < checked.begins:
            raise jwt.ImmatureSignatureError
        return checked

    def _remember(self, digest: bytes, checked: _Checked) -> None:
        while len(self._checked) >= REMEMBERED:
            del self._checked[next(iter(self._checked))]
        self._checked[digest] = checked

    async def _check(self, token: str) -> _Checked:
        _require_plain(token)
        header = jwt.get_unverified_header(token)
        for key in await self._keys.named(header.get("kid")):
            if str(header.get("alg")) in key.algorithms:
                try:
                    claims = self._claims(token, key)
                except jwt.InvalidSignatureError:
                    continue
                return self._read(claims)
        raise jwt.InvalidSignatureError

    def _claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.value,
                algorithms=list(key.algorithms),
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=self._rules.leeway_s,
                options={"require": ["exp"]},
            )
        except RecursionError as error:
            raise jwt.DecodeError("the token is nested too deeply") from error
        return claims

    def _read(self, claims: dict[str, Any]) -> _Checked:
        if not is_subject(claims.get("sub", "absent")):
            raise InvalidSubjectError
        leeway_s = self._rules.leeway_s
        return _Checked(
            actor=self._rules.claims.actor(claims),
            begins=(int(claims.get("nbf", 0)) - leeway_s) * 1000,
            ends=(int(claims["exp"]) + leeway_s) * 1000,
        )

    def _unauthorized(self, reason: DenialReason, words: str, challenge: str = "") -> Denied:
        headers = {"WWW-Authenticate": f'Bearer realm="perps-dma"{challenge}'}
        message = f"{words}; send the header `Authorization: Bearer TOKEN`; {self._keys.hint}"
        return Denied(reason, failure(ErrorCode.UNAUTHORIZED, message), headers)


def _require_plain(token: str) -> None:
    """Look at a token as strict JSON before anything is made of it.

    What is nested without end, names a number that there is not, or holds text that is none is not for any parser
    whose answer to it is an error of its own, or a text that nobody can write down.
    """
    try:
        for part in token.split(".")[:2]:
            orjson.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as error:
        raise jwt.DecodeError("a part of the token is no JSON") from error
