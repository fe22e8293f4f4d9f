"""Taking messages from the operation queues, each into a task of its own, and acknowledging them last."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import structlog
from aio_pika.abc import AbstractQueue, AbstractRobustConnection, AbstractRobustQueue

from schemas import OPERATIONS
from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from worker.bus.amqp.connection import CLOSE_S, closed_soon
from worker.bus.amqp.deliveries import NOBODY, Delegates, read_delivery
from worker.bus.amqp.incoming import Incoming, Taking
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.publishing import PublishFailed
from worker.bus.amqp.topology import declare
from worker.bus.sharding.assignment import Sharing
from worker.bus.sharding.shards import UNSHARDED, Split, declare_shards, settle_count
from worker.messages.wire import DeadLetter, Delivery, ShuttingDown
from worker.runtime.stopping import set_within
from worker.telemetry import tracing
from worker.telemetry.metrics import DEAD_LETTERS

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
MOST_DOUBLINGS = 10

log = structlog.get_logger(__name__)

LOOK_S = 0.2
"""How often we look whether our channel is there."""

NOT_TOLD: tuple[type[Exception], ...] = (PublishFailed, *CONNECTION_TROUBLE)

Handle = Callable[[Delivery], Awaitable[DeadLetter | None]]


def _told_of(message: Incoming, delivery: Delivery) -> tracing.Attributes:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "process",
        "messaging.destination.name": message.exchange,
        "messaging.rabbitmq.destination.routing_key": message.routing_key,
        "messaging.message.id": delivery.message_id or "",
    }


def _deliveries_before(message: Incoming) -> int:
    """How often a quorum queue has delivered it before: all of it in the first header, which RabbitMQ 4.3 came with."""
    headers = message.headers
    counts = [headers.get("x-acquired-count"), headers.get("x-delivery-count")]
    return max([count for count in counts if isinstance(count, int)], default=0)  # a sender can make up anything


def _pause_s(message: Incoming) -> float:
    """Longer from one delivery to the next: the broker itself would deliver a message a thousand times a second."""
    times = max(0, _deliveries_before(message))
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(times, MOST_DOUBLINGS))


class Consumer:
    """Consumes every operation's queues until it is closed.

    A handler runs in a task of its own: the client library cancels its callbacks when a channel closes, and a
    venue call must not be cut in the middle. The tasks start in the order of the queue. When a channel is lost, what
    ran goes on, its acknowledgement does nothing, and the broker delivers the message again beside it.
    """

    def __init__(
        self,
        connection: AbstractRobustConnection,
        publisher: MessagePublisher,
        handle: Handle,
        split: Split,
        speakers: Delegates,
    ) -> None:
        self._connection = connection
        self._speakers = speakers
        self._publisher = publisher
        self._handle = handle
        self._split = split
        self._running: set[asyncio.Task[None]] = set()
        self._keeping: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._sharing = Sharing(connection, split, self._start, self._stopping)
        self._leading: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        connection: AbstractRobustConnection,
        publisher: MessagePublisher,
        handle: Handle,
        prefetch: int,
        split: Split = UNSHARDED,
        *,
        speakers: Delegates = NOBODY,
        replicated: bool = False,
    ) -> "Consumer":
        """A consumer that has declared the topology, and takes no messages yet. Raises TopologyRefused."""
        consumer = cls(connection, publisher, handle, split, speakers)
        await consumer._declare(prefetch, replicated=replicated)
        return consumer

    @property
    def is_consuming(self) -> bool:
        """Whether messages come: the broker is there, our channel is open, and we are not about to stop."""
        attached = self._connection.connected.is_set() and bool(self._keeping)
        return attached and not self._channel.is_closed and not self._stopping.is_set()

    @property
    def running(self) -> int:
        """How many messages are being carried out."""
        return len(self._running)

    async def start(self) -> None:
        """Take messages from now on."""
        for operation, queue in self._declared.operations.items():
            await self._consume(operation, queue)
        await self._sharing.take_share(self._shards.queues, self._prefetch)
        await self._consume_unrouted()
        self._keeping = {asyncio.create_task(work) for work in (self._sharing.keep(), self._keep_open())}

    async def close(self, grace_s: float) -> None:
        """Start nothing more, let what runs finish, then leave.

        The consumers are not cancelled first: that would hand the queue to the next worker while ours still works.
        """
        self._stopping.set()
        if self._running:
            log.info("drain_started", count=len(self._running), grace_s=grace_s)
        _, late = await asyncio.wait({*self._running, *self._keeping}, timeout=grace_s)
        if left := late - self._keeping:
            log.warning("drain_timed_out", count=len(left))
        if self._leading is not None:
            late.add(self._leading)
        await self._end(late)
        await self._sharing.close()
        await closed_soon(self._channel.close)

    async def _end(self, late: set[asyncio.Task[None]]) -> None:
        """Nothing of ours goes on beside the next worker."""
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CLOSE_S)

    async def _declare(self, prefetch: int, *, replicated: bool) -> None:
        await settle_count(self._connection, self._split.shards)
        self._channel = await self._connection.channel()
        self._declared = await declare(self._channel, sharded=self._split.shards > 1, replicated=replicated)
        self._shards = await declare_shards(self._channel, self._split.shards)
        await self._shards.lead()
        await self._channel.set_qos(prefetch_count=prefetch)
        self._prefetch = prefetch
        if self._shards.queues:
            self._channel.reopen_callbacks.add(self._lead_again)

    def _lead_again(self, *_: object) -> None:
        # In a task: the client library restores the channels of the shards only when this one is done.
        if self._leading is not None:
            self._leading.cancel()
        self._leading = asyncio.create_task(self._go_on())

    async def _go_on(self) -> None:
        """Lead commands to the shards again after a loss, when those are consumed again.

        What waits in them comes first, then what could not be led to them meanwhile, and only then what is new.
        """
        try:
            with as_trouble():
                await self._sharing.restored()
                if self._keeping:
                    await self._consume_unrouted()
                await self._shards.lead()
        except CONNECTION_TROUBLE as error:
            log.info("routing_not_restored", error=str(error))

    async def _consume_unrouted(self) -> None:
        # Where there are shards it is not left to the client library to restore, which would do it before them.
        queue = cast(AbstractRobustQueue, self._declared.unrouted)
        await queue.consume(self._receiver(None), robust=not self._shards.queues)

    async def _keep_open(self) -> None:
        """Open our channel again where the client library gives it up: when it is lost while being restored."""
        while not await set_within(self._stopping, LOOK_S):
            if self._connection.connected.is_set():
                for channel in (self._channel, *self._sharing.channels):
                    with suppress(*CONNECTION_TROUBLE), as_trouble():
                        await channel.restore()

    async def _consume(self, operation: str, queue: AbstractQueue) -> None:
        await queue.consume(self._receiver(operation), consumer_tag=f"{queue.name}-{id(self):x}")

    def _receiver(self, operation: str | None) -> Taking:
        return Taking(lambda message: self._start(operation, message))

    def _start(self, operation: str | None, message: Incoming) -> asyncio.Task[None] | None:
        if self._stopping.is_set():
            return None
        task = asyncio.create_task(self._carry_out(operation, message))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("delivery_failed", exc_info=error)

    async def _carry_out(self, queue: str | None, message: Incoming) -> None:
        delivery = read_delivery(queue, message, self._speakers)
        operation = delivery.operation
        known = operation if operation in OPERATIONS else "of no queue"
        about = _told_of(message, delivery) if tracing.recorded else tracing.NOTHING
        with tracing.arriving(delivery.trace, f"process {known}", tracing.Kind.CONSUMER, about):
            # This task is the delivery's own, and so are the lines that it logs.
            structlog.contextvars.bind_contextvars(
                operation=operation, command_id=delivery.message_id, trace_id=tracing.trace_id()
            )
            told = False
            try:
                if letter := await self._handle(delivery):
                    log.warning("message_dead_lettered", reason=letter.reason)
                    await self._publisher.dead_letter(delivery, letter)
                    DEAD_LETTERS.inc()
                told = True
            except* NOT_TOLD as errors:
                log.warning("delivery_given_back", error="; ".join(map(str, errors.exceptions)))
            except* ShuttingDown:
                log.info("delivery_not_started")
            finally:
                await self._settle(message, told=told)

    async def _settle(self, message: Incoming, *, told: bool) -> None:
        """Acknowledge what was told; give back what was not, after a pause, so that it is delivered again.

        What a stopping worker gave back would come to it again; it leaves that to the end of the channel.
        """
        if not told:
            if self._stopping.is_set():
                return
            await asyncio.sleep(_pause_s(message))
        try:
            with as_trouble():
                await (message.ack() if told else message.give_back())
        except CONNECTION_TROUBLE as error:
            log.info("delivery_not_settled", error=str(error))
