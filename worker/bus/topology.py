"""Exchanges and queues, derived from the table of operations.

    dma.commands ──<operation>──▶ one queue per operation ──poison──▶ dma.dead ─▶ dma.dead-letters
         └── no such operation ──▶ dma.unrouted ─▶ dma.unrouted
    dma.events   ──#──▶ dma.events.log (stream)

Commands wait in quorum queues, one consumer at a time, so that they survive a broker and keep their order. Queries are
worth nothing after a restart: classic queues, transient messages, competing consumers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractQueue

from schemas import OPERATIONS, Operation

COMMANDS_EXCHANGE = "dma.commands"
EVENTS_EXCHANGE = "dma.events"
EVENTS_LOG = "dma.events.log"
DEAD_EXCHANGE = "dma.dead"
DEAD_LETTERS = "dma.dead-letters"
UNROUTED = "dma.unrouted"

DELIVERY_LIMIT = 100
"""Deliveries of one command before the broker calls it poison.

Whatever ends a connection counts as one for all that was prefetched, however innocent: a restart of the broker as well
as of a worker. So it is far more than a bad day has of these, and still an end for what kills every worker.
"""

COMMAND_QUEUE: Mapping[str, Any] = MappingProxyType(
    {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        # At least once needs reject-publish: the broker then keeps a dead letter until its queue has confirmed it.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
)
QUERY_QUEUE: Mapping[str, Any] = MappingProxyType({"x-queue-type": "classic", "x-dead-letter-exchange": DEAD_EXCHANGE})
DURABLE_QUEUE: Mapping[str, Any] = MappingProxyType({"x-queue-type": "quorum"})
EVENTS_STREAM: Mapping[str, Any] = MappingProxyType(
    {
        "x-queue-type": "stream",
        "x-max-age": "30D",
        "x-max-length-bytes": 20_000_000_000,
        "x-stream-max-segment-size-bytes": 100_000_000,
    }
)


def queue_arguments(operation: Operation) -> dict[str, Any]:
    """The arguments with which the queue of an operation is declared."""
    return dict(COMMAND_QUEUE if operation.is_command else QUERY_QUEUE)


@dataclass(frozen=True, slots=True)
class Declared:
    """The queues that a worker consumes: one per operation, and the one for what no operation takes."""

    operations: Mapping[str, AbstractQueue]
    unrouted: AbstractQueue


async def declare(channel: AbstractChannel) -> Declared:
    """Declare everything. Repeating it changes nothing; other arguments than last time raise at once."""
    dead = await channel.declare_exchange(DEAD_EXCHANGE, ExchangeType.FANOUT, durable=True)
    dead_letters = await channel.declare_queue(DEAD_LETTERS, durable=True, arguments=dict(DURABLE_QUEUE))
    await dead_letters.bind(dead)

    unrouted = await channel.declare_exchange(UNROUTED, ExchangeType.FANOUT, durable=True)
    unrouted_queue = await channel.declare_queue(
        UNROUTED,
        durable=True,
        arguments={**DURABLE_QUEUE, "x-delivery-limit": DELIVERY_LIMIT, "x-dead-letter-exchange": DEAD_EXCHANGE},
    )
    await unrouted_queue.bind(unrouted)

    commands = await channel.declare_exchange(
        COMMANDS_EXCHANGE, ExchangeType.DIRECT, durable=True, arguments={"alternate-exchange": UNROUTED}
    )
    operations: dict[str, AbstractQueue] = {}
    for operation in OPERATIONS.values():
        queue = await channel.declare_queue(operation.name, durable=True, arguments=queue_arguments(operation))
        await queue.bind(commands, routing_key=operation.name)
        operations[operation.name] = queue

    events = await channel.declare_exchange(EVENTS_EXCHANGE, ExchangeType.TOPIC, durable=True)
    log = await channel.declare_queue(EVENTS_LOG, durable=True, arguments=dict(EVENTS_STREAM))
    await log.bind(events, routing_key="#")
    return Declared(operations, unrouted_queue)
