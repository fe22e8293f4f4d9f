"""Publishing byte for byte: a client library refuses to write most of what a broken or malicious client sends."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from aio_pika.abc import AbstractChannel
from aiormq import spec

PROPERTIES = (
    *("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to"),
    *("expiration", "message_id", "timestamp", "type", "user_id", "app_id"),
)
"""The properties of a message, in the order of their flags and of their bytes."""


def short(value: bytes) -> bytes:
    """A short string: its length in one byte."""
    return bytes([len(value)]) + value


def long(value: bytes) -> bytes:
    """A long string, a table or an array: its length in four bytes."""
    return struct.pack(">I", len(value)) + value


def table(fields: Mapping[bytes, bytes]) -> bytes:
    """A table; each value begins with the letter of its type."""
    return long(b"".join(short(name) + value for name, value in fields.items()))


def text(value: bytes) -> bytes:
    """A string as a value in a table."""
    return b"S" + long(value)


def deep(levels: int) -> bytes:
    """A value of tables in tables, so many deep."""
    value = b"V"
    for _ in range(levels):
        value = b"F" + table({b"a": value})
    return value


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it goes over the wire; `properties` are encoded already."""

    body: bytes
    properties: Mapping[str, bytes] = field(default_factory=dict)
    routing_key: bytes = b"set_leverage"
    exchange: str = ""


class _Properties:
    """Takes the place of the client library's own."""

    message_id = "none that the library looks into"

    def __init__(self, properties: Mapping[str, bytes]) -> None:
        self._properties = properties

    def marshal(self) -> bytes:
        flags = sum(1 << (15 - place) for place, name in enumerate(PROPERTIES) if name in self._properties)
        values = [self._properties[name] for name in PROPERTIES if name in self._properties]
        return struct.pack(">H", flags) + b"".join(values)


class _RoutingKey(str):
    """A text whose bytes are given."""

    __slots__ = ("raw",)
    raw: bytes

    def encode(self, *_: Any, **__: Any) -> bytes:
        return self.raw


def _routing_key(raw: bytes) -> str:
    key = _RoutingKey(raw.decode("latin-1"))
    key.raw = raw
    return key


async def publish_raw(channel: AbstractChannel, message: RawMessage) -> None:
    """Publish, and wait until the broker has it."""
    underlay = await channel.get_underlay_channel()
    await underlay.basic_publish(
        message.body,
        exchange=message.exchange,
        routing_key=_routing_key(message.routing_key),
        properties=cast(spec.Basic.Properties, _Properties(message.properties)),
        timeout=10,
    )
