"""Asking a worker over the bus and waiting for its answer."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Required, TypedDict, Unpack
from weakref import WeakSet

from aio_pika.abc import AbstractChannel, AbstractRobustChannel, AbstractRobustConnection
from aiormq import spec
from aiormq.exceptions import ChannelAccessRefused
from pydantic import AmqpDsn

from schemas import Operation
from schemas.base import Milliseconds
from schemas.client.trouble import CONNECTION_TROUBLE
from worker.bus.amqp.connection import closed_soon, connected
from worker.bus.amqp.incoming import Incoming, Taking
from worker.bus.amqp.publishing import PublishFailed, Unroutable, properties, sending
from worker.bus.amqp.renewal import RenewedChannel
from worker.bus.consumer_counts import ConsumerCounts
from worker.messages.wire import ACCOUNT_HEADER, EXCHANGE_HEADER, GUARDRAILS_HEADER, REASON_HEADER, named_account
from worker.runtime.clock import now
from worker.runtime.errors import ExecutionError
from worker.runtime.stopping import set_within
from worker.telemetry import tracing

REPLY_TO = "amq.rabbitmq.reply-to"
REPLY_GRACE_MS = 500
"""How long after the deadline an answer is waited for: the worker needs a moment to say `expired` or `unknown`."""

WATCH_INTERVAL_S = 1
"""How old what we know of the workers may be before a request is published on the strength of it."""


@dataclass(frozen=True, slots=True)
class RpcReply:
    """A worker's reply: the HTTP status, the envelope as JSON bytes, and headers such as `Outcome`.

    `exchange` is the account's venue, where the request was accepted.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    exchange: str | None = None


class BusError(ExecutionError):
    """Base of what can go wrong between a caller and a worker."""


class NoWorker(BusError):
    """Nothing was published: no worker takes this operation."""


class NoAnswer(BusError):
    """It was published, and no answer came in time."""


class BrokerAway(BusError):
    """The broker can't be reached; nothing was published."""


class RightsMissing(BrokerAway):
    """The broker is there and denies our user what it has to know; the message says what to do."""


class RequestInDoubt(BusError):
    """The broker went away while a request was being published, or its answer: it may be carried out or not."""


def _answer(message: Incoming) -> RpcReply:
    headers = {name: str(value) for name, value in message.headers.items()}
    status, exchange = int(headers.pop("status", "200")), headers.pop(EXCHANGE_HEADER, None)
    return RpcReply(status=status, body=message.body, headers=headers, exchange=exchange)


class About(TypedDict, total=False):
    """What is said of a request beside its body. Its deadline is in UTC milliseconds.

    `reason` is why its sender wants it, for the audit. `guardrails` are those of the sender's token, as JSON.
    """

    command_id: Required[str]
    deadline: Required[Milliseconds]
    actor: str | None
    reason: str | None
    guardrails: str | None


def _request(
    operation: Operation, body: bytes, about: About, correlation_id: str | None = None
) -> spec.Basic.Properties:
    reason = about.get("reason")
    return properties(
        headers={
            "deadline": about["deadline"],
            "actor": about.get("actor"),
            GUARDRAILS_HEADER: about.get("guardrails"),
            ACCOUNT_HEADER: named_account(body),
            "timestamp_in_ms": now(),
            **({} if reason is None else {REASON_HEADER: reason}),
            **tracing.carried(),
        },
        persistent=operation.is_command,
        message_id=about["command_id"],
        message_type=operation.name,
        correlation_id=correlation_id,
        reply_to=REPLY_TO if correlation_id else None,
    )


class _ReplyChannel:
    """A channel that publishes requests and receives their replies: direct reply-to needs both on one channel."""

    _channel: RenewedChannel

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[RpcReply | None]] = {}
        self._left: WeakSet[AbstractChannel | None] = WeakSet()

    @classmethod
    async def open(cls, connection: AbstractRobustConnection) -> "_ReplyChannel":
        """It receives replies from now on, and again after a reconnect."""
        replies = cls()
        replies._channel = await RenewedChannel.open(connection, replies._listen, replies._leave)
        return replies

    async def publish(self, operation: Operation, body: bytes, message: spec.Basic.Properties) -> None:
        """Publish a request. Raises what `publish` raises."""
        await self._channel.publish(body, message, exchange=operation.exchange, routing_key=operation.name)

    async def _listen(self, channel: AbstractRobustChannel) -> None:
        # Taken with a passive declare, the reply consumer is restored after a reconnect.
        queue = await channel.get_queue(REPLY_TO)
        await queue.consume(Taking(self._receive), no_ack=True)
        channel.close_callbacks.add(self._lose)

    async def _leave(self, channel: AbstractRobustChannel) -> None:
        """Close a channel when the answers that were asked for on it are there, or are waited for no more."""
        if waiting := set(self._waiting.values()):
            await asyncio.wait(waiting)
        self._left.add(channel)
        await closed_soon(channel.close)

    def _lose(self, channel: AbstractChannel | None, *_: object) -> None:
        """Nothing of what is waited for comes any more: direct replies go with the channel that they were asked on."""
        if channel in self._left:
            return
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    def _receive(self, message: Incoming) -> None:
        waiting = self._waiting.get(str(message.correlation_id))
        if waiting is not None and not waiting.done():
            waiting.set_result(_answer(message))

    @contextmanager
    def expecting(self, correlation_id: str) -> Iterator["asyncio.Future[RpcReply | None]"]:
        """The future of an answer, None when it was lost; it is forgotten when nobody waits for it any more."""
        future: asyncio.Future[RpcReply | None] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = future
        try:
            yield future
        finally:
            del self._waiting[correlation_id]
            future.cancel()


