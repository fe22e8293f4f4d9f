"""Publishing: events and dead letters with the broker's confirm, answers with it where they can be repeated."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractRobustChannel, AbstractRobustConnection
from aiormq import Channel, spec
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ConnectionInternalError, DeliveryError

from schemas.base import Milliseconds
from schemas.envelope import failure
from schemas.outcomes import ErrorCode
from worker.bus.amqp.actors import user_of
from worker.bus.amqp.connection import CONNECTION_TROUBLE, as_trouble, version_of
from worker.bus.amqp.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE, KEPT_EXCHANGE, declare_events
from worker.messages.wire import LONGEST_ACTOR, DeadLetter, Delivery, NotPublished, Outgoing, Reply, reply_of
from worker.runtime.backoff import Backoff
from worker.runtime.clock import now
from worker.telemetry import tracing
from worker.telemetry.metrics import EVENT_FAILURES, EVENTS

PUBLISH_TIMEOUT_S = 5
RESTORED_S = 2
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
ANSWER_MS: Milliseconds = 5_000
"""How long an answer is tried at least, be its deadline past."""

REPEATS_ANSWERS = 4
"""The version from which on an answer that was not confirmed is sent again. RabbitMQ 3.10 ends the whole connection
over a direct reply to a client of a node that is gone: there an answer is sent once, and may be lost with its node."""

MOST_FAULTS = 2
"""How often the broker itself may fail over one answer: whatever else was under way on the connection fails with it."""

DIRECT_REPLY = "amq.rabbitmq.reply-to."
LONGEST_REASON = 2_000
"""Characters. The properties of a message have to fit into one frame, or the broker ends the connection."""

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes. RabbitMQ 4 takes no larger message by default, and closes the channel over it with all that is under way."""

PERSISTENT = 2
TRANSIENT = 1

log = structlog.get_logger(__name__)


class PublishFailed(NotPublished):
    """The broker did not confirm: the message may or may not be there."""


class Unroutable(PublishFailed):
    """The broker confirmed that no queue took the message."""


class QueueFull(PublishFailed):
    """A queue that the message went to is full, and is declared to refuse then. Others may have taken it."""


class TooLarge(PublishFailed):
    """Nothing was published: the broker would take no message of that size."""


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
    channel: AbstractChannel,
    body: bytes,
    message: spec.Basic.Properties,
    *,
    exchange: str = "",
    routing_key: str,
    mandatory: bool = True,
    timeout_s: float = PUBLISH_TIMEOUT_S,
) -> None:
    """Publish, and on a confirming channel wait for the broker's word.

    `user_id` is set to the user that the connection logged in as; the broker checks it.
    Raises Unroutable when no queue took it, QueueFull when one refused it, TooLarge, and PublishFailed when nobody can
    tell.
    """
    if len(body) > LARGEST_MESSAGE:
        raise TooLarge(f"{len(body)} bytes are more than a message may have, which are {LARGEST_MESSAGE}")
    try:
        with as_trouble():
            async with asyncio.timeout(timeout_s):
                underlay = cast(Channel, await _restored(channel))
                # While an alarm of the broker blocks us, whatever we wrote would pile up, here and in its socket.
                await underlay.connection.ready()
                message.user_id = user_of(underlay.connection.url)
                # Not waiting for each frame to drain nearly doubles the rate; the confirm is what we trust.
                answer = await underlay.basic_publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=message,
                    mandatory=mandatory,
                    wait=False,
                )
    except DeliveryError as error:
        raise QueueFull(f"a queue for {routing_key!r} on exchange {exchange!r} refuses it: {error}") from error
    except CONNECTION_TROUBLE as error:
        raise PublishFailed(f"no confirm from the broker: {str(error) or type(error).__name__}") from error
    if isinstance(answer, DeliveredMessage):
        raise Unroutable(f"no queue takes {routing_key!r} on exchange {exchange!r}")


_below: WeakKeyDictionary[AbstractChannel, aiormq.abc.AbstractChannel] = WeakKeyDictionary()
"""The channels below those that were published on, all that was declared there being there. A loss closes them."""


async def _restored(channel: AbstractChannel) -> aiormq.abc.AbstractChannel:
    """The channel below a robust one, once all that was declared on that is there again."""
    below = _below.get(channel)
    if below is None or below.is_closed:
        below = _below[channel] = await _restore(channel)
    return below


async def _restore(channel: AbstractChannel) -> aiormq.abc.AbstractChannel:
    if isinstance(channel, AbstractRobustChannel):
        try:
            async with asyncio.timeout(RESTORED_S):
                await channel.ready()
        except TimeoutError:
            # The client library gives a channel up that it loses while it restores it.
            await channel.restore()
    return await channel.get_underlay_channel()


