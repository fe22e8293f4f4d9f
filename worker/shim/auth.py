"""Bearer tokens: JWT signed with HS256 and a shared secret, with a role and an end."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from pydantic import SecretStr

from schemas import ErrorCode, failure
from schemas.base import Milliseconds
from schemas.operations import TRADERS
from worker.shim.envelope import Refusal

ALGORITHM = "HS256"
ROLES = TRADERS
"""The roles there are: an admin may do all that a trader may."""

_HOW = "send the header `Authorization: Bearer TOKEN`; `perps-dma token --role trader` makes a token"
_OPTIONS: Any = {"require": ["exp"]}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who a token speaks for."""

    subject: str | None
    roles: frozenset[str]


def issue_token(secret: SecretStr, *, role: str, subject: str, lifetime_s: int, now: Milliseconds) -> str:
    """A token for a role, valid from now for a number of seconds."""
    issued = now // 1000
    claims = {"sub": subject, "role": role, "iat": issued, "exp": issued + lifetime_s}
    return jwt.encode(claims, secret.get_secret_value(), algorithm=ALGORITHM)


def _unauthorized(reason: str, challenge: str = "") -> Refusal:
    headers = {"WWW-Authenticate": f'Bearer realm="perps-dma"{challenge}'}
    return Refusal(failure(ErrorCode.UNAUTHORIZED, f"{reason}; {_HOW}"), headers)


def _invalid(reason: str) -> Refusal:
    return _unauthorized(reason, ', error="invalid_token"')


def _roles(claims: dict[str, Any]) -> frozenset[str]:
    named = claims.get("roles", [])
    listed = named if isinstance(named, list) else [named]
    return frozenset(role for role in (claims.get("role"), *listed) if isinstance(role, str))


@lru_cache(maxsize=1024)
def _claims(secret: str, token: str) -> dict[str, Any]:
    """The claims of a token, checked when it is first seen: clients repeat theirs, and checking is half of our work."""
    claims: dict[str, Any] = jwt.decode(token, secret, algorithms=[ALGORITHM], options=_OPTIONS)
    return claims


def _valid_claims(secret: SecretStr, token: str, at: Milliseconds) -> dict[str, Any]:
    claims = _claims(secret.get_secret_value(), token)
    if int(claims["exp"]) * 1000 <= at:
        raise jwt.ExpiredSignatureError
    return claims


def verify(secret: SecretStr, authorization: str | None, at: Milliseconds, allowed: frozenset[str] = TRADERS) -> Actor:
    """Who sent a request, from its `Authorization` header. Raises Refusal: 401 without a valid token, 403 by role."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthorized("there is no bearer token")
    try:
        claims = _valid_claims(secret, token.strip(), at)
    except jwt.ExpiredSignatureError:
        raise _invalid("the token has expired") from None
    except jwt.InvalidTokenError:
        raise _invalid("the token is not one of ours") from None
    actor = Actor(claims.get("sub"), _roles(claims))
    if not actor.roles & allowed:
        raise Refusal(failure(ErrorCode.FORBIDDEN, f"this needs the role {' or '.join(sorted(allowed))}"))
    return actor
