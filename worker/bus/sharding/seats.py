"""Which shards are a worker's share: each worker has a seat, and each seat its shards.

A seat is an exclusive queue: one connection alone can have it, and it is free again when that connection ends. Whoever
has taken a seat and consumes its shards announces it on `dma.shards.seats`; the others go behind it there
(`worker.bus.sharding.assignment`). It is announced again and again, for an announcement can get lost; the others know
by its token whether they have followed it.
"""

import asyncio
import json
from collections.abc import Callable
from uuid import uuid4

from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelLockedResource

from schemas.client.trouble import as_trouble
from worker.bus.amqp.connection import plain_channel

SEATS_EXCHANGE = "dma.shards.seats"

ANNOUNCE_S = 5.0
"""How often a seat is announced again."""

Followed = Callable[[int], None]
"""Told the seat whose owner consumes its shards from now on."""


def seat_queue(number: int) -> str:
    """The queue that is a seat; numbers begin at 1."""
    return f"dma.shards.seat-{number}"


class Seats:
    """A worker's seat among so many, and what it hears of the others'."""

    def __init__(self, connection: AbstractRobustConnection, count: int, followed: Followed) -> None:
        self._connection = connection
        self._count = count
        self._followed = followed
        self._channel: AbstractChannel | None = None
        self._heard: dict[int, str] = {}
        self._token = ""
        self._next = 0.0
        self.number: int | None = None

    @property
    def is_attached(self) -> bool:
        """Whether our seat, if we have one, is still ours, and we hear of the others'."""
        return self._channel is not None and not self._channel.is_closed

    async def attach(self) -> None:
        """Take a free seat, the one of before if possible, and listen. Raises one of CONNECTION_TROUBLE."""
        with as_trouble():
            channel = await self._listening()
            await self.take()
        self._channel = channel

    async def take(self) -> None:
        """Take a free seat if there is one. Raises one of CONNECTION_TROUBLE."""
        before = self.number
        self.number = None
        for number in sorted(range(1, self._count + 1), key=lambda number: number != before):
            if await self._is_free(number):
                self.number = number
                self.renew()
                return

    def renew(self) -> None:
        """Our shards are consumed anew: the others have to go behind us once more."""
        self._token, self._next = uuid4().hex, 0.0

    async def announce(self) -> None:
        """Tell the others, if it is time, that we consume the shards of our seat. Raises one of CONNECTION_TROUBLE."""
        clock = asyncio.get_running_loop().time()
        if self.number is None or self._channel is None or clock < self._next:
            return
        self._next = clock + ANNOUNCE_S
        body = json.dumps({"seat": self.number, "token": self._token}).encode()
        with as_trouble():
            await self._channel.basic_publish(body, exchange=SEATS_EXCHANGE, mandatory=False)

    async def _is_free(self, number: int) -> bool:
        """Whether a seat was free; it is ours then."""
        channel = await plain_channel(self._connection)
        try:
            await channel.queue_declare(seat_queue(number), exclusive=True)
        except ChannelLockedResource:
            return False
        await channel.close()
        return True

    async def _listening(self) -> AbstractChannel:
        channel = await plain_channel(self._connection)
        await channel.exchange_declare(SEATS_EXCHANGE, exchange_type="fanout")
        queue = f"{SEATS_EXCHANGE}.{uuid4().hex}"
        await channel.queue_declare(queue, exclusive=True)
        await channel.queue_bind(queue, SEATS_EXCHANGE)
        await channel.basic_consume(queue, self._hear, no_ack=True)
        return channel

    async def _hear(self, message: DeliveredMessage) -> None:
        told = json.loads(message.body)
        seat, token = told["seat"], told["token"]
        if token != self._token and self._heard.get(seat) != token:
            self._heard[seat] = token
            self._followed(seat)
