"""Which shards a worker consumes: its own share at once, those of the others a second later, to stand by for them.

The broker gives a shard to whoever asked for it first and, when that worker is gone, to the next. It never takes one
away again, so workers that start leave one another the time to take a share.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aio_pika.abc import AbstractQueue, AbstractRobustConnection

from worker.bus.connection import CONNECTION_TROUBLE, as_trouble
from worker.bus.shards import Shard, Split, consulted
from worker.stopping import set_within

Consume = Callable[[str, AbstractQueue], Awaitable[None]]
"""Begins to take messages of an operation out of a queue."""

log = structlog.get_logger(__name__)


class Sharing:
    """Takes shards, out of those that are declared, until all are taken or the worker stops."""

    def __init__(
        self, connection: AbstractRobustConnection, split: Split, consume: Consume, stopping: asyncio.Event
    ) -> None:
        self._connection = connection
        self._split = split
        self._consume = consume
        self._stopping = stopping
        self._rest: list[tuple[str, AbstractQueue]] = []

    async def take_share(self, shards: Sequence[Shard]) -> None:
        """Consume one worker's share of the shards, out of those that nobody consumes.

        In random order: workers that start at the same time then do not reach for the same shard.
        """
        share = self._split.share
        for shard in random.sample(shards, len(shards)):
            if share and not await self._is_consumed(shard):
                share -= 1
                for operation, queue in shard.items():
                    await self._consume(operation, queue)
            else:
                self._rest.extend(shard.items())

    async def take_rest(self) -> None:
        """Stand by for the shards of others, once they had the time to take them."""
        while self._rest and not await set_within(self._stopping, self._split.rest_after_s):
            try:
                while self._rest and not self._stopping.is_set():
                    with as_trouble():
                        await self._consume(*self._rest[-1])
                    self._rest.pop()
            except CONNECTION_TROUBLE as error:
                log.info("not all shards are consumed yet, trying again", left=len(self._rest), error=str(error))

    async def _is_consumed(self, shard: Shard) -> bool:
        found = [await consulted(self._connection, queue.name) for queue in shard.values()]
        return any(queue and queue.consumer_count for queue in found)
