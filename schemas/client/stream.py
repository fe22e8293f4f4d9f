"""Following the stream of all events from any place on, over as many broken connections as there are."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelInvalidStateError

from ..operations import EVENTS_LOG
from .trouble import CONNECTION_TROUBLE, HEARTBEAT_S, as_trouble

Offset = str | int | datetime
"""Where to begin: `first`, `last`, `next`, a number of the stream, or a time; a time names the chunk that holds it."""

ENDS = ("next", "last")
RECONNECT_S = 1
PREFETCH = 200
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
"""AMQP has no time before it, and no event is as old."""

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def offset_of(start: str, now: datetime) -> Offset:
    """Where in the stream to begin: a word, a number, a UTC time, or so long ago. Raises ValueError for anything else.

    >>> offset_of("15m", datetime(2026, 1, 1, tzinfo=UTC)), offset_of("42", datetime(2026, 1, 1, tzinfo=UTC))
    (datetime.datetime(2025, 12, 31, 23, 45, tzinfo=datetime.timezone.utc), 42)
    """
    if start in ("first", "last", "next"):
        return start
    if re.fullmatch(r"\d{1,18}", start):
        return int(start)
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", start):
        age = timedelta(**{UNITS[ago[2]]: int(ago[1])})
        return now - age if age < now - OLDEST else "first"
    moment = datetime.fromisoformat(start)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment > OLDEST else "first"


def place_of(message: AbstractIncomingMessage) -> int:
    """The number of a message in the stream."""
    return int(str(message.headers["x-stream-offset"]))


async def followed(
    url: str, offset: Offset, *, name: str = "perps-dma events", comes_back: bool = True
) -> AsyncGenerator[AbstractIncomingMessage, None]:
    """Messages of the stream. After a lost connection reading goes on behind the last one, not at the beginning.

    Raises one of CONNECTION_TROUBLE where it can't begin, and when the connection is lost unless it `comes_back`. It
    can't where it began at the end (`next`, `last`) and no message has told yet which place of the stream that is.
    """
    last: int | None = None
    has_place = False
    while True:
        try:
            with as_trouble():
                async with (
                    await aio_pika.connect(
                        url, heartbeat=HEARTBEAT_S, client_properties={"connection_name": name}
                    ) as connection,
                    aclosing(_messages(await _inbox(connection, offset if last is None else last + 1))) as messages,
                ):
                    has_place = offset not in ENDS
                    async for message in messages:
                        last = place_of(message)
                        yield message
        except CONNECTION_TROUBLE:
            if (last is None and not has_place) or not comes_back:
                raise
        await asyncio.sleep(RECONNECT_S)


Inbox = asyncio.Queue[AbstractIncomingMessage | None]


async def _inbox(connection: AbstractConnection, offset: Offset) -> Inbox:
    """What comes from now on, and None when the connection is lost."""
    inbox = Inbox()
    with as_trouble():
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(EVENTS_LOG)
        channel.close_callbacks.add(lambda *_: inbox.put_nowait(None))
        # Not the library's iterator: its end gives back what is left, which a stream answers by closing the connection.
        await queue.consume(inbox.put, arguments={"x-stream-offset": offset})
    return inbox


async def _messages(inbox: Inbox) -> AsyncGenerator[AbstractIncomingMessage, None]:
    """Who takes no more is sent no more than PREFETCH: what was taken is acknowledged when the next is asked for."""
    while (message := await inbox.get()) is not None:
        yield message
        await message.ack()
    raise ChannelInvalidStateError("the connection to the broker is lost")
