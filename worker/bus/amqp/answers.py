"""Answers, to whoever asked for one, on a connection that nothing else is published on.

Where to answer is up to a sender, and the broker may close the channel over it, or the whole connection: RabbitMQ 3.10
ends that with INTERNAL_ERROR (541) over a direct reply to a client of a node that is gone, and so over one that a
sender made up. What was under way there is then sent again, one answer at a time, on another connection, where the one
at fault harms no other and is known by its failing. Nobody waits for that one any more.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractRobustConnection
from aiormq import spec
from aiormq.exceptions import ConnectionInternalError

from schemas.base import Milliseconds
from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from schemas.envelope import failure
from schemas.outcomes import ErrorCode
from worker.bus.amqp.connection import closed_soon, connect_beside
from worker.bus.amqp.publishing import PublishFailed, QueueFull, TooLarge, Unroutable, properties, publish
from worker.bus.amqp.renewal import RenewedChannel
from worker.messages.wire import Delivery, Reply, reply_of
from worker.runtime.backoff import Backoff
from worker.runtime.clock import now

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
ANSWER_MS: Milliseconds = 5_000
"""How long an answer is tried at least, be its deadline past."""

GONE_S = 60.0
"""How long nobody is looked for again where the broker failed: a node that was only cut off may come back."""

MOST_GONE = 10_000
"""How many such places are kept in mind. A sender can make up any number."""

APART = "perps-dma worker (answers again)"

log = structlog.get_logger(__name__)


class NobodyThere(Unroutable):
    """The broker fails over the answer: who asked is gone, and a node with them."""


def _is_fault(error: PublishFailed) -> bool:
    """Whether the broker itself failed, over this answer or over another one on the same connection."""
    return isinstance(error.__cause__, ConnectionInternalError)


async def _nothing(_: AbstractChannel) -> None:
    """Answers need nothing declared."""


class AnswerPublisher:
    """Sends answers until the broker has them, or nobody waits for them any more."""

    def __init__(self, connection: AbstractRobustConnection, channel: RenewedChannel) -> None:
        self._connection = connection
        self._channel = channel
        self._gone: dict[str, float] = {}
        self._turn = asyncio.Lock()
        self._suspects = 0
        self._apart: AbstractChannel | None = None
        self._connection_apart: AbstractConnection | None = None

    @classmethod
    async def open(cls, connection: AbstractRobustConnection) -> "AnswerPublisher":
        """On a connection that nothing but answers is published on."""
        return cls(connection, await RenewedChannel.open(connection, _nothing))

    async def send(self, reply_to: str, delivery: Delivery, reply: Reply, *, mandatory: bool) -> bool:
        """Send an answer; tells whether somebody may have it.

        While the broker takes nothing, or is lost before it has confirmed, it is tried again for as long as somebody
        may wait.
        """
        message = properties(
            correlation_id=delivery.correlation_id or delivery.message_id,
            message_type=delivery.operation,
            headers={"status": reply.status, **reply.headers},
            persistent=False,
        )
        worthless = max(delivery.deadline or 0, now() + ANSWER_MS)
        backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        while now() < worthless:
            try:
                await self._publish(reply_to, reply.body, message, mandatory=mandatory)
            except (Unroutable, QueueFull):
                return False
            except TooLarge as error:
                reply = reply_of(failure(ErrorCode.INTERNAL_ERROR, f"the answer's {error}; ask for less"), {})
                message.headers = {"status": reply.status}
                continue
            except PublishFailed as error:
                log.warning("reply_not_published", operation=delivery.operation, error=str(error))
            else:
                return True
            await backoff.wait()
        return False

    async def _publish(self, reply_to: str, body: bytes, message: spec.Basic.Properties, *, mandatory: bool) -> None:
        self._require_there(reply_to)
        try:
            await self._channel.publish(body, message, routing_key=reply_to, mandatory=mandatory)
        except PublishFailed as error:
            if not _is_fault(error):
                raise
            await self._publish_apart(reply_to, body, message, mandatory=mandatory)

    async def _publish_apart(
        self, reply_to: str, body: bytes, message: spec.Basic.Properties, *, mandatory: bool
    ) -> None:
        async with self._alone() as channel:
            self._require_there(reply_to)  # another answer to the same place may have come first
            try:
                await publish(channel, body, message, routing_key=reply_to, mandatory=mandatory)
            except PublishFailed as error:
                if not _is_fault(error):
                    raise
                self._forget_oldest()
                self._gone[reply_to] = time.monotonic() + GONE_S
                raise NobodyThere(f"the broker fails over an answer to {reply_to}") from error

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AbstractChannel]:
        """A channel of a connection on which nothing else is under way. It lasts while there are suspects."""
        self._suspects += 1
        try:
            async with self._turn:
                if self._apart is None or self._apart.is_closed:
                    await self._leave_apart()
                    self._apart = await self._open_apart()
                yield self._apart
        finally:
            self._suspects -= 1
            if not self._suspects:
                await self._leave_apart()

    async def _open_apart(self) -> AbstractChannel:
        try:
            with as_trouble():
                self._connection_apart = await connect_beside(self._connection, APART)
                return await self._connection_apart.channel(publisher_confirms=True)
        except CONNECTION_TROUBLE as error:
            raise PublishFailed(f"no connection to the broker: {str(error) or type(error).__name__}") from error

    async def _leave_apart(self) -> None:
        connection, self._connection_apart, self._apart = self._connection_apart, None, None
        if connection is not None:
            await closed_soon(connection.close)

    def _require_there(self, reply_to: str) -> None:
        if time.monotonic() < self._gone.get(reply_to, 0.0):
            raise NobodyThere(f"the broker has failed over an answer to {reply_to}")

    def _forget_oldest(self) -> None:
        while len(self._gone) >= MOST_GONE:
            del self._gone[next(iter(self._gone))]
