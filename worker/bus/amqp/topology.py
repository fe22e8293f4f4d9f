"""Exchanges and queues, derived from the table of operations.

    dma.commands ─┬─<operation>──▶ one queue per operation ──poison──▶ dma.dead ─▶ dma.dead-letters
    dma.control  ─┘ (what only admins may ask for)
         └── no such operation ──▶ dma.unrouted ─▶ dma.unrouted
    dma.events ─┬─#──▶ dma.events.log (stream) ◀──#── dma.events.kept (what a subscriber's queue refused)
                └─control.dead-letters──▶ dma.dead-letters.settled (until it stands in the audit)

Commands wait in quorum queues, one consumer at a time, so that they survive a broker and keep their order. Queries are
worth nothing after a restart: classic queues, transient messages, competing consumers. A classic queue is on one node
alone, and where that one is down nobody can declare it; so a broker of several nodes has quorum queues for them too.

Where commands are split by account, `dma.commands` takes them to the shards (`worker.bus.sharding.shards`), and the
queue of an operation gets only what is published to it by its name.

All of it is known to RabbitMQ 3.10 and to RabbitMQ 4.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractQueue
from aiormq.exceptions import ChannelPreconditionFailed

from schemas import OPERATIONS, Operation
from schemas.operations import COMMANDS_EXCHANGE, CONTROL_EXCHANGE, EVENTS_LOG
from worker.runtime.errors import OperatorError

EVENTS_EXCHANGE = "dma.events"
KEPT_EXCHANGE = "dma.events.kept"
"""Leads to the log alone, and no subscriber may bind a queue to it."""

DEAD_EXCHANGE = "dma.dead"
DEAD_LETTERS = "dma.dead-letters"
SETTLED_LETTERS = "dma.dead-letters.settled"
SETTLED_KEY = "control.dead-letters"
UNROUTED = "dma.unrouted"

OURS = rf"dma\..+|({'|'.join(OPERATIONS)})(\..+)?"
"""All names of ours, shards included, as a regular expression."""

REQUEST_EXCHANGES = (COMMANDS_EXCHANGE, CONTROL_EXCHANGE)
"""Where requests come in."""

DELIVERY_LIMIT = 100
"""Deliveries of one command before the broker calls it poison.

Whatever ends a connection counts as one for all that was prefetched, however innocent: a restart of the broker as well
as of a worker. So it is far more than a bad day has of these, and still an end for what kills every worker.
"""

READ_WITHOUT_END = 1_000_000_000
"""Delivery limit of what people read again and again. RabbitMQ 4 would throw it away after 20 times by default."""

DISCONNECTED_MS = 1_000
"""How long what a consumer has stays with it when the node that it is connected to is gone. RabbitMQ 4.3 would wait
60 s, longer than a command may take; older versions don't wait, and know no such argument."""

WHEN_DISCONNECTED: Mapping[str, Any] = MappingProxyType({"x-consumer-disconnected-timeout": DISCONNECTED_MS})

COMMAND_QUEUE: Mapping[str, Any] = MappingProxyType(
    {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        # At least once needs reject-publish: the broker then keeps a dead letter until its queue has confirmed it.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        **WHEN_DISCONNECTED,
    }
)
QUERY_QUEUE: Mapping[str, Any] = MappingProxyType({"x-queue-type": "classic", "x-dead-letter-exchange": DEAD_EXCHANGE})
REPLICATED_QUERY_QUEUE: Mapping[str, Any] = MappingProxyType(
    {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        **WHEN_DISCONNECTED,
    }
)
DEAD_LETTER_QUEUE: Mapping[str, Any] = MappingProxyType(
    {"x-queue-type": "quorum", "x-delivery-limit": READ_WITHOUT_END, **WHEN_DISCONNECTED}
)
EVENTS_STREAM: Mapping[str, Any] = MappingProxyType(
    {
        "x-queue-type": "stream",
        "x-max-age": "30D",
        "x-max-length-bytes": 20_000_000_000,
        "x-stream-max-segment-size-bytes": 100_000_000,
    }
)


