"""Publishing one message: its properties, the broker's confirm, and what can go wrong."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import aiormq
from aio_pika.abc import AbstractChannel, AbstractRobustChannel
from aiormq import Channel, spec
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError

from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from worker.bus.amqp.actors import user_of
from worker.messages.wire import NotPublished
from worker.telemetry import tracing

PUBLISH_TIMEOUT_S = 5
RESTORED_S = 2

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes. RabbitMQ 4 takes no larger message by default, and closes the channel over it with all that is under way."""

PERSISTENT = 2
TRANSIENT = 1


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
                underlay, message.user_id = await _restored(channel)
                # While an alarm of the broker blocks us, whatever we wrote would pile up, here and in its socket.
                await underlay.connection.ready()
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


class _Below(NamedTuple):
    """The channel below a robust one, and the user that its connection logged in as."""

    channel: Channel
    user: str | None


_below: WeakKeyDictionary[AbstractChannel, _Below] = WeakKeyDictionary()
"""The channels below those that were published on, all that was declared there being there. A loss closes them."""


async def _restored(channel: AbstractChannel) -> _Below:
    """The channel below a robust one, once all that was declared on that is there again."""
    below = _below.get(channel)
    if below is None or below.channel.is_closed:
        restored = cast(Channel, await _restore(channel))
        below = _below[channel] = _Below(restored, user_of(restored.connection.url))
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


def sending(exchange: str, routing_key: str, message_id: str) -> AbstractContextManager[tracing.Span]:
    """The span of a publishing. What is published in it carries the trace on."""
    if not tracing.recorded:
        return tracing.span("send")
    about = {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "send",
        "messaging.destination.name": exchange,
        "messaging.rabbitmq.destination.routing_key": routing_key,
        "messaging.message.id": message_id,
    }
    return tracing.span(f"send {exchange}", tracing.Kind.PRODUCER, about)
