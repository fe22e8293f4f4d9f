"""A strategy engine that does not give up: it publishes a command until the broker has confirmed it."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika
import aiormq

from tests.faults.stage import SYMBOL, Stage

PAUSE_S = 0.3
TROUBLE = (aiormq.exceptions.AMQPError, OSError, RuntimeError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A command, with the id that it keeps however often it is published."""

    operation: str
    account: str
    fields: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))


def to(account: str, leverage: int) -> Wanted:
    """A leverage for an account."""
    return Wanted("set_leverage", account, {"symbol": SYMBOL, "leverage": leverage})


@dataclass(slots=True)
class Engine:
    """Publishes one command after the other. `again` counts what it had to publish another time."""

    stage: Stage
    again: int = 0

    async def publish(self, commands: Iterable[Wanted]) -> None:
        """Publish commands in their order; returns when the broker has them all."""
        left = deque(commands)
        while left:
            try:
                await self._publish(left)
            except TROUBLE:
                self.again += 1
                await asyncio.sleep(PAUSE_S)

    async def _publish(self, left: deque[Wanted]) -> None:
        async with await aio_pika.connect(self.stage.url, timeout=5) as connection:
            channel = await connection.channel(on_return_raises=True)
            while left:
                wanted = left[0]
                await self.stage.send(channel, wanted.operation, wanted.account, command_id=wanted.id, **wanted.fields)
                left.popleft()
