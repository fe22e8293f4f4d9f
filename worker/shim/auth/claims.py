"""What the claims of a token say: whose it is, which roles it has, and which accounts it may name."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from schemas.guardrails import Guardrails
from worker.accounts.guardrails import FORBIDS_ALL, canonical_of
from worker.messages.wire import LONGEST_ACTOR

ABSENT = object()
ROLE_CLAIMS = ("role", "roles")
"""Where roles stand unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who a token speaks for. `accounts` is None where no claim limits it, and so are `guardrails`, which are JSON."""

    subject: str | None
    roles: frozenset[str]
    accounts: frozenset[str] | None
    guardrails: str | None = None

    @property
    def bucket(self) -> str:
        """What its requests are counted by: all tokens that name nobody count as one, however many somebody has."""
        return "nobody" if self.subject is None else f"subject {self.subject}"

    def may_name(self, account: str | None) -> bool:
        """Whether it may name an account; None stands for all of them at once."""
        return self.accounts is None or account in self.accounts


@dataclass(frozen=True, slots=True)
class ClaimPaths:
    """Where roles, accounts and guardrails stand in a token."""

    roles: tuple[str, ...] = ROLE_CLAIMS
    accounts: str = "accounts"
    guardrails: str = "guardrails"

    def actor(self, claims: dict[str, Any]) -> Actor:
        """Whom claims name. One that limits accounts and can't be understood allows none; so do guardrails."""
        limits, guardrails = claim_at(claims, self.accounts), claim_at(claims, self.guardrails)
        return Actor(
            subject=claims.get("sub"),
            roles=frozenset(
                role for path in self.roles for text in _texts(claim_at(claims, path)) for role in text.split()
            ),
            accounts=None if limits is ABSENT else frozenset(_texts(limits)),
            guardrails=None if guardrails is ABSENT else canonical_of(_guardrails(guardrails)),
        )


def is_subject(subject: Any) -> bool:
    """Whether it can stand in audit, events and logs as it is.

    >>> [is_subject(subject) for subject in ("ann", "engine 7", "", "a\\nb", "\\ud800", 7, None)]
    [True, True, False, False, False, False, False]
    """
    return isinstance(subject, str) and subject.isprintable() and 0 < len(subject) <= LONGEST_ACTOR


def claim_at(claims: dict[str, Any], path: str) -> Any:
    """The claim of a name, or the one that a path leads to; ABSENT where there is none.

    >>> claim_at({"realm_access": {"roles": ["trader"]}}, "realm_access.roles")
    ['trader']
    >>> claim_at({"https://example.com/roles": "admin"}, "https://example.com/roles")
    'admin'
    """
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return ABSENT
        found = found[name]
    return found


def _guardrails(claim: Any) -> Guardrails:
    try:
        return Guardrails.model_validate(claim)
    except ValidationError:
        return FORBIDS_ALL


def _texts(value: Any) -> Iterable[str]:
    listed = value if isinstance(value, list) else [value]
    return (text for text in listed if isinstance(text, str))
