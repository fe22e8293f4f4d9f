"""The commands of each operation, split by account over several queues.

    dma.commands ──<operation>──▶ <operation>.shards ──hash of header `account`──▶ <operation>.1-of-4
                                  (consistent hash)                                …
                                                                                   <operation>.4-of-4

An account's commands all go the same way, and each shard has one active consumer, so their order holds whatever the
number of workers. A message without the header goes to one and the same shard, wherever its account's others go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aio_pika import ExchangeType
from aio_pika.abc import AbstractQueue, AbstractRobustChannel, AbstractRobustConnection, AbstractRobustExchange
from aiormq import spec
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, ConnectionCommandInvalid

from schemas import COMMANDS, Operation
from schemas.operations import COMMANDS_EXCHANGE
from worker.bus.amqp.connection import plain_channel
from worker.bus.amqp.topology import TopologyRefused, as_refusal, queue_arguments
from worker.messages.wire import ACCOUNT_HEADER
from worker.runtime.logger import get_logger

MAX_SHARDS = 64

COUNT_EXCHANGE = "dma.shards"
"""Takes no message. The broker refuses to declare an exchange with another `alternate-exchange` than it has: the name
there, of an exchange that nobody needs, is how the broker remembers over how many shards the commands are split."""

LED_EXCHANGE = "dma.shards.led"
"""Takes no message either. It is there while commands are led to the shards, and lasts as long as the exchanges in
front of the shards do: a client that finds it knows that a command won't end up in `dma.unrouted`."""

WEIGHT = "1"

UNKNOWN_KIND = "exchange type"
"""In what the broker says when it lacks the plugin."""

log = get_logger(__name__)


Shard = Mapping[str, AbstractQueue]
"""One share of the accounts: a queue for each command operation, by the operation's name."""


@dataclass(frozen=True, slots=True)
class Split:
    """Over how many shards the commands are split, and how many workers share those.

    A worker takes its share at once, and stands by for the rest `rest_after_s` seconds later.
    """

    shards: int = 1
    workers: int = 1
    rest_after_s: float = 1.0


UNSHARDED = Split()
"""Not split."""


def shard_queue(operation: Operation, number: int, shards: int) -> str:
    """The queue of an operation's shard; numbers begin at 1."""
    return f"{operation.name}.{number}-of-{shards}"


def queues_of(operation: Operation, shards: int) -> tuple[str, ...]:
    """All queues out of which an operation is carried out, its own first."""
    split = range(1, shards + 1) if shards > 1 and operation.is_command else ()
    return (operation.name, *(shard_queue(operation, number, shards) for number in split))


def _hash_exchange(operation: Operation) -> str:
    return f"{operation.name}.shards"


@dataclass(frozen=True, slots=True)
class Shards:
    """The declared shards, in order, and the exchanges in front of them; none where commands are not split."""

    channel: AbstractRobustChannel
    exchanges: Mapping[Operation, AbstractRobustExchange]
    queues: Sequence[Shard]

    async def lead(self) -> None:
        """Lead commands to the shards from now on, and let clients know that they are."""
        for operation, exchange in self.exchanges.items():
            await exchange.bind(COMMANDS_EXCHANGE, routing_key=operation.name, robust=False)
        if self.exchanges:
            await self.channel.declare_exchange(LED_EXCHANGE, ExchangeType.FANOUT, robust=False)


async def declare_shards(channel: AbstractRobustChannel, shards: int) -> Shards:
    """Declare the shards; no command is led to them yet. Raises TopologyRefused.

    RabbitMQ 3.10 restores the bindings of a consistent-hash exchange in no certain order, and accounts would move to
    other shards than their waiting commands. So the exchange is not durable: in Mnesia it does not outlive the broker,
    and whichever worker comes back first makes it anew, its shards in order, and then leads the commands there. Until
    then `dma.unrouted` takes them. Khepri, as in RabbitMQ 4.3, keeps it all the same, with its shards as they were.
    """
    if shards == 1:
        return Shards(channel, {}, ())
    exchanges = {row: await _declare_hash_exchange(channel, row) for row in COMMANDS}
    with as_refusal():
        queues = tuple([await _declare_shard(channel, exchanges, number, shards) for number in range(1, shards + 1)])
    return Shards(channel, exchanges, queues)


