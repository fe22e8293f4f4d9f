"""What a worker publishes: events and dead letters with the broker's confirm, and answers."""

from collections.abc import Awaitable, Callable

import structlog
from aio_pika.abc import AbstractRobustConnection

from schemas import Operation
from schemas.base import Milliseconds
from schemas.control import LONGEST_WHY
from worker.bus.amqp.answers import AnswerPublisher
from worker.bus.amqp.publishing import PublishFailed, QueueFull, properties, sending
from worker.bus.amqp.renewal import RenewedChannel
from worker.bus.amqp.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE, KEPT_EXCHANGE, declare_events
from worker.messages.wire import (
    ACCOUNT_HEADER,
    GUARDRAILS_HEADER,
    LONGEST_ACTOR,
    REASON_HEADER,
    DeadLetter,
    Delivery,
    Outgoing,
    Reply,
    named_account,
)
from worker.runtime.clock import now
from worker.telemetry import tracing
from worker.telemetry.metrics import EVENT_FAILURES, EVENTS

DIRECT_REPLY = "amq.rabbitmq.reply-to."
LONGEST_REASON = 2_000
"""Characters. The properties of a message have to fit into one frame, or the broker ends the connection."""

log = structlog.get_logger(__name__)

Publish = Callable[..., Awaitable[None]]
"""`publish` on a channel, or the like: body, properties, and where to."""


async def publish_event(publish: Publish, event: Outgoing) -> None:
    """Publish an event for everybody. Raises what `publish` raises.

    A subscriber can declare its queue to refuse what finds no room. That is its own loss, and keeps the event from
    nobody else: other queues have taken it, and the log is then asked alone, for a negative confirm names no queue.
    """
    with sending(EVENTS_EXCHANGE, event.routing_key, event.id):
        message = properties(
            message_id=event.id,
            message_type=event.type,
            content_type="application/cloudevents+json",
            headers=tracing.carried(),
        )
        body = event.body.encode()
        try:
            await publish(body, message, exchange=EVENTS_EXCHANGE, routing_key=event.routing_key)
        except QueueFull as error:
            log.warning("event_refused_by_subscriber", event_id=event.id, error=str(error))
            await publish(body, message, exchange=KEPT_EXCHANGE, routing_key=event.routing_key)


class MessagePublisher:
    """What a worker publishes."""

    def __init__(self, events: RenewedChannel, answers: AnswerPublisher) -> None:
        self._events = events
        self._answers = answers

    @classmethod
    async def open(cls, events: AbstractRobustConnection, answers: AbstractRobustConnection) -> "MessagePublisher":
        """A publisher on two connections that nobody consumes on: one for answers alone. Raises TopologyRefused.

        The log of events is declared on the channel that they leave by, so that after a restart of the broker none
        leaves before the log is there: other queues may be there sooner, and the broker would confirm all the same.
        """
        return cls(await RenewedChannel.open(events, declare_events), await AnswerPublisher.open(answers))

    async def event(self, event: Outgoing) -> None:
        """Publish an event and wait until the broker has it. Raises PublishFailed: it may be there all the same.

        Trying again is for who keeps it; an event that arrives twice has the same id.
        """
        try:
            await publish_event(self._events.publish, event)
        except PublishFailed:
            EVENT_FAILURES.inc()
            raise
        EVENTS.labels(event.type).inc()

    async def command(
        self, operation: Operation, body: bytes, *, command_id: str, deadline: Milliseconds, actor: str
    ) -> None:
        """Publish a command, as anybody does, and wait until the broker has it. Raises PublishFailed."""
        message = properties(
            message_id=command_id,
            message_type=operation.name,
            headers={
                "deadline": deadline,
                "actor": actor,
                ACCOUNT_HEADER: named_account(body),
                "timestamp_in_ms": now(),
                **tracing.carried(),
            },
        )
        with sending(operation.exchange, operation.name, command_id):
            await self._events.publish(body, message, exchange=operation.exchange, routing_key=operation.name)

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        """Answer whoever asked to be answered. A requester that left is no error, and is not waited for.

        An answer that nobody waits for any more is dropped. What became of a command everybody is told by its event.
        """
        if delivery.reply_to is not None:
            await self._answers.send(delivery.reply_to, delivery, reply, mandatory=False)

    async def refuse(self, delivery: Delivery, reply: Reply) -> bool:
        """Answer the sender of what is not carried out; tells whether there is anybody who may have got it."""
        if delivery.reply_to is None:
            return False
        # Of a direct reply nobody can tell: RabbitMQ 3.10 returns it even where it was delivered.
        named = not delivery.reply_to.startswith(DIRECT_REPLY)
        return await self._answers.send(delivery.reply_to, delivery, reply, mandatory=named)

    async def dead_letter(self, delivery: Delivery, letter: DeadLetter) -> None:
        """Put a message that can't be carried out where a person finds it, with the reason. Raises PublishFailed."""
        message = properties(
            message_id=delivery.message_id,
            correlation_id=delivery.correlation_id,
            headers={
                "reason": letter.reason[:LONGEST_REASON],
                "operation": delivery.operation,
                "actor": delivery.actor and delivery.actor[:LONGEST_ACTOR],
                REASON_HEADER: delivery.reason and delivery.reason[:LONGEST_WHY],
                # Whoever sends it again lends it nothing that its sender did not have.
                GUARDRAILS_HEADER: delivery.guardrails,
            },
        )
        await self._events.publish(delivery.body, message, exchange=DEAD_EXCHANGE, routing_key=delivery.operation)