async def _answers_can_be_repeated(channel: AbstractRobustChannel) -> bool:
    underlay = cast(Channel, await channel.get_underlay_channel())
    return int(version_of(underlay.connection).partition(".")[0]) >= REPEATS_ANSWERS


async def publish_event(channel: AbstractChannel, event: Outgoing) -> None:
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
            await publish(channel, body, message, exchange=EVENTS_EXCHANGE, routing_key=event.routing_key)
        except QueueFull as error:
            log.warning("event_refused_by_subscriber", event_id=event.id, error=str(error))
            await publish(channel, body, message, exchange=KEPT_EXCHANGE, routing_key=event.routing_key)


def sending(exchange: str, routing_key: str, message_id: str) -> AbstractContextManager[tracing.Span]:
    """The span of a publishing. What is published in it carries the trace on."""
    about = {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "send",
        "messaging.destination.name": exchange,
        "messaging.rabbitmq.destination.routing_key": routing_key,
        "messaging.message.id": message_id,
    }
    return tracing.span(f"send {exchange}", tracing.Kind.PRODUCER, about)


class MessagePublisher:
    """What a worker publishes."""

    def __init__(self, events: AbstractRobustChannel, answers: AbstractRobustChannel) -> None:
        self._events = events
        self._answers = answers

    @classmethod
    async def open(cls, connection: AbstractRobustConnection) -> "MessagePublisher":
        """A publisher on two channels of a connection that nobody consumes on. Raises TopologyRefused.

        The log of events is declared on the channel that they leave by, so that after a restart of the broker none
        leaves before the log is there: other queues may be there sooner, and the broker would confirm all the same.
        """
        events = await connection.channel(publisher_confirms=True)
        await declare_events(events)
        # Apart from the events: where to answer is up to a sender, and a broker may close the channel over it.
        answers = await connection.channel(publisher_confirms=await _answers_can_be_repeated(events))
        return cls(events, answers)

    async def event(self, event: Outgoing) -> None:
        """Publish an event and wait until the broker has it. Raises PublishFailed: it may be there all the same.

        Trying again is for who keeps it; an event that arrives twice has the same id.
        """
        try:
            await publish_event(self._events, event)
        except PublishFailed:
            EVENT_FAILURES.inc()
            raise
        EVENTS.labels(event.type).inc()

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        """Answer whoever asked to be answered. A requester that left is no error, and is not waited for.

        While the broker takes nothing, or is lost before it has confirmed, it is tried again for as long as somebody
        may wait; then the answer is dropped. What became of a command everybody is told by its event.
        """
        if delivery.reply_to is not None:
            await self._answer(self._answers, delivery.reply_to, delivery, reply, mandatory=False)

    async def refuse(self, delivery: Delivery, reply: Reply) -> bool:
        """Answer the sender of what is not carried out; tells whether there is anybody who may have got it."""
        if delivery.reply_to is None:
            return False
        # Of a direct reply nobody can tell: RabbitMQ 3.10 returns it even where it was delivered.
        if delivery.reply_to.startswith(DIRECT_REPLY):
            return await self._answer(self._answers, delivery.reply_to, delivery, reply, mandatory=False)
        return await self._answer(self._events, delivery.reply_to, delivery, reply, mandatory=True)

    async def _answer(
        self, channel: AbstractRobustChannel, reply_to: str, delivery: Delivery, reply: Reply, *, mandatory: bool
    ) -> bool:
        message = properties(
            correlation_id=delivery.correlation_id or delivery.message_id,
            message_type=delivery.operation,
            headers={"status": reply.status, **reply.headers},
            persistent=False,
        )
        worthless, faults = max(delivery.deadline or 0, now() + ANSWER_MS), 0
        backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        while now() < worthless and faults < MOST_FAULTS:
            try:
                await publish(channel, reply.body, message, routing_key=reply_to, mandatory=mandatory)
            except (Unroutable, QueueFull):
                return False
            except TooLarge as error:
                reply = reply_of(failure(ErrorCode.INTERNAL_ERROR, f"the answer's {error}; ask for less"), {})
                message.headers = {"status": reply.status}
                continue
            except PublishFailed as error:
                log.warning("reply_not_published", operation=delivery.operation, error=str(error))
                faults += isinstance(error.__cause__, ConnectionInternalError)
            else:
                return True
            await backoff.wait()
        return False

    async def dead_letter(self, delivery: Delivery, letter: DeadLetter) -> None:
        """Put a message that can't be carried out where a person finds it, with the reason. Raises PublishFailed."""
        message = properties(
            message_id=delivery.message_id,
            correlation_id=delivery.correlation_id,
            headers={
                "reason": letter.reason[:LONGEST_REASON],
                "operation": delivery.operation,
                "actor": delivery.actor and delivery.actor[:LONGEST_ACTOR],
            },
        )
        await publish(self._events, delivery.body, message, exchange=DEAD_EXCHANGE, routing_key=delivery.operation)
