"""`perps-dma watch`: the events, from any point of the stream queue on."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelInvalidStateError

from worker.accounts.account import RegistryError
from worker.bus.amqp.connection import CONNECTION_TROUBLE, HEARTBEAT_S
from worker.bus.amqp.topology import EVENTS_LOG
from worker.config.locations import amqp_url, load_accounts
from worker.config.settings import Settings
from worker.console.display import console, show_json
from worker.console.event_lines import event_line, is_about
from worker.runtime.errors import ConfigurationError

Offset = str | int | datetime

RECONNECT_S = 1
PREFETCH = 200
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def stream_offset(start: str, now: datetime) -> Offset:
    """Where in the stream to begin: a word, a UTC time, or so long ago. Raises ConfigurationError for anything else."""
    if start in ("first", "last", "next"):
        return start
    if ago := re.fullmatch(r"(\d+)([smhd])", start):
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(start)
    except ValueError as error:
        raise ConfigurationError(
            f"--from takes first, last, next, a UTC time or an age like 15m, not {start!r}"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def events(url: str, offset: Offset) -> AsyncGenerator[AbstractIncomingMessage, None]:
    """Messages of the stream. After a lost connection reading goes on behind the last one, not at the beginning."""
    last: int | None = None
    while True:
        try:
            async with (
                await aio_pika.connect(url, heartbeat=HEARTBEAT_S) as connection,
                aclosing(_messages(connection, offset if last is None else last + 1)) as messages,
            ):
                async for message in messages:
                    last = int(str(message.headers["x-stream-offset"]))
                    yield message
        except CONNECTION_TROUBLE:
            if last is None:
                raise
        await asyncio.sleep(RECONNECT_S)


async def _messages(
    connection: aio_pika.abc.AbstractConnection, offset: Offset
) -> AsyncGenerator[AbstractIncomingMessage, None]:
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    queue = await channel.get_queue(EVENTS_LOG)
    inbox: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
    channel.close_callbacks.add(lambda *_: inbox.put_nowait(None))
    # Not the library's iterator: its end gives back what is left, which a stream answers by closing the connection.
    await queue.consume(inbox.put, arguments={"x-stream-offset": offset})
    while (message := await inbox.get()) is not None:
        await message.ack()
        yield message
    raise ChannelInvalidStateError("the connection to the broker is lost")


async def watch(settings: Settings, start: str, *, account: str | None, count: int | None, as_json: bool) -> None:
    """Print events until interrupted, or until `count` were shown."""
    url = amqp_url(settings)
    offset = stream_offset(start, datetime.now(UTC))
    exchange = _exchange_of(settings, account)
    shown = 0
    async for message in events(url, offset):
        event = json.loads(message.body)
        if not _is_too_old(event, offset) and (account is None or is_about(event, account, exchange)):
            _show(message.body.decode() if as_json else event, message.routing_key or "")
            shown += 1
        if shown == count:
            return


def _exchange_of(settings: Settings, account: str | None) -> str | None:
    """The venue of an account, where its registry is at hand."""
    with suppress(ConfigurationError, RegistryError):
        if account and (found := load_accounts(settings).get(account)):
            return found.exchange
    return None


def _is_too_old(event: dict[str, Any], offset: Offset) -> bool:
    """A time names a chunk of the stream, which may begin earlier than asked."""
    return isinstance(offset, datetime) and datetime.fromisoformat(event["time"]) < offset.replace(microsecond=0)


def _show(event: dict[str, Any] | str, routing_key: str) -> None:
    if isinstance(event, str):
        show_json(event)
    else:
        console.print(event_line(event, routing_key), soft_wrap=True)
