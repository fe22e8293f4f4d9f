"""Taking what the broker delivers as aiormq hands it over.

For each message aio-pika builds an object that checks every attribute it is given, and runs the callback in a task of
its own beside the one that aiormq runs it in already. What only starts a task, or resolves a future, needs neither.
Queues are still consumed by aio-pika, which consumes them again after a reconnect.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aio_pika import queue as aio_pika_queue
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError


class Incoming:
    """A message as it was delivered."""

    __slots__ = (
        "_channel",
        "_expiration",
        "_tag",
        "body",
        "correlation_id",
        "exchange",
        "headers",
        "message_id",
        "reply_to",
        "routing_key",
        "timestamp",
        "type",
        "user_id",
    )

    def __init__(self, delivered: DeliveredMessage) -> None:
        properties = delivered.header.properties
        self._channel: AbstractChannel = delivered.channel
        self._tag = delivered.delivery_tag
        self._expiration = properties.expiration
        self.body = delivered.body
        self.headers: dict[str, Any] = properties.headers or {}
        self.message_id: str | None = properties.message_id or None
        self.correlation_id: str | None = properties.correlation_id or None
        self.reply_to: str | None = properties.reply_to or None
        self.timestamp: datetime | None = properties.timestamp
        self.type: str | None = properties.message_type or None
        self.user_id: str | None = properties.user_id or None
        self.exchange = delivered.exchange or ""
        self.routing_key = delivered.routing_key or ""

    @property
    def expiration_ms(self) -> int | None:
        """How long it was meant to be worth something; the broker takes none that is no number."""
        return int(self._expiration) if self._expiration else None

    async def ack(self) -> None:
        """It is done with. Nobody waits until that is written: it precedes whatever its channel writes later.

        Raises one of CONNECTION_TROUBLE when its channel is gone.
        """
        await self._open_channel().basic_ack(self._require_tag(), wait=False)

    async def give_back(self) -> None:
        """Have it delivered again. Raises one of CONNECTION_TROUBLE when its channel is gone."""
        # Not a nack: since RabbitMQ 4.3 it is none of the deliveries that have an end.
        await self._open_channel().basic_reject(self._require_tag(), requeue=True, wait=False)

    def _open_channel(self) -> AbstractChannel:
        if self._channel.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        return self._channel

    def _require_tag(self) -> int:
        if self._tag is None:
            raise ChannelInvalidStateError("nothing was delivered")
        return self._tag


class Taking:
    """A callback for `consume` that takes each message before the next one is read, and must not wait."""

    def __init__(self, take: Callable[[Incoming], object]) -> None:
        self.take = take

    async def __call__(self, _: object) -> None:
        """What aio-pika would call with an object of its own, see `take_directly`."""
        raise TypeError("a message came through aio-pika's own object")


_through_an_object = aio_pika_queue.consumer


async def _directly(callback: Callable[..., Awaitable[Any]], delivered: DeliveredMessage, *, no_ack: bool) -> None:
    taking = getattr(callback, "__wrapped__", callback)
    if isinstance(taking, Taking):
        taking.take(Incoming(delivered))
    else:
        await _through_an_object(callback, delivered, no_ack=no_ack)


def take_directly() -> None:
    """From now on, in this process, whoever consumes with `Taking` is given messages as aiormq has them."""
    # aio-pika has no seam for that: this is the one place where it makes its object of a message.
    aio_pika_queue.consumer = _directly  # type: ignore[assignment]
