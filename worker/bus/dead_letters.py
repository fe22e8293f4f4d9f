"""The dead letters: what nobody could carry out, and why; sending them again, or throwing them away.

They are read by consuming them, and given back by closing that channel: then a quorum queue puts them back in their
order. After a nack of more than 32, or when they were got one by one, RabbitMQ 3.10 does not.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity

from schemas import OPERATIONS
from schemas.base import Milliseconds, utc_text
from schemas.client.trouble import CONNECTION_TROUBLE, HEARTBEAT_S, as_trouble
from schemas.envelope import printable
from schemas.events import DeadLettersAction, DeadLettersChange, DeadLettersEvent, event_id
from schemas.operations import COMMANDS_EXCHANGE
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.amqp.connection import CONNECT_TIMEOUT_S, prepare_client_library
from worker.bus.amqp.deliveries import Delegates
from worker.bus.amqp.publisher import publish_event
from worker.bus.amqp.publishing import PublishFailed, properties, publish
from worker.bus.amqp.tolerant_decoding import ILLEGIBLE
from worker.bus.amqp.topology import DEAD_LETTERS, DELIVERY_LIMIT
from worker.bus.letter_ids import LetterName, base_id, names_of
from worker.messages.wire import ACCOUNT_HEADER, named_account, outgoing
from worker.runtime.clock import now
from worker.runtime.errors import OperatorError

READER = "dma.dead-letters.reader"
"""An exclusive queue of whoever reads: a second reader would see only what the first has not got."""

PATIENCE_S = 5
"""How long the next letter may take before we go on with those that came."""

LOOK_S = 0.01
"""How often we look whether the broker has put back what it was given back."""

BROKER_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "delivery_limit": f"delivered more than {DELIVERY_LIMIT} times and never finished: each time the worker died, "
        "lost its connection or gave it back",
        "rejected": "refused by the worker",
        "expired": "its expiration passed before a worker took it",
        "maxlen": "its queue was full",
    }
)
"""What the broker's reasons mean."""

NOT_SETTLED: tuple[type[Exception], ...] = (PublishFailed, *CONNECTION_TROUBLE)

LONGEST_NAME = 255
"""Bytes that AMQP has for a routing key."""

SET_BY_DEATH = re.compile(r"x-(death|delivery-count|acquired-count|(first|last)-death-.*)")


class LettersUnavailable(OperatorError):
    """The dead letters can't be read; the message says why."""


class LettersBusy(LettersUnavailable):
    """Somebody else has them at the moment."""


class UnknownLetter(OperatorError):
    """No letter is known by this id, or several are; the message says which."""

    def __init__(self, message: str, letter_id: str) -> None:
        super().__init__(message)
        self.letter_id = letter_id


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: what it is known by, when and why it died, and the message itself.

    No two letters have the same id. It is the command id where that is this letter's alone, and can be typed; `own_id`
    stays its own when letters with the same command id come and go.
    """

    id: str
    own_id: str
    time: datetime | None
    operation: str
    account: str | None
    actor: str | None
    reason: str
    message: AbstractIncomingMessage = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settled:
    """The letters that were sent again or thrown away, and what kept the rest of those that were meant."""

    letters: tuple[Letter, ...]
    problem: str | None = None


def letter_of(message: AbstractIncomingMessage, name: LetterName, speakers: Delegates) -> Letter:
    """What a message from the queue of dead letters tells about itself."""
    headers, death = message.headers, _death(message)
    died = death.get("time") if death else message.timestamp
    account = headers.get(ACCOUNT_HEADER)
    return Letter(
        id=name.id,
        own_id=name.own,
        time=died if isinstance(died, datetime) else None,
        operation=_operation(message, death),
        account=named_account(message.body) or (None if account is None else str(account)),
        actor=_actor(message, speakers, died=bool(death)),
        reason=_reason(message, death),
        message=message,
    )


def _actor(message: AbstractIncomingMessage, speakers: Delegates, *, died: bool) -> str | None:
    """Who sent it; where a worker gave up, by that worker's word."""
    header = message.headers.get("actor")
    named = None if header is None else str(header)
    return speakers.actor(message.user_id, named) if died else named


def _death(message: AbstractIncomingMessage) -> Mapping[str, Any]:
    """The broker's note of the last time it gave up on a message; empty where a worker gave up."""
    match message.headers.get("x-death"):
        case [dict(last), *_]:
            return MappingProxyType(last)
    return MappingProxyType({})  # or something that a sender made up