async def _declare_hash_exchange(channel: AbstractRobustChannel, operation: Operation) -> AbstractRobustExchange:
    try:
        return await channel.declare_exchange(
            _hash_exchange(operation), ExchangeType.X_CONSISTENT_HASH, arguments={"hash-header": ACCOUNT_HEADER}
        )
    except (ConnectionCommandInvalid, ChannelPreconditionFailed) as error:  # RabbitMQ 3 says the one, 4 the other
        if UNKNOWN_KIND not in str(error):
            raise
        raise TopologyRefused(
            "PERPS_DMA_SHARDS above 1 needs a plugin of the broker: rabbitmq-plugins enable "
            f"rabbitmq_consistent_hash_exchange ({error})"
        ) from error


async def _declare_shard(
    channel: AbstractRobustChannel, exchanges: Mapping[Operation, AbstractRobustExchange], number: int, shards: int
) -> Shard:
    queues: dict[str, AbstractQueue] = {}
    for operation, exchange in exchanges.items():
        name = shard_queue(operation, number, shards)
        queue = await channel.declare_queue(name, durable=True, arguments=queue_arguments(operation))
        await queue.bind(exchange, routing_key=WEIGHT)
        queues[operation.name] = queue
    return queues


async def settle_count(connection: AbstractRobustConnection, shards: int) -> None:
    """Make this the broker's number of shards: what is left of another number is removed.

    Raises TopologyRefused while messages wait under another number, or are consumed: with another number the accounts
    move to other shards, past what waits for them.
    """
    if await _is_count(connection, shards):
        return
    left = [count for count in range(2, MAX_SHARDS + 1) if count != shards and await _is_split(connection, count)]
    for count in left or [1]:
        await _require_drained(connection, count, shards)
    channel = await plain_channel(connection)
    await channel.exchange_delete(LED_EXCHANGE)
    for operation in COMMANDS:
        await channel.exchange_delete(_hash_exchange(operation))
    for count in left:
        await _require_drained(connection, count, shards)  # with the exchanges gone, nothing can have come since
        await _remove(connection, count)
    await channel.exchange_delete(COUNT_EXCHANGE)
    await channel.close()
    await _is_count(connection, shards)


async def _is_count(connection: AbstractRobustConnection, shards: int) -> bool:
    """Whether the broker remembers this number of shards; it does from now on if it remembered none."""
    channel = await plain_channel(connection)
    try:
        await channel.exchange_declare(
            COUNT_EXCHANGE,
            exchange_type=ExchangeType.FANOUT.value,
            durable=True,
            internal=True,
            arguments={"alternate-exchange": f"{COUNT_EXCHANGE}.{shards}"},
        )
    except ChannelPreconditionFailed:
        return False
    await channel.close()
    return True


async def _is_split(connection: AbstractRobustConnection, shards: int) -> bool:
    return any([await consulted(connection, shard_queue(row, 1, shards)) for row in COMMANDS])


async def consulted(connection: AbstractRobustConnection, queue: str) -> spec.Queue.DeclareOk | None:
    """What the broker says of a queue: its waiting messages and its consumers. None if there is no such queue."""
    channel = await plain_channel(connection)
    try:
        answer = await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return None
    await channel.close()
    return answer


async def _require_drained(connection: AbstractRobustConnection, count: int, wanted: int) -> None:
    if wanted == count:
        return
    busy: list[str] = []
    for name in [name for row in COMMANDS for name in queues_of(row, count)[count > 1 :]]:
        found = await consulted(connection, name)
        if found and (found.message_count or found.consumer_count):
            busy.append(f"{name} ({found.message_count} messages, {found.consumer_count} consumers)")
    if busy:
        raise TopologyRefused(
            f"PERPS_DMA_SHARDS is {wanted}, and this broker's commands are split over {count}. Drain first: stop "
            f"publishing, let workers with PERPS_DMA_SHARDS={count} finish what waits, stop them, and start again. "
            f"In use: {', '.join(busy)}"
        )


async def _remove(connection: AbstractRobustConnection, count: int) -> None:
    channel = await plain_channel(connection)
    # Backwards: the first shards, by which a number is found, go last.
    for number in range(count, 0, -1):
        for operation in COMMANDS:
            await channel.queue_delete(shard_queue(operation, number, count))
    await channel.close()
    log.info("old_shards_removed", count=count)