class TopologyRefused(OperatorError):
    """The broker holds queues that can't be used as they are; the message says what to do."""


def queue_arguments(operation: Operation, *, replicated: bool = False) -> dict[str, Any]:
    """The arguments with which the queue of an operation is declared. Commands wait in replicated queues anyway."""
    if operation.is_command:
        return dict(COMMAND_QUEUE)
    return dict(REPLICATED_QUERY_QUEUE if replicated else QUERY_QUEUE)


@dataclass(frozen=True, slots=True)
class Declared:
    """The queues that a worker consumes: one per operation, and the one for what no operation takes."""

    operations: Mapping[str, AbstractQueue]
    unrouted: AbstractQueue


async def declare(channel: AbstractChannel, *, sharded: bool = False, replicated: bool = False) -> Declared:
    """Declare everything but shards; where there are shards, `dma.commands` brings commands to them instead.

    `replicated` makes quorum queues of those for queries as well.

    Repeating it changes nothing. Raises TopologyRefused for a queue that is there with other arguments.
    """
    with as_refusal():
        unrouted = await _declare_what_catches(channel)
        operations = await _declare_operations(channel, sharded=sharded, replicated=replicated)
    await declare_events(channel)
    return Declared(operations, unrouted)


@contextmanager
def as_refusal() -> Iterator[None]:
    """Raises TopologyRefused, with what to do, for what the broker has and another version has declared otherwise."""
    try:
        yield
    except ChannelPreconditionFailed as error:
        raise TopologyRefused(
            f"another version of this program has declared it differently: {error}. Once it is empty, delete it with "
            "rabbitmqctl delete_queue (or the folder `rabbitmq` in the state folder, where `up` runs the broker)"
        ) from error


async def _declare_what_catches(channel: AbstractChannel) -> AbstractQueue:
    """Where messages go that nobody takes or can carry out; returns the queue of the former."""
    dead = await channel.declare_exchange(DEAD_EXCHANGE, ExchangeType.FANOUT, durable=True)
    letters = await channel.declare_queue(DEAD_LETTERS, durable=True, arguments=dict(DEAD_LETTER_QUEUE))
    await letters.bind(dead)
    unrouted = await channel.declare_exchange(UNROUTED, ExchangeType.FANOUT, durable=True)
    queue = await channel.declare_queue(UNROUTED, durable=True, arguments=dict(COMMAND_QUEUE))
    await queue.bind(unrouted)
    return queue


async def _declare_operations(
    channel: AbstractChannel, *, sharded: bool, replicated: bool
) -> Mapping[str, AbstractQueue]:
    for exchange in REQUEST_EXCHANGES:
        await channel.declare_exchange(
            exchange, ExchangeType.DIRECT, durable=True, arguments={"alternate-exchange": UNROUTED}
        )
    operations: dict[str, AbstractQueue] = {}
    for name, operation in OPERATIONS.items():
        arguments = queue_arguments(operation, replicated=replicated)
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        for exchange in REQUEST_EXCHANGES:
            leads_here = exchange == operation.exchange and not (sharded and operation.is_command)
            # Also what another version of this program, or another number of shards, has bound otherwise.
            await (queue.bind if leads_here else queue.unbind)(exchange, routing_key=name)
        operations[name] = queue
    return operations


async def declare_events(channel: AbstractChannel) -> None:
    """Declare where events go, the log that keeps them all, and what keeps some for us. Raises TopologyRefused."""
    with as_refusal():
        events = await channel.declare_exchange(EVENTS_EXCHANGE, ExchangeType.TOPIC, durable=True)
        log = await channel.declare_queue(EVENTS_LOG, durable=True, arguments=dict(EVENTS_STREAM))
        kept = await channel.declare_exchange(KEPT_EXCHANGE, ExchangeType.TOPIC, durable=True)
        for exchange in (events, kept):
            await log.bind(exchange, routing_key="#")
        settled = await channel.declare_queue(SETTLED_LETTERS, durable=True, arguments=dict(DEAD_LETTER_QUEUE))
        await settled.bind(events, routing_key=SETTLED_KEY)
