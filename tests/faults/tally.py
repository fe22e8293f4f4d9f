"""Counting: what became of every command that was published, by what everybody was told and by what the venue saw."""

import asyncio
import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import aiormq
from aio_pika.abc import AbstractIncomingMessage

from schemas.operations import EVENTS_LOG

Body = dict[str, Any]
PATIENCE_S = 60
AGAIN_S = 0.2


@dataclass(slots=True)
class Tally:
    """The commands of a test, and the result events that were published for them."""

    expected: set[str] = field(default_factory=set)
    results: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    order: list[str] = field(default_factory=list)

    async def collect(self, url: str, patience_s: float = PATIENCE_S) -> None:
        """Read the log of events from its beginning until every command has a result; what is missing then is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not await self._read(url):  # noqa: ASYNC110 - it is the broker's
                    await asyncio.sleep(AGAIN_S)

    async def _read(self, url: str) -> bool:
        """Whether the log was there to be read; a broker that has just started may not have it yet."""
        self.results.clear()
        self.order.clear()
        try:
            await self._read_log(url)
        except (aiormq.exceptions.AMQPError, OSError):
            return False
        return True

    async def _read_log(self, url: str) -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=200)
            log = await channel.get_queue(EVENTS_LOG)
            inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            # Not the library's iterator: closing it rejects what is left, which a stream answers by closing on us.
            await log.consume(inbox.put, arguments={"x-stream-offset": "first"})
            while not self.expected <= set(self.results):
                message = await inbox.get()
                await message.ack()
                self._note(message.body, message.type or "")

    def _note(self, body: bytes, kind: str) -> None:
        if kind == "perps-dma.result.v1":
            command_id = json.loads(body)["data"]["command_id"]
            if command_id in self.expected:
                self.results[command_id].append(body)
                self.order.append(command_id)

    @property
    def lost(self) -> set[str]:
        """Commands that nobody was told the end of."""
        return self.expected - set(self.results)

    @property
    def contradicted(self) -> set[str]:
        """Commands of which two different results were told."""
        return {command_id for command_id, told in self.results.items() if len(set(told)) > 1}

    def outcome(self, command_id: str) -> str:
        """How a command ended."""
        return str(self.data(command_id)["outcome"])

    def data(self, command_id: str) -> Body:
        """The result of a command."""
        data: Body = json.loads(self.results[command_id][0])["data"]
        return data

    @property
    def outcomes(self) -> Counter[str]:
        """How many commands ended in which way."""
        return Counter(self.outcome(command_id) for command_id in self.results)
