"""Reading OKX's answers: a list under `data`, numbers and instants as text, empty text for what is not there."""

from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous


def items(body: Any, what: str) -> list[Row]:
    """The items of a successful answer. Raises Ambiguous for any other shape."""
    envelope = shape.mapping(body, what)
    if envelope.get("code") != "0":
        raise Ambiguous(f"OKX's answer to {what} does not say that it succeeded", raw=body)
    return shape.rows(envelope.get("data"), what)


def only_item(body: Any, what: str) -> Row:
    """The one item of a successful answer. Raises Ambiguous for none, or for several."""
    found = items(body, what)
    if len(found) != 1:
        raise Ambiguous(f"OKX's answer to {what} has {len(found)} items, not one", raw=body)
    return found[0]


def optional(row: Row, name: str) -> Decimal | None:
    """A number, or None where OKX leaves the field empty. Raises Ambiguous if it is unreadable."""
    return None if row.get(name) in (None, "") else shape.decimal(row, name)


def instant(row: Row, name: str) -> Milliseconds:
    """An instant, written as text. Raises Ambiguous, naming the field."""
    return int(shape.decimal(row, name))
