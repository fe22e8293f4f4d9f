"""Messages as aiormq hands them over: what is read of them, and who gets them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aio_pika import queue as aio_pika_queue
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.tools import ensure_awaitable
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader

from schemas.client.trouble import CONNECTION_TROUBLE
from worker.bus.amqp.connection import prepare_client_library
from worker.bus.amqp.incoming import Incoming, Taking

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def delivered(*, is_closed: bool = False, **properties: Any) -> DeliveredMessage:
    """A message on a channel that is open or closed."""
    delivery = spec.Basic.Deliver(consumer_tag="t", delivery_tag=7, exchange="dma.commands", routing_key="set_leverage")
    header = ContentHeader(properties=spec.Basic.Properties(**properties))
    return DeliveredMessage(delivery, header, b"{}", cast(Any, SimpleNamespace(is_closed=is_closed)))


def test_what_was_sent_is_read() -> None:
    message = Incoming(
        delivered(
            message_id="m",
            correlation_id="c",
            reply_to="r",
            user_id="u",
            message_type="t",
            expiration="500",
            timestamp=MOMENT,
            headers={"deadline": 5},
        )
    )
    assert (message.message_id, message.correlation_id, message.reply_to) == ("m", "c", "r")
    assert (message.user_id, message.type, message.headers, message.body) == ("u", "t", {"deadline": 5}, b"{}")
    assert (message.expiration_ms, message.timestamp) == (500, MOMENT)
    assert (message.exchange, message.routing_key) == ("dma.commands", "set_leverage")


def test_what_was_left_empty_was_not_sent() -> None:
    message = Incoming(delivered(message_id="", correlation_id="", reply_to="", user_id="", message_type=""))
    read = (message.message_id, message.correlation_id, message.reply_to, message.user_id, message.type)
    assert read == (None, None, None, None, None)
    assert (message.headers, message.expiration_ms, message.timestamp) == ({}, None, None)


async def test_on_a_channel_that_is_gone_nothing_is_settled() -> None:
    message = Incoming(delivered(is_closed=True))
    with pytest.raises(CONNECTION_TROUBLE):
        await message.ack()
    with pytest.raises(CONNECTION_TROUBLE):
        await message.give_back()


async def test_taking_gets_messages_as_they_are_and_others_get_objects_of_aio_pika() -> None:
    prepare_client_library()
    taken: list[object] = []

    async def other(message: AbstractIncomingMessage) -> None:
        taken.append(message)

    taking: Callable[..., Awaitable[None]] = ensure_awaitable(Taking(taken.append))
    for callback in (taking, other):
        await aio_pika_queue.consumer(callback, delivered(message_id="m"), no_ack=True)
    ours, theirs = taken
    assert isinstance(ours, Incoming)
    assert isinstance(theirs, AbstractIncomingMessage)
