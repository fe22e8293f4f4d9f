"""Publishing: events with a confirm, replies without, dead letters with their reason."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aiormq import Channel, spec
from aiormq.abc import DeliveredMessage

from schemas.events import Event
from worker.bus.connection import CONNECTION_TROUBLE
from worker.bus.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE
from worker.wire import DeadLetter, Delivery, Reply, encode

PUBLISH_TIMEOUT_S = 5
EVENT_PATIENCE_S = 30
EVENT_RETRY_S = 0.5
PERSISTENT = 2
TRANSIENT = 1

log = structlog.get_logger(__name__)


class PublishFailed(Exception):
    """The broker did not confirm: the message may or may not be there."""


class Unroutable(PublishFailed):
    """The broker confirmed that no queue took the message."""


def properties(
    *,
    content_type: str = "application/json",
    headers: Mapping[str, Any] | None = None,
    persistent: bool = True,
    **named: Any,
) -> spec.Basic.Properties:
    """Message properties with a timestamp, which AMQP keeps in seconds."""
    return spec.Basic.Properties(
        content_type=content_type,
        headers=dict(headers or {}),
        delivery_mode=PERSISTENT if persistent else TRANSIENT,
        timestamp=datetime.now(UTC),
        **named,
    )


async def publish(
    channel: AbstractRobustChannel,
    body: bytes,
    message: spec.Basic.Properties,
    *,
    exchange: str = "",
    routing_key: str,
    mandatory: bool = True,
    timeout_s: float = PUBLISH_TIMEOUT_S,
) -> None:
    """Publish, and on a confirming channel wait for the broker's word.

    Raises Unroutable when no queue took it, PublishFailed when nobody can tell.
    """
    try:
        underlay = cast(Channel, await channel.get_underlay_channel())
        # Not waiting for each frame to drain nearly doubles the rate; the confirm is what we trust.
        answer = await underlay.basic_publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            properties=message,
            mandatory=mandatory,
            timeout=timeout_s,
            wait=False,
        )
    except CONNECTION_TROUBLE as error:
        raise PublishFailed(f"no confirm from the broker: {error or type(error).__name__}") from error
    except asyncio.CancelledError as error:
        # A broker that froze cancels the wait from inside the client library; a stop of ours cancels the task itself.
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        raise PublishFailed("the connection froze before the broker confirmed") from error
    if isinstance(answer, DeliveredMessage):
        raise Unroutable(f"no queue takes {routing_key!r} on exchange {exchange!r}")


class Publisher:
    """What a worker publishes."""

    def __init__(self, confirmed: AbstractRobustChannel, unconfirmed: AbstractRobustChannel) -> None:
        self._confirmed = confirmed
        self._unconfirmed = unconfirmed

    @classmethod
    async def open(cls, connection: AbstractRobustConnection) -> "Publisher":
        """A publisher on two channels of a connection that nobody consumes on."""
        confirmed = await connection.channel(publisher_confirms=True)
        unconfirmed = await connection.channel(publisher_confirms=False)
        return cls(confirmed, unconfirmed)

    async def event(self, event: Event) -> None:
        """Publish an event and wait until the broker has it, through a short absence of the broker too.

        What was not confirmed is published again: an event that arrives twice has the same id. Raises PublishFailed.
        """
        body = encode(event)
        give_up = time.monotonic() + EVENT_PATIENCE_S
        while True:
            message = properties(
                message_id=event.id, message_type=event.type, content_type="application/cloudevents+json"
            )
            try:
                await publish(self._confirmed, body, message, exchange=EVENTS_EXCHANGE, routing_key=event.routing_key)
            except PublishFailed as error:
                if time.monotonic() > give_up:
                    raise
                log.warning("event not confirmed, publishing it again", event_id=event.id, error=str(error))
                await asyncio.sleep(EVENT_RETRY_S)
            else:
                return

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        """Answer whoever asked to be answered. A requester that left is no error, and is not waited for."""
        if delivery.reply_to is None:
            return
        message = properties(
            correlation_id=delivery.correlation_id or delivery.message_id,
            message_type=delivery.operation,
            headers={"status": reply.envelope.statusCode, **reply.headers},
            persistent=False,
        )
        await publish(
            self._unconfirmed, encode(reply.envelope), message, routing_key=delivery.reply_to, mandatory=False
        )

    async def dead_letter(self, delivery: Delivery, letter: DeadLetter) -> None:
        """Put a message that can't be carried out where a person finds it, with the reason. Raises PublishFailed."""
        message = properties(
            message_id=delivery.message_id,
            correlation_id=delivery.correlation_id,
            headers={"reason": letter.reason, "operation": delivery.operation, "actor": delivery.actor},
        )
        await publish(self._confirmed, delivery.body, message, exchange=DEAD_EXCHANGE, routing_key=delivery.operation)
