"""The way to the workers: requests out, answers in, over as many broken connections as there are."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)

from ..base import Milliseconds
from ..operations import Operation
from .answers import Reply
from .errors import BrokerAway, NoAnswer, NotAllowed, NotServed
from .trouble import CONNECTION_TROUBLE, HEARTBEAT_S, as_trouble

REPLY_TO = "amq.rabbitmq.reply-to"
CONNECT_S = 10.0
CONFIRM_S = 5.0
CLOSE_S = 1.0
GRACE_S = 0.5
"""How long behind its deadline an answer is waited for: a worker needs a moment to say how a command ended."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0

_REFUSALS = (AuthenticationError, ProbableAuthenticationError, ConnectionNotAllowed, ChannelAccessRefused)


class _AnswerLost(ConnectionError):
    """The channel is gone that the answer was to come on."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is published, however often: always with the same id and the same deadline."""

    operation: Operation
    body: bytes
    account: str | None
    id: str
    timeout_s: float
    deadline: Milliseconds
    reason: str | None = None
    actor: str | None = None

    @property
    def headers(self) -> dict[str, Any]:
        """What goes with it, and is no part of its body."""
        optional = {"account": self.account, "audit-reason": self.reason, "actor": self.actor}
        given = {name: value for name, value in optional.items() if value is not None}
        return {"deadline": self.deadline, "timestamp_in_ms": int(time.time() * 1000), **given}


def request(
    operation: Operation,
    body: bytes,
    account: str | None,
    command_id: str,
    timeout_s: float,
    *,
    reason: str | None = None,
    actor: str | None = None,
) -> Request:
    """A request whose deadline is so many seconds from now."""
    deadline = int((time.time() + timeout_s) * 1000)
    return Request(operation, body, account, command_id, timeout_s, deadline, reason, actor)


class _Line:
    """One connection with one channel: direct reply-to needs requests and answers on the same."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self._connection = connection
        self._channel = channel
        self._user = _user_of(connection)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._numbers = itertools.count()

    @classmethod
    async def open(cls, url: str, name: str) -> "_Line":
        connection = await aio_pika.connect(
            url, timeout=CONNECT_S, heartbeat=HEARTBEAT_S, client_properties={"connection_name": name}
        )
        try:
            line = cls(connection, await connection.channel(publisher_confirms=True, on_return_raises=True))
            await line._listen(await line._channel.get_queue(REPLY_TO))
        except BaseException:
            await connection.close()
            raise
        return line

    async def _listen(self, replies: AbstractQueue) -> None:
        await replies.consume(self._receive, no_ack=True)
        self._channel.close_callbacks.add(self._lose)

    @property
    def is_open(self) -> bool:
        return not (self._channel.is_closed or self._connection.is_closed)

    async def ask(self, request: Request) -> Reply:
        """Publish a request and wait for its answer. Raises one of CONNECTION_TROUBLE."""
        number = f"{next(self._numbers):x}"
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._publish(request, number)
            return await answer
        finally:
            del self._waiting[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # looked at: where publishing has failed as well, nobody else does

    async def require_worker(self, operation: Operation) -> None:
        """Raises NotServed where no worker takes an operation; a user who may not see that is told nothing."""
        channel = await self._connection.channel()
        try:
            queue = await channel.declare_queue(operation.name, passive=True)
        except ChannelAccessRefused:
            return
        if not queue.declaration_result.consumer_count:
            raise NotServed(f"no worker takes {operation.name} at the moment; nothing was sent")
        await channel.close()

    async def _publish(self, request: Request, correlation_id: str) -> None:
        message = aio_pika.Message(
            request.body,
            content_type="application/json",
            message_id=request.id,
            correlation_id=correlation_id,
            reply_to=REPLY_TO,
            type=request.operation.name,
            user_id=self._user,
            delivery_mode=2 if request.operation.is_command else 1,
            headers=request.headers,
        )
        exchange = await self._channel.get_exchange(request.operation.exchange, ensure=False)
        await exchange.publish(message, request.operation.name, mandatory=True, timeout=CONFIRM_S)

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        answer = self._waiting.get(str(message.correlation_id))
        if answer is not None and not answer.done():
            answer.set_result(Reply(message.body, {name: str(value) for name, value in message.headers.items()}))

    def _lose(self, *_: object) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_AnswerLost("the connection to the broker was lost, and the answer with it"))

    async def close(self) -> None:
        with suppress(*CONNECTION_TROUBLE), as_trouble():
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()


def _user_of(connection: AbstractConnection) -> str | None:
    """The user that it logs in as; None where its certificate says so, and the URL does not."""
    url = cast(aio_pika.Connection, connection).url
    return None if url.query.get("auth", "").lower() == "external" else url.user or "guest"


class Link:
    """Asks, and sends a request again with the same id when the connection or the answer was lost."""

    def __init__(self, url: str, name: str, *, waits_for_worker: bool = True) -> None:
        self._url = url
        self._name = name
        self._waits_for_worker = waits_for_worker
        self._line: _Line | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False

    async def open(self) -> None:
        """Be connected. Raises BrokerAway or NotAllowed."""
        self._is_closed = False
        try:
            with as_trouble():
                await self._open_line()
        except _REFUSALS as error:
            raise NotAllowed(str(error)) from error
        except CONNECTION_TROUBLE as error:
            raise BrokerAway(_words(error)) from error

    async def ask(self, request: Request) -> Reply:
        """The answer to a request. Raises BrokerAway, NotServed, NotAllowed or NoAnswer."""
        trail = _Trail(request)
        try:
            async with asyncio.timeout(request.timeout_s + GRACE_S):
                for wait_s in _waits():
                    if self._is_closed:
                        break
                    if reply := await self._try(request, trail):
                        return reply
                    await asyncio.sleep(wait_s)
        except TimeoutError as error:
            raise trail.verdict(f"in {request.timeout_s:g} s") from error
        raise trail.verdict("before the client was closed")

    async def _try(self, request: Request, trail: "_Trail") -> Reply | None:
        try:
            with as_trouble():
                line = await self._open_line()
                if not (trail.sent or self._waits_for_worker):
                    await line.require_worker(request.operation)
                trail.sent = True
                return await line.ask(request)
        except _REFUSALS as error:
            raise NotAllowed(str(error)) from error
        except ChannelNotFoundEntity as error:
            raise NotServed(f"no worker was ever started on this broker: {error}") from error
        except CONNECTION_TROUBLE as error:
            trail.trouble = _words(error)
            return None

    async def _open_line(self) -> _Line:
        async with self._opening:
            if self._line is None or not self._line.is_open:
                await self._leave()
                self._line = await _Line.open(self._url, self._name)
            return self._line

    async def close(self) -> None:
        """Say goodbye, if the broker listens. What is still waited for is not sent again."""
        self._is_closed = True
        await self._leave()

    async def _leave(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()


@dataclass(slots=True)
class _Trail:
    """What is known of a request that has not been answered."""

    request: Request
    sent: bool = False
    trouble: str | None = None

    def verdict(self, when: str) -> BrokerAway | NoAnswer:
        if not self.sent:
            return BrokerAway(f"nothing was sent: {self.trouble or 'the broker does not answer'}")
        message = f"no answer to {self.request.operation.name} {when}"
        return NoAnswer(f"{message}; {self.trouble}" if self.trouble else message, self.request.id)


def _waits() -> Iterator[float]:
    """Ever longer, and not the same for all whom a restart of the broker has cut off."""
    for turn in itertools.count():
        yield min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(turn, 10)) * random.uniform(0.5, 1)  # noqa: S311 - spreads load


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