class RpcClient:
    """Calls operations by publishing to `dma.commands`, or to `dma.control` what only admins may ask for.

    Both are confirmed by the broker: what is not may be lost with a node of a cluster, and nobody would tell. Commands
    are persistent, queries are not, for nobody wants a late answer.
    """

    def __init__(self, presence: ConsumerCounts, commands: _ReplyChannel, queries: _ReplyChannel) -> None:
        self._presence = presence
        self._commands = commands
        self._queries = queries
        self._calls = 0
        self._counts: Mapping[str, int] = {}

    @classmethod
    async def for_few(cls, connection: AbstractRobustConnection, shards: int = 1) -> "RpcClient":
        """A client on one channel, for a program that asks a little and ends: it looks for workers when it asks."""
        channel = await _ReplyChannel.open(connection)
        return cls(ConsumerCounts(connection, shards), channel, channel)

    @classmethod
    @asynccontextmanager
    async def open(cls, connection: AbstractRobustConnection, shards: int = 1) -> AsyncIterator["RpcClient"]:
        """A client on two channels of a connection, which keeps an eye on the workers while it is open."""
        channels = [await _ReplyChannel.open(connection) for _ in range(2)]
        client, closing = cls(ConsumerCounts(connection, shards), *channels), asyncio.Event()
        watching = asyncio.create_task(client._watch_workers(closing))
        try:
            yield client
        finally:
            closing.set()
            await watching

    async def call(self, operation: Operation, body: bytes, **about: Unpack[About]) -> RpcReply:
        """Publish a request and wait for its answer until shortly after the deadline.

        Raises NoWorker, NoAnswer, BrokerAway or RequestInDoubt.
        """
        side = self._commands if operation.is_command else self._queries
        self._calls += 1
        correlation_id = f"{self._calls:x}"
        with side.expecting(correlation_id) as answer:
            with sending(operation.exchange, operation.name, about["command_id"]):
                message = _request(operation, body, about, correlation_id)
                await self._publish(side, operation, body, message)
            try:
                async with asyncio.timeout(max(0, about["deadline"] + REPLY_GRACE_MS - now()) / 1000):
                    told = await answer
            except TimeoutError:
                raise NoAnswer(f"no answer to {operation.name} before its deadline") from None
        if told is None:
            raise RequestInDoubt("the connection to the broker was lost, and the answer with it")
        return told

    async def post(self, operation: Operation, body: bytes, **about: Unpack[About]) -> None:
        """Publish a command and wait for no answer; the broker has confirmed it.

        Raises NoWorker, BrokerAway or RequestInDoubt.
        """
        with sending(operation.exchange, operation.name, about["command_id"]):
            await self._publish(self._commands, operation, body, _request(operation, body, about))

    async def consumers(self) -> Mapping[str, int]:
        """How many consumers each operation has, as the broker says now; none if one of its shards has none.

        Raises BrokerAway, or RightsMissing.
        """
        return await self._looked_up(None)

    async def _looked_up(self, operations: Collection[str] | None) -> Mapping[str, int]:
        try:
            return await self._presence.consumers(operations)
        except ChannelAccessRefused as error:
            raise RightsMissing(
                f"the broker does not tell our user who consumes ({error}); give it the rights that "
                "`perps-dma definitions` lists: import them again, as is needed for RabbitMQ 4.2.6 and later"
            ) from error
        except CONNECTION_TROUBLE as error:
            raise BrokerAway(str(error) or "the broker does not answer") from error

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._presence.connected

    @property
    def counts(self) -> Mapping[str, int]:
        """The same as it was seen a second ago; nothing while the broker is away."""
        return self._counts

    async def _publish(
        self, side: _ReplyChannel, operation: Operation, body: bytes, message: spec.Basic.Properties
    ) -> None:
        await self._require_worker(operation)
        try:
            await side.publish(operation, body, message)
        except Unroutable as error:
            raise NoWorker(f"there is no queue for {operation.name}: no worker was ever started") from error
        except PublishFailed as error:
            self._counts = {}  # what we knew of the workers may have ended with the connection
            raise RequestInDoubt(str(error)) from error

    async def _require_worker(self, operation: Operation) -> None:
        """Trust the last look if it saw a worker; otherwise look again, for one may just have started."""
        if self._counts.get(operation.name):
            return
        self._counts = {**self._counts, **await self._looked_up([operation.name])}
        if not self._counts[operation.name]:
            raise NoWorker(f"no worker takes {operation.name} at the moment")

    async def _watch_workers(self, closing: asyncio.Event) -> None:
        wait_s = 0.0
        while not await set_within(closing, wait_s):
            try:
                self._counts = await self.consumers()
            except BrokerAway:
                self._counts = {}
            wait_s = WATCH_INTERVAL_S


@asynccontextmanager
async def connect_rpc(url: AmqpDsn | str, name: str, shards: int = 1) -> AsyncIterator[RpcClient]:
    """A client on a connection of its own. It has to know how many shards the workers are set to."""
    async with connected(url, name) as connection, RpcClient.open(connection, shards) as client:
        yield client


@asynccontextmanager
async def connect_for_few(url: AmqpDsn | str, name: str, shards: int = 1) -> AsyncIterator[RpcClient]:
    """The same for a program that asks a little and ends."""
    async with connected(url, name) as connection:
        yield await RpcClient.for_few(connection, shards)
