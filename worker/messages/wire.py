"""Messages as they stand between the bus and the execution of commands, and their JSON form."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
from pydantic import BaseModel

from schemas.base import Milliseconds
from schemas.envelope import Envelope
from schemas.events import Event, ResultEvent
from schemas.problems import Problem
from worker.runtime.errors import ExecutionError
from worker.telemetry.tracing import TraceContext

LONGEST_ACCOUNT_ID = 128
LONGEST_ACTOR = 200
REASON_HEADER = "audit-reason"
"""In a command: why its sender wants it. What a dead letter died of is its header `reason`."""
LARGEST_BODY = 64 * 1024
"""Bytes of a request. None that is documented comes near it."""
ACCOUNT_HEADER = "account"
"""In a request: the account that it names. Where commands are split over shards, it decides to which one it goes."""

GUARDRAILS_HEADER = "guardrails"
"""In a request: what it may do at most, by the token of its sender. It can only forbid, so anybody may write it."""

EXCHANGE_HEADER = "Exchange"
"""In a reply: the venue of the account that was asked about."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came from a queue, before anybody looked into its body.

    `guardrails` is JSON that may forbid more than the account's own do. `problem` is what could not be understood of
    its properties. It is `unrouted` when the broker knew no queue for it where it was published. `published` may be
    known or not.
    """

    operation: str
    body: bytes
    message_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    deadline: Milliseconds | None = None
    actor: str | None = None
    reason: str | None = None
    guardrails: str | None = None
    problem: Problem | None = None
    unrouted: bool = False
    published: Milliseconds | None = None
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An envelope as JSON on its way back to who asked, with what a caller may want beside the documented body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event as it is published: its id and type, where it goes, and its JSON."""

    id: str
    type: str
    routing_key: str
    body: str


class NotPublished(ExecutionError):
    """Something was published, and the broker did not confirm it: it may or may not be there."""


class ShuttingDown(ExecutionError):
    """The worker stops and has not begun with it: the message is left to the next one."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a message could not be carried out and its sender could not be told."""

    reason: str


def _encode_unknown(value: Any) -> Any:
    """A model as its fields; a number with all digits that count, and without the zeros behind its second decimal.

    >>> encode({"entry_price": Decimal("98000.00000000"), "contracts": Decimal("0.050"), "leverage": Decimal("10")})
    b'{"entry_price":98000.00,"contracts":0.05,"leverage":10}'
    """
    if isinstance(value, Decimal):
        text = str(value) if value else "0"
        if "E" in text:
            text = f"{value:f}"
        if text[-1] == "0":
            whole, point, decimals = text.partition(".")
            text = whole + point + decimals[:2] + decimals[2:].rstrip("0")
        return orjson.Fragment(text)
    if isinstance(value, BaseModel):
        return value.__dict__
    raise TypeError(f"{type(value).__name__} has no JSON form")


encode: Callable[[Any], bytes] = partial(orjson.dumps, default=_encode_unknown)
"""JSON with exact numbers: a Decimal is written digit by digit, never through a float."""


def named_account(body: bytes) -> str | None:
    """The account that a request is for, where its body names one."""
    try:
        account = orjson.loads(body)["exchange_account_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return account if isinstance(account, str) and len(account) <= LONGEST_ACCOUNT_ID else None


def reply_of(envelope: Envelope, headers: dict[str, str]) -> Reply:
    """An envelope, written down."""
    return Reply(envelope.statusCode, encode(envelope), headers)


def outgoing(event: Event) -> Outgoing:
    """An event, written down."""
    return Outgoing(event.id, event.type, event.routing_key, encode(event).decode())


def outgoing_result(event: ResultEvent, reply: Reply) -> Outgoing:
    """The same, of what a caller was answered: the envelope stands in it as it was written down for the caller."""
    result = event.data.__dict__ | {"envelope": orjson.Fragment(reply.body)}
    body = encode(event.__dict__ | {"data": result})
    return Outgoing(event.id, event.type, event.routing_key, body.decode())
