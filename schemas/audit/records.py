"""Who did what to the service itself, and who was denied what."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from ..base import MOST, Count, Milliseconds, WireModel
from ..control import ControlRequest
from .chain import Link

MOST_DENIALS = 50
"""Kinds of denials that one report holds at most."""

NO_NUL = r"^[^\x00]*$"
"""What every database takes as text."""

DenialReason = TypeAliasType(
    "DenialReason",
    Literal["no_token", "invalid_token", "expired_token", "role", "account", "rate_limit", "command_id"],
)
"""Why a request was denied: what its token lacks, that it came too often, or that it used another command's id."""


AuditAction = TypeAliasType(
    "AuditAction",
    Literal[
        "freeze",
        "unfreeze",
        "denial",
        "requeue",
        "drop",
        "command",
        "guardrail",
        "checkpoint",
        "sweep",
        "sweep_missed",
        "keep_terms",
        "suspend_terms",
        "drop_terms",
    ],
)
"""What an entry of the audit is about."""


class GetAudit(ControlRequest):
    """Read the newest entries of the audit: freezes and their ends, dead letters that were sent again or dropped,
    commands that came with a reason, and what was denied to whom.

    With `after` it is read as a chain, from a position on and in its order: so it is proved and archived.
    """

    after: Annotated[
        Count | None,
        Field(
            ge=0,
            le=MOST,
            description="Entries behind this position, the oldest first; 0 for all. Without it the newest",
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Entries at most")] = 100


class AuditEntry(WireModel):
    """One entry of the audit."""

    at: Milliseconds
    actor: Annotated[str | None, Field(description="Who, as far as the bus or a checked token says")]
    action: AuditAction
    subject: Annotated[str, Field(description="What it was about: a scope, a dead letter, or the operation")]
    details: Annotated[dict[str, Any], Field(description="What more is known")]
    position: Annotated[Count, Field(description="Its place in the chain")]
    previous: Annotated[str, Field(description="The hash of the entry before it, in hexadecimal")]
    hash: Annotated[str, Field(description="Its own: over the one before and all that it says")]
    stored: Annotated[
        str | None, Field(description="The details to the letter, as they were hashed; only where the chain is read")
    ] = None


class Audit(WireModel):
    """The newest entries of the audit, the newest first; with `after`, those that follow it in the chain."""

    entries: tuple[AuditEntry, ...]
    count: int
    head: Annotated[Link, Field(description="Where the chain ends. Noted elsewhere, it shows a cut at the end")]


class Denial(WireModel):
    """Requests that a shim or a worker has denied for the same reason, to the same client, within some seconds."""

    at: Annotated[Milliseconds, Field(ge=0, description="When the first of them came, UTC ms")]
    status: Annotated[int, Field(ge=400, le=499, description="What was answered: 401, 403, 404, 409 or 429")]
    reason: DenialReason
    operation: Annotated[
        str, Field(max_length=64, pattern=NO_NUL, description="What was asked for; `several` in a flood")
    ]
    actor: Annotated[
        str | None,
        Field(
            max_length=200,
            pattern=NO_NUL,
            description="Subject of the token, once that was found good; on the bus the user",
        ),
    ]
    address: Annotated[
        str | None, Field(max_length=64, description="Where they came from; null on the bus, and in a flood")
    ]
    account: Annotated[str | None, Field(max_length=128, description="The last account that was named, or asked about")]
    count: Annotated[int, Field(ge=1, description="How many they were")]


class ReportDenials(ControlRequest):
    """Write down what a shim has denied. Only shims send it; the same report is written down once."""

    shim: Annotated[str, Field(max_length=64, description="Which shim tells it")]
    denials: Annotated[tuple[Denial, ...], Field(min_length=1, max_length=MOST_DENIALS)]


class DenialsReported(WireModel):
    """Answer to a report."""

    recorded: Annotated[int, Field(description="Kinds of denials that were not known yet")]
