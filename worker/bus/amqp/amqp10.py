"""Messages that were published over AMQP 1.0, as RabbitMQ hands them to us over AMQP 0-9-1.

What has no place there comes in another one: an id that is no text in a header, a body that is no data section as the
bytes of that section, the address of a queue as it was written (RabbitMQ 4.0). The plugin of RabbitMQ 3 hides the
application properties, a deadline for example; what comes through it is refused.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from schemas.problems import Problem
from worker.bus.amqp.incoming import Incoming

NO_DATA_SECTION = "amqp-1.0"
"""The `type` of a message whose body is the encoded sections themselves, which then begin with a descriptor."""

DESCRIPTOR = b"\x00\x53"

HIDDEN = "x-amqp-1.0-"
"""How the headers begin in which RabbitMQ 3 keeps what it can't convert."""

MOVED = {"x-message-id": "message_id", "x-correlation-id": "correlation_id"}
"""Headers in which RabbitMQ 4 hands over ids that are bytes, or longer than 255 bytes."""

QUEUES = "/queues/"


def problem_of(message: Incoming, headers: Mapping[str, Any]) -> Problem | None:
    """What of a message that came over AMQP 1.0 did not reach us as it was meant."""
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


def queue_of(reply_to: str) -> str:
    """The queue of an address.

    >>> queue_of("/queues/my%20replies"), queue_of("replies")
    ('my replies', 'replies')
    """
    return unquote(reply_to.removeprefix(QUEUES)) if reply_to.startswith(QUEUES) else reply_to