def _reason(message: AbstractIncomingMessage, death: Mapping[str, Any]) -> str:
    if death:
        reason = str(death.get("reason"))
        return BROKER_REASONS.get(reason, f"given up by the broker: {reason}")
    return str(message.headers.get("reason", "no reason was given")).removeprefix("Error - ")


def _operation(message: AbstractIncomingMessage, death: Mapping[str, Any]) -> str:
    """The worker's word, or the queue it died in: `<operation>` or `<operation>.<shard>`, or where it was sent to."""
    told = str(message.headers.get("operation") or "")
    if told and not death and len(told.encode(errors="replace")) <= LONGEST_NAME:
        return told
    queue = str(death.get("queue", "")).partition(".")[0]
    return queue if queue in OPERATIONS else message.routing_key or ""


Record = Callable[[Letter], Awaitable[None]]
"""Writes down, before a letter is taken out, that it is; what it raises leaves the letter where it is."""


async def _no_record(letter: Letter) -> None:
    """Whoever has a ledger writes down what is done; see `DeadLetters.telling` for who has none."""


def change_event(
    action: DeadLettersAction, actor: str | None, why: str | None, letters: Sequence[Letter], at: Milliseconds
) -> DeadLettersEvent:
    """What is told of letters that somebody has sent again or thrown away."""
    done = DeadLettersChange(
        action=action,
        actor=actor,
        letters=tuple(letter.id for letter in letters),
        reasons=tuple(letter.reason for letter in letters),
        why=why,
        operations=tuple(letter.operation for letter in letters),
        accounts=tuple(letter.account for letter in letters),
        senders=tuple(letter.actor for letter in letters),
    )
    named = event_id("dead-letters", action, at, *done.letters)
    return DeadLettersEvent(id=named, subject=DEAD_LETTERS, time=utc_text(at), data=done)


class DeadLetters:
    """Dead letters, while nobody else sees them. `left` counts those that are neither sent again nor dropped.

    `more` is whether there are others behind them, which were not asked for.
    """

    def __init__(self, letters: tuple[Letter, ...], publishing: AbstractChannel, *, more: bool = False) -> None:
        self.letters = letters
        self.left = len(letters)
        self.more = more
        self._publishing = publishing

    def named(self, ids: Sequence[str]) -> tuple[Letter, ...]:
        """The letters of these ids, in their own order. Raises UnknownLetter."""
        known = {letter.own_id: letter for letter in self.letters} | {letter.id: letter for letter in self.letters}
        if unknown := sorted(set(ids) - known.keys()):
            raise UnknownLetter("; ".join(map(self._unknown, unknown)), unknown[0])
        chosen = {known[wanted].id for wanted in ids}
        return tuple(letter for letter in self.letters if letter.id in chosen)

    def _unknown(self, wanted: str) -> str:
        if same := [letter.id for letter in self.letters if letter.message.message_id == wanted]:
            return f"{len(same)} dead letters have the command id {wanted}: name them as {', '.join(same)}"
        return (
            f"there is no dead letter {printable(wanted)}: it was sent again or dropped, or never was; "
            "`perps-dma dead-letters list` shows those there are"
        )

    async def requeue(self, letters: Iterable[Letter], record: Record = _no_record) -> Settled:
        """Send letters again, as if they had just been sent for the first time: without their old deadline.

        Each is taken out only after the broker has confirmed the new message. A crash between the two leaves both;
        they have the same command id, with which a command is carried out only once.
        """

        async def send_again(letter: Letter) -> None:
            await self._publish(letter)
            await record(letter)
            await self._take_out(letter)

        return await self._settle(letters, send_again)

    async def drop(self, letters: Iterable[Letter], record: Record = _no_record) -> Settled:
        """Throw letters away."""

        async def throw_away(letter: Letter) -> None:
            await record(letter)
            await self._take_out(letter)

        return await self._settle(letters, throw_away)

    def telling(self, action: DeadLettersAction, actor: str, why: str | None = None) -> Record:
        """Publishes for everybody what somebody does with a letter; a worker writes that into the audit."""

        async def tell(letter: Letter) -> None:
            event = change_event(action, actor, why, [letter], now())
            await publish_event(partial(publish, self._publishing), outgoing(event))

        return tell

    async def _settle(self, letters: Iterable[Letter], settle: Callable[[Letter], Awaitable[None]]) -> Settled:
        done: list[Letter] = []
        for letter in letters:
            try:
                await settle(letter)
            except NOT_SETTLED as error:
                return Settled(tuple(done), f"{letter.id} stays, and those behind it: {error}")
            done.append(letter)
        return Settled(tuple(done))

    async def _take_out(self, letter: Letter) -> None:
        with as_trouble():
            await letter.message.ack()
        self.left -= 1

    async def _publish(self, letter: Letter) -> None:
        # A reply_to is left out: nobody waits any more, and a command that fails again could vanish in an answer. The
        # user_id becomes ours, for the broker lets nobody use another's; the actor keeps it.
        message = letter.message
        again = properties(
            content_type=message.content_type or "application/json",
            headers=_headers_without_death(letter),
            message_id=message.message_id or base_id(message),
            message_type=message.type or letter.operation,
            correlation_id=message.correlation_id,
        )
        # Never to `dma.control`: sending letters again lends nobody the rights of an admin.
        await publish(self._publishing, message.body, again, exchange=COMMANDS_EXCHANGE, routing_key=letter.operation)


