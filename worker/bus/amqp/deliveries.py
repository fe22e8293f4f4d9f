"""Reading deliveries: what of an AMQP message the execution of a command needs to know, and who asks.

Messages that were published over AMQP 1.0 come as RabbitMQ hands them to us over AMQP 0-9-1. What has no place there
comes in another one: an id that is no text in a header, a body that is no data section as the bytes of that section,
the address of a queue as it was written (RabbitMQ 4.0). The plugin of RabbitMQ 3 hides the application properties, a
deadline for example; what comes through it is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
"""How the address of a queue begins in AMQP 1.0, where its name is percent-encoded."""

ACTOR_HEADER = "actor"

TEXTS = (REASON_HEADER, GUARDRAILS_HEADER, ACTOR_HEADER)
"""Headers that are read as text, whatever their type."""

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
    headers, queue = message.headers, message.reply_to
    if queue and queue.startswith(QUEUES):
        queue = unquote(queue.removeprefix(QUEUES))
    deadline, published = headers.get("deadline"), headers.get("timestamp_in_ms")
    if deadline is None and (left_ms := message.expiration_ms) is not None:
        deadline = now() + left_ms  # the broker minds it while the message is in its queue, not once it was prefetched
    if not isinstance(published, int):  # what our clients set, and a broker may; else the last moment of AMQP's second
        published = int(message.timestamp.timestamp()) * 1000 + 999 if message.timestamp else None
    texts = {name: str(headers[name]) for name in TEXTS if headers.get(name) is not None}
    return Delivery(
        operation=operation or message.routing_key,
        body=message.body,
        message_id=message.message_id,
        # nobody has us write to our own queues, where they could not write themselves
        reply_to=None if queue and _OURS.fullmatch(queue) else queue,
        problem=_problem(message, headers),
        correlation_id=message.correlation_id,
        deadline=deadline if type(deadline) is int else None,
        published=published,
        unrouted=operation is None,
        reason=texts.get(REASON_HEADER),
        guardrails=texts.get(GUARDRAILS_HEADER),
        actor=speakers.actor(message.user_id, texts.get(ACTOR_HEADER)),
        trace=TraceContext.read(headers.get("traceparent"), headers.get("tracestate")),
    )


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
