"""Frames of a venue's private streams: an object in each, or something that nobody documents."""

import re

import orjson

from schemas.base import Milliseconds
from worker.venues.client.masking import HIDDEN, SecretMask
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous
from worker.venues.port.streams import NotUnderstood

NO_JSON, NO_OBJECT = NotUnderstood("a frame that is no JSON"), NotUnderstood("a frame that is no object")


LONGEST_INSTANT = 16
"""Digits: of microseconds, which are more than any venue writes."""

_SIGNED = re.compile(r"[0-9A-Fa-f]{32,}|[A-Za-z0-9+/]{40,}={0,2}")
"""What may be a signature."""

LONGEST_REASON = 200


def object_in(frame: str) -> Row | NotUnderstood:
    """The object in a frame, or what it is instead.

    >>> object_in('{"op":"pong"}'), object_in("pong"), object_in("[]")
    ({'op': 'pong'}, NotUnderstood(what='a frame that is no JSON'), NotUnderstood(what='a frame that is no object'))
    """
    try:
        content = orjson.loads(frame)
    except ValueError:
        return NO_JSON
    return content if isinstance(content, dict) else NO_OBJECT


def instant_in(row: Row, name: str) -> Milliseconds:
    """An instant, written as a number or as a text. Raises Ambiguous, naming the field."""
    written = shape.identifier(row, name)
    if written.isascii() and written.isdecimal() and len(written) <= LONGEST_INSTANT:
        return int(written)
    raise Ambiguous(f"the field {name} is no instant")


def told_instant(row: Row, name: str) -> Milliseconds | None:
    """The same, and None for what is none."""
    try:
        return instant_in(row, name)
    except Ambiguous:
        return None


def figures_in(row: Row, names: tuple[str, ...]) -> dict[str, str]:
    """What a row says under these names, as the venue writes it; what is empty or left out says nothing.

    >>> figures_in({"size": "0.3", "liqPrice": "", "left": 2}, ("size", "liqPrice", "left"))
    {'size': '0.3', 'left': '2'}
    """
    told = ((name, row.get(name)) for name in names)
    return {name: str(value) for name, value in told if isinstance(value, str | int | float) and value != ""}


def reason_in(told: object, mask: SecretMask) -> str:
    """Why a venue refuses something, in its words and without anything that may be secret.

    >>> reason_in("error sign! ab12" + 30 * "c0", SecretMask()), reason_in(None, SecretMask())
    ("'error sign! ***'", 'no reason is told')
    """
    if not isinstance(told, str) or not told:
        return "no reason is told"
    return repr(_SIGNED.sub(HIDDEN, mask(told))[:LONGEST_REASON])
