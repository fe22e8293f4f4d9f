"""A strategy engine and risk system on bare aio-pika, as somebody without our code would write it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

Body = dict[str, Any]
Inbox = asyncio.Queue[AbstractIncomingMessage]


@dataclass(slots=True)
class Strategy:
    """Publishes to operation queues and listens to `dma.events`."""

    channel: AbstractChannel
    reply_to: str
    replies: Inbox
    events: Inbox
    dead: Inbox
    heard: list[Body] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator[Self]:
        """An engine with a reply queue, a queue bound to all events, and one bound to all dead letters."""
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            reply_to, replies = await _inbox(channel, None)
            _, events = await _inbox(channel, "dma.events", "#")
            _, dead = await _inbox(channel, "dma.dead")
            yield cls(channel, reply_to, replies, events, dead)

    async def publish(
        self, operation: str, body: Body | bytes, *, exchange: str = "", reply: bool = False, **properties: Any
    ) -> str:
        """Publish a request; returns its command id."""
        message = aio_pika.Message(
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            **{
                "message_id": str(uuid4()),
                "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
                "reply_to": self.reply_to if reply else None,
                **properties,
            },
        )
        target = await self.channel.get_exchange(exchange, ensure=False) if exchange else self.channel.default_exchange
        await target.publish(message, operation)
        return str(message.message_id)

    async def ask(self, operation: str, body: Body | bytes, **properties: Any) -> tuple[Body, AbstractIncomingMessage]:
        """Publish with reply_to and wait for the envelope."""
        await self.publish(operation, body, reply=True, **properties)
        message = await _next(self.replies)
        return json.loads(message.body), message

    async def event(self, kind: str, command_id: str) -> Body:
        """The data of the event of a kind (`result` or `positions`) that a command caused."""
        while True:
            for event in self.heard:
                data: Body = event["data"]
                if event["type"] == f"perps-dma.{kind}.v1" and command_id in (
                    data.get("command_id"),
                    *data.get("command_ids", ()),
                ):
                    return data
            self.heard.append(json.loads((await _next(self.events)).body))

    async def told(self, kind: str, **facts: Any) -> Body:
        """The data of the first event of a kind that has these facts; what came before it is left out from now on."""
        while True:
            message = await _next(self.events, timeout_s=40)
            event = json.loads(message.body)
            self.heard.append(event)
            data: Body = event["data"]
            if event["type"] == f"perps-dma.{kind}.v1" and facts.items() <= data.items():
                return data

    async def dead_letter(self, command_id: str, timeout_s: float = 40) -> AbstractIncomingMessage:
        """The dead letter of a message."""
        while True:
            message = await _next(self.dead, timeout_s)
            if message.message_id == command_id:
                return message


async def _inbox(channel: AbstractChannel, exchange: str | None, binding: str = "") -> tuple[str, Inbox]:
    """A queue of one's own, bound to an exchange, and what arrives in it."""
    queue, inbox = await channel.declare_queue(exclusive=True), Inbox()
    if exchange:
        await queue.bind(exchange, binding)
    await queue.consume(inbox.put, no_ack=True)
    return queue.name, inbox


async def _next(inbox: Inbox, timeout_s: float = 40) -> AbstractIncomingMessage:
    async with asyncio.timeout(timeout_s):
        return await inbox.get()
