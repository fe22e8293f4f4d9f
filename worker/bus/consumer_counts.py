"""Which operations have a worker, as the broker says."""

import asyncio
from collections.abc import Collection, Iterable, Mapping

from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity

from schemas import OPERATIONS
from schemas.client.trouble import as_trouble
from worker.bus.amqp.connection import plain_channel
from worker.bus.sharding.shards import LED_EXCHANGE, queues_of

ANSWER_TIMEOUT_S = 2


class ConsumerCounts:
    """Counts consumers, on one channel that is opened again when it is gone."""

    def __init__(self, connection: AbstractRobustConnection, shards: int) -> None:
        self._connection = connection
        self._shards = shards
        self._queues = {operation.name: queues_of(operation, shards) for operation in OPERATIONS.values()}
        self._channel: AbstractChannel | None = None
        self._counting = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._connection.connected.is_set()

    async def consumers(self, operations: Collection[str] | None = None) -> Mapping[str, int]:
        """How many consumers each operation has, or each of these: those of the one of its queues that has fewest.

        While commands are not led to the shards, it is as if there were none. Raises one of CONNECTION_TROUBLE.
        """
        asked = self._queues if operations is None else operations
        async with asyncio.timeout(ANSWER_TIMEOUT_S), self._counting:
            try:
                await self._require_led()
                return {operation: await self._fewest(self._queues[operation]) for operation in asked}
            except ChannelNotFoundEntity:
                return dict.fromkeys(asked, 0)

    async def _fewest(self, queues: Iterable[str]) -> int:
        return min([await self._consumers_of(queue) for queue in queues])

    async def _consumers_of(self, queue: str) -> int:
        channel = await self._open_channel()
        with as_trouble():
            answer = await channel.queue_declare(queue, passive=True)
        return answer.consumer_count or 0

    async def _require_led(self) -> None:
        if self._shards > 1:
            channel = await self._open_channel()
            with as_trouble():
                await channel.exchange_declare(LED_EXCHANGE, passive=True)

    async def _open_channel(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await plain_channel(self._connection)
        return self._channel
