"""Which shards a worker consumes: those of its seat at once, those of the others a second later, to stand by for them.

The broker gives a shard to whoever asked for it first and, when that worker is gone, to the next; it never takes one
away again. So when a worker has come back and stands behind us at the shards of its seat, we give them up: we start
nothing more of theirs, finish what runs, close the channel, which hands them over in order, and go behind.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection

from schemas import OPERATIONS
from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from worker.bus.amqp.connection import closed_soon
from worker.bus.amqp.incoming import Incoming, Taking
from worker.bus.amqp.topology import queue_arguments
from worker.bus.sharding.seats import Seats
from worker.bus.sharding.shards import Shard, Split
from worker.runtime.stopping import set_within

Start = Callable[[str, Incoming], "asyncio.Task[None] | None"]
"""Begins with a message of an operation; None when it is left to the next worker."""

LOOK_S = 0.5
"""How often it is looked whether all is consumed, and whether a seat was lost or is free."""

RESTORED_S = 5.0

log = structlog.get_logger(__name__)


class ShardConsumer:
    """Consumes one shard, on a channel of its own."""

    def __init__(
        self,
        connection: AbstractRobustConnection,
        queues: Mapping[str, str],
        *,
        prefetch: int,
        worker: str,
        start: Start,
        reopened: "Callable[[ShardConsumer], None]",
    ) -> None:
        self._connection = connection
        self._queues = queues
        self._prefetch = prefetch
        self._worker = worker
        self._start = start
        self._reopened = reopened
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._giving_up = asyncio.Event()
        self.channel: AbstractRobustChannel | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether it is about to be left."""
        return self._turn.locked()

    async def take(self) -> None:
        """Consume it, if we do not yet. Raises one of CONNECTION_TROUBLE."""
        async with self._turn:
            if self.channel is None:
                with as_trouble():
                    await self._open()

    async def give_up(self) -> bool:
        """Leave it to whoever stands behind us, in order: nothing of ours runs any more when they begin.

        Tells whether we consumed it.
        """
        async with self._turn:
            consumed = self.channel is not None
            self._giving_up.set()
            while self._running:
                await asyncio.wait(self._running)
            await self.close()
            return consumed

    async def close(self) -> None:
        """End it, whatever runs."""
        if (channel := self.channel) is not None:
            self.channel = None
            await closed_soon(channel.close)

    async def _open(self) -> None:
        channel: AbstractRobustChannel = await self._connection.channel()
        try:
            await channel.set_qos(prefetch_count=self._prefetch)
            self._giving_up = asyncio.Event()
            for operation, name in self._queues.items():
                arguments = queue_arguments(OPERATIONS[operation])
                queue = await channel.declare_queue(name, durable=True, arguments=arguments)
                await queue.consume(self._receiver(operation), consumer_tag=f"{name}-{self._worker}")
        except BaseException:
            await closed_soon(channel.close)
            raise
        channel.reopen_callbacks.add(lambda *_: self._reopened(self))
        self.channel = channel

    def _receiver(self, operation: str) -> Taking:
        giving_up = self._giving_up  # of this channel, whatever comes after it

        def take(message: Incoming) -> None:
            if not giving_up.is_set() and (task := self._start(operation, message)) is not None:
                self._running.add(task)
                task.add_done_callback(self._running.discard)

        return Taking(take)


class Sharing:
    """Keeps a worker at its share of the shards, and behind the others at theirs."""

    def __init__(
        self, connection: AbstractRobustConnection, split: Split, start: Start, stopping: asyncio.Event
    ) -> None:
        self._connection = connection
        self._split = split
        self._start = start
        self._stopping = stopping
        self._seats = Seats(connection, split.workers, self._followed)
        self._shards: list[ShardConsumer] = []
        self._following: set[asyncio.Task[None]] = set()
        self._rest_at = 0.0

    @property
    def channels(self) -> list[AbstractRobustChannel]:
        """The channels that shards are consumed on."""
        return [shard.channel for shard in self._shards if shard.channel is not None]

    async def take_share(self, shards: Sequence[Shard], prefetch: int) -> None:
        """Take a seat, and consume its shards. Raises one of CONNECTION_TROUBLE."""
        if not shards:
            return
        for queues in shards:
            names = {operation: queue.name for operation, queue in queues.items()}
            worker = f"{os.getpid()}-{id(self):x}"  # by it the consumers of a worker are known to the broker
            shard = ShardConsumer(
                self._connection,
                names,
                prefetch=prefetch,
                worker=worker,
                start=self._start,
                reopened=self._reopened,
            )
            self._shards.append(shard)
        self._rest_at = asyncio.get_running_loop().time() + self._split.rest_after_s
        await self._attach()
        await self._seats.announce()

    async def keep(self) -> None:
        """Stand by for the others' shards, once they had time to take them, and keep to our share, until we stop."""
        while self._shards and not await set_within(self._stopping, LOOK_S):
            if self._connection.connected.is_set():
                try:
                    await self._look()
                except CONNECTION_TROUBLE as error:
                    log.info("shards_not_shared", error=str(error) or type(error).__name__)

    async def restored(self) -> None:
        """Return when every shard that we consumed is consumed again, or was left to others."""
        for channel in self.channels:
            await channel.ready()

    async def close(self) -> None:
        """Leave all shards. Nothing runs any more, or it is given up."""
        for task in self._following:
            task.cancel()
        for shard in self._shards:
            await shard.close()

    async def _look(self) -> None:
        if not self._seats.is_attached:
            async with asyncio.timeout(RESTORED_S):
                await self.restored()  # the others can go behind us when we are there
            await self._attach()
        elif self._seats.number is None:
            await self._seats.take()
            await self._take(self._of(self._seats.number))
        if asyncio.get_running_loop().time() >= self._rest_at:
            await self._take(self._shards)
        await self._seats.announce()

    async def _attach(self) -> None:
        await self._seats.attach()
        await self._take(self._of(self._seats.number))

    async def _take(self, shards: Sequence[ShardConsumer]) -> None:
        for shard in shards:
            if not shard.is_given_up:
                await shard.take()

    def _reopened(self, shard: ShardConsumer) -> None:
        """It was lost, and stands behind all others now."""
        if shard in self._of(self._seats.number):
            self._seats.renew()

    def _of(self, seat: int | None) -> list[ShardConsumer]:
        """The shards of a seat, every so many."""
        return [] if seat is None else self._shards[seat - 1 :: self._split.workers]

    def _followed(self, seat: int) -> None:
        if seat != self._seats.number and not self._stopping.is_set():
            for shard in self._of(seat):
                following = asyncio.create_task(self._go_behind(shard))
                self._following.add(following)
                following.add_done_callback(self._following.discard)

    async def _go_behind(self, shard: ShardConsumer) -> None:
        behind = not await shard.give_up()
        while not behind and not self._stopping.is_set():
            try:
                await shard.take()
                behind = True
            except CONNECTION_TROUBLE as error:
                log.info("shard_not_retaken", error=str(error))
                await set_within(self._stopping, LOOK_S)
