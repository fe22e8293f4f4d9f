"""Reading deliveries: what of an AMQP message the execution of a command needs to know, and who asks.

Messages that were published over AMQP 1.0 come as RabbitMQ hands them to us over AMQP 0-9-1. What has no place there
comes in another one: an id that is no text in a header, a body that is no data section as the bytes of that section,
the address of a queue as it was written (RabbitMQ 4.0). The plugin of RabbitMQ 3 hides the application properties, a
deadline for example; what comes through it is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from yarl import URL

from schemas.problems import Problem
from worker.bus.amqp.actors import user_of
from worker.bus.amqp.incoming import Incoming
from worker.bus.amqp.tolerant_decoding import ILLEGIBLE, Illegible
from worker.bus.amqp.topology import OURS
from worker.messages.wire import GUARDRAILS_HEADER, REASON_HEADER, Delivery
from worker.runtime.clock import now
from worker.telemetry.tracing import TraceContext

NO_DATA_SECTION = "amqp-1.0"
"""The `type` of a message whose body is the encoded sections themselves, which then begin with a descriptor."""

DESCRIPTOR = b"\x00\x53"

HIDDEN = "x-amqp-1.0-"
"""How the headers begin in which RabbitMQ 3 keeps what it can't convert."""

MOVED = {"x-message-id": "message_id", "x-correlation-id": "correlation_id"}
"""Headers in which RabbitMQ 4 hands over ids that are bytes, or longer than 255 bytes."""

QUEUES = "/queues/"

UNVERIFIED = "unverified:"
"""Before the name that a message without a `user_id` claims for itself."""

_OURS = re.compile(OURS)


@dataclass(frozen=True, slots=True)
class Delegates:
    """The users whose header `actor` is believed."""

    users: frozenset[str]

    @classmethod
    def beside(cls, shim_user: str, url: URL | str) -> "Delegates":
        """The shim's user, and our own: who has that one can write to the ledger's events themselves.

        Where a broker has one user for all, as the private one of `up` has, all speak for others.
        """
        return cls(frozenset(user for user in (shim_user, user_of(url)) if user))

    def actor(self, user_id: str | None, named: str | None) -> str | None:
        """Who asks. The broker lets nobody set a `user_id` that is not theirs; anybody can write a header.

        >>> Delegates(frozenset({"dma-shim"})).actor("dma-shim", "ann")
        'ann'
        >>> Delegates(frozenset({"dma-shim"})).actor("dma-strategy", "ann")
        'dma-strategy'
        >>> Delegates(frozenset({"dma-shim"})).actor(None, "ann")
        'unverified:ann'
        """
        if user_id is None:
            return f"{UNVERIFIED}{named}" if named else None
        return named if named and user_id in self.users else user_id


NOBODY = Delegates(frozenset())
"""All speak for themselves."""


def read_delivery(operation: str | None, message: Incoming, speakers: Delegates) -> Delivery:
    """What of an AMQP message the execution of a command needs to know; no operation: it was not routed to one."""
    headers = message.headers
    problem, deadline, published = _problem(message, headers), _deadline(message, headers), _published(message, headers)
    queue = queue_of(message.reply_to) if message.reply_to else None
    return Delivery(
        operation=operation or message.routing_key,
        body=message.body,
        message_id=message.message_id,
        # nobody has us write to our own queues, where they could not write themselves
        reply_to=None if queue and _OURS.fullmatch(queue) else queue,
        problem=problem,
        correlation_id=message.correlation_id,
        deadline=deadline,
        published=published,
        unrouted=operation is None,
        reason=_said(headers, REASON_HEADER),
        guardrails=_said(headers, GUARDRAILS_HEADER),
        actor=speakers.actor(message.user_id, _said(headers, "actor")),
        trace=TraceContext.read(headers.get("traceparent"), headers.get("tracestate")),
    )


def _deadline(message: Incoming, headers: Mapping[str, Any]) -> int | None:
    """The header `deadline` (UTC ms), else the AMQP `expiration` counted from now.

    The broker minds an expiration only while the message is in its queue, not once it was prefetched.
    """
    match headers.get("deadline"), message.expiration_ms:
        case int(deadline), _:
            return deadline
        case None, int(milliseconds):
            return now() + milliseconds
    return None


def _problem(message: Incoming, headers: Mapping[str, Any]) -> Problem | None:
    """What can't be understood beside the body, and what of AMQP 1.0 did not reach us as it was meant.

    A deadline that is not kept would be worse than a refusal.
    """
    if isinstance(illegible := headers.get(ILLEGIBLE), Illegible):
        return {"field": f"the property {illegible.name}", "problem": "can't be read, it is not as AMQP wants it"}
    deadline = headers.get("deadline")
    if isinstance(deadline, bool) or not isinstance(deadline, int | None):
        return {"field": "deadline", "problem": "must be an integer, UTC milliseconds"}
    if any(str(name).startswith(HIDDEN) for name in headers):
        return {
            "field": "the protocol",
            "problem": "is AMQP 1.0 through the plugin of RabbitMQ 3, which hides properties; it takes RabbitMQ 4",
        }
    for header, name in MOVED.items():
        if header in headers and getattr(message, name) is None:
            return {"field": f"the property {name}", "problem": "must be text of at most 255 bytes, a UUID or a number"}
    if message.type == NO_DATA_SECTION and message.body.startswith(DESCRIPTOR):
        return {"field": "body", "problem": "is no data section of AMQP 1.0; send the JSON's bytes as one"}
    return None


def _published(message: Incoming, headers: Mapping[str, Any]) -> int | None:
    """The header `timestamp_in_ms`, which our clients set and a broker may; else the last moment of AMQP's second."""
    match headers.get("timestamp_in_ms"), message.timestamp:
        case int(published), _:
            return published
        case _, datetime() as second:
            return int(second.timestamp()) * 1000 + 999
    return None


def _said(headers: Mapping[str, Any], name: str) -> str | None:
    """A header as text."""
    return None if (value := headers.get(name)) is None else str(value)


def queue_of(reply_to: str) -> str:
    """The queue of an address.

    >>> queue_of("/queues/my%20replies"), queue_of("replies")
    ('my replies', 'replies')
    """
    return unquote(reply_to.removeprefix(QUEUES)) if reply_to.startswith(QUEUES) else reply_to
