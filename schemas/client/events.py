"""The events as a typed stream, from any place of it on, over as many broken connections as there are."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, cast, get_args

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity
from pydantic import ValidationError

from ..events import CloudEvent, Event
from .answers import decoded, read, typed_envelope
from .errors import BrokerAway, NotAllowed, NotServed
from .stream import Offset, followed, offset_of, place_of
from .trouble import CONNECTION_TROUBLE

TYPE = "perps-dma.{}.v1"
"""An event's type, by the name that filters go by: `result`, `positions`."""

log = logging.getLogger("perps_dma")


class OtherEvent(CloudEvent):
    """An event of a type that this version of the client does not know yet."""

    type: str
    data: Any


AnyEvent = Event | OtherEvent

_MODELS: Mapping[str, type[CloudEvent]] = MappingProxyType(
    {model.model_fields["type"].default: model for model in get_args(Event)}
)

NAMES = frozenset(name.removeprefix("perps-dma.").removesuffix(".v1") for name in _MODELS)
"""What filters may name."""


def event_of(body: bytes) -> AnyEvent:
    """An event, by its type. Raises ValueError for what is none."""
    raw = decoded(body)
    model = _MODELS.get(raw["type"], OtherEvent)
    if raw["type"] == TYPE.format("result"):
        data = raw["data"]
        raw = {**raw, "data": {**data, "envelope": typed_envelope(data["operation"], data["envelope"])}}
    return cast(AnyEvent, read(model, raw))


class EventStream(AsyncIterator[AnyEvent]):
    """Events, oldest first, without an end. After a lost connection it goes on behind the last one.

    Around a crash an event may be told twice, with the same `id`, or behind one that is younger.

    `next_offset` is where to begin later (`start=`) in order to miss nothing: what was given out is behind it.
    Raises BrokerAway, NotServed or NotAllowed where it can't begin; and BrokerAway where it began at the end (`next`)
    and lost the connection before the first event, for nobody can tell then what came meanwhile. Begin at a place of
    the stream, such as the `next_offset` of `get_snapshots`, to go on whatever happens.
    """

    def __init__(self, url: str, name: str, start: str | int | datetime, types: Collection[str], account: str | None):
        if unknown := set(types) - NAMES:
            raise ValueError(f"there are no events {', '.join(sorted(unknown))}; there are {', '.join(sorted(NAMES))}")
        self._start: Offset = offset_of(start, datetime.now(UTC)) if isinstance(start, str) else start
        self._types = frozenset(TYPE.format(name) for name in types)
        self._account = account
        self._messages: AsyncGenerator[AbstractIncomingMessage, None] = followed(url, self._start, name=name)
        self.next_offset: int | None = self._start if isinstance(self._start, int) else None

    async def __anext__(self) -> AnyEvent:
        while True:
            message = await self._next()
            self.next_offset = place_of(message) + 1
            if (event := _legible(message)) is not None and self._is_wanted(event):
                return event

    async def _next(self) -> AbstractIncomingMessage:
        try:
            return await anext(self._messages)
        except ChannelNotFoundEntity as error:
            raise NotServed(f"no worker was ever started on this broker: {error}") from error
        except ChannelAccessRefused as error:
            raise NotAllowed(str(error)) from error
        except CONNECTION_TROUBLE as error:
            raise BrokerAway(str(error) or type(error).__name__) from error

    def _is_wanted(self, event: AnyEvent) -> bool:
        if self._types and event.type not in self._types:
            return False
        if self._account is not None and event.subject != self._account:
            return False
        # A time names a chunk of the stream, which may begin earlier than asked.
        begin = self._start
        return not isinstance(begin, datetime) or datetime.fromisoformat(event.time) >= begin.replace(microsecond=0)

    async def aclose(self) -> None:
        """Read no more."""
        await self._messages.aclose()


def _legible(message: AbstractIncomingMessage) -> AnyEvent | None:
    try:
        return event_of(message.body)
    except (ValueError, KeyError, TypeError) as error:
        # Pydantic's own text repeats what was sent.
        told = error.error_count() if isinstance(error, ValidationError) else error
        log.warning("event %s in the stream can't be read: %s", place_of(message), told)
        return None