def _headers_without_death(letter: Letter) -> dict[str, Any]:
    headers = letter.message.headers
    ours = () if _death(letter.message) else ("reason", "operation")
    kept = {
        name: value
        for name, value in headers.items()
        if name not in ("deadline", "timestamp_in_ms", ILLEGIBLE, *ours) and not SET_BY_DEATH.fullmatch(name)
    }
    return kept | {"actor": letter.actor, ACCOUNT_HEADER: headers.get(ACCOUNT_HEADER, letter.account)}


@asynccontextmanager
async def hold_dead_letters(
    url: str, shim_user: str = SHIM_USER, most: int | None = None
) -> AsyncIterator[DeadLetters]:
    """Hold the dead letters while the context lasts, all of them or the `most` oldest.

    Those that are left of them then go back, in their order. Raises LettersUnavailable or one of CONNECTION_TROUBLE.
    Whatever ends the process, nothing is lost.
    """
    prepare_client_library()
    connection = await aio_pika.connect(
        url,
        client_properties={"connection_name": "perps-dma dead-letters"},
        heartbeat=HEARTBEAT_S,
        timeout=CONNECT_TIMEOUT_S,
    )
    async with connection:
        reader = await _exclude_others(connection)
        reading = await connection.channel()
        letters, beyond = await _read(reading, Delegates.beside(shim_user, url), most)
        held = DeadLetters(letters, await connection.channel(), more=beyond > 0)
        try:
            yield held
        finally:
            await reading.close()
            await _until_back(connection, held.left + beyond)
            # With its connection it would go as well, on RabbitMQ 4.3 some time later: the next may be there sooner.
            await reader.delete(if_unused=False, if_empty=False)


async def _until_back(connection: AbstractConnection, count: int) -> None:
    """Leave when the broker has so many letters again: whoever reads next would miss those that are on their way."""
    channel = await connection.channel()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while await _waiting(channel) < count:  # noqa: ASYNC110 - it is the broker's to say
                await asyncio.sleep(LOOK_S)


async def _waiting(channel: AbstractChannel) -> int:
    return (await channel.declare_queue(DEAD_LETTERS, passive=True)).declaration_result.message_count or 0


async def _exclude_others(connection: AbstractConnection) -> AbstractQueue:
    channel = await connection.channel()
    try:
        return await channel.declare_queue(READER, exclusive=True)
    except ChannelLockedResource as error:
        raise LettersBusy("somebody else has the dead letters at the moment; try again when they are done") from error


async def _read(channel: AbstractChannel, speakers: Delegates, most: int | None) -> tuple[tuple[Letter, ...], int]:
    """The letters, and how many there are beyond those that were asked for."""
    try:
        queue = await channel.declare_queue(DEAD_LETTERS, passive=True)
    except ChannelNotFoundEntity as error:
        raise LettersUnavailable("no worker was ever started on this broker, it has no dead letters") from error
    waiting = queue.declaration_result.message_count or 0
    asked = waiting if most is None else min(waiting, most)
    inbox = asyncio.Queue[AbstractIncomingMessage]()
    if asked < waiting:
        await channel.set_qos(prefetch_count=asked)
    await queue.consume(inbox.put)
    messages: list[AbstractIncomingMessage] = []
    with suppress(TimeoutError):
        for _ in range(asked):
            async with asyncio.timeout(PATIENCE_S):
                messages.append(await inbox.get())
    named = zip(messages, names_of(messages), strict=True)
    return tuple(letter_of(message, name, speakers) for message, name in named), waiting - asked
