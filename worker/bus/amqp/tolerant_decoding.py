"""Reading whatever the broker delivers: one message that can't be read must not end the connection.

AMQP wants ids and names in UTF-8 and times that a calendar has; the broker minds neither and delivers what it was
given. The client library closes the connection over it, the broker delivers the message again, and nothing else is ever
consumed. Here the message arrives all the same, with what could be read of it, and says what could not.
"""

import struct
from dataclasses import dataclass

from pamqp import decode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

ILLEGIBLE = "illegible"
"""The header under which a message says so. What clients send can't be mistaken for it, it has a type of its own."""

_UNREADABLE: tuple[type[Exception], ...] = (ValueError, ArithmeticError, OSError, RecursionError, struct.error)
"""What decoding raises: for a text that is none, for a time beyond the calendar, for a table without bottom."""


@dataclass(frozen=True, slots=True)
class Illegible:
    """The first property that can't be read; those behind it are lost with it."""

    name: str


_read_properties = ContentHeader.unmarshal


def _read_what_can_be_read(content: ContentHeader, data: bytes) -> None:
    try:
        _read_properties(content, data)
    except _UNREADABLE:
        headers = content.properties.headers or {}
        content.properties.headers = {**headers, ILLEGIBLE: Illegible(_unread(content, data))}  # type: ignore[dict-item]


def _unread(content: ContentHeader, data: bytes) -> str:
    _, flags = content._get_flags(data[12:])
    present = (name for name in Basic.Properties.__slots__ if flags & Basic.Properties.flags[name])
    return next(name for name in present if getattr(content.properties, name) is None)


def _short_text(value: bytes) -> tuple[int, str]:
    """A short string; what is no UTF-8 in it becomes a character that no id may have, and that is as short."""
    try:
        return decode.short_str(value)
    except UnicodeDecodeError:
        text = value[1 : 1 + value[0]].decode(errors="replace")
        return 1 + value[0], text.replace("\N{REPLACEMENT CHARACTER}", "\N{SUBSTITUTE}")


def read_everything() -> None:
    """Let the client library read every message from now on, in this process."""
    # It has no seam for that: these are the two places where it looks up how to read.
    decode.METHODS["shortstr"] = _short_text
    ContentHeader.unmarshal = _read_what_can_be_read  # type: ignore[assignment, method-assign]
