"""Reading a venue's raw JSON: every field is checked where it is used, and what is amiss is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.base import Milliseconds
from worker.venues.port.errors import Ambiguous

Row = dict[str, Any]


def rows(body: Any, what: str) -> list[Row]:
    """A list of objects. Raises Ambiguous for anything else."""
    if isinstance(body, list) and all(isinstance(row, dict) for row in body):
        return body
    raise Ambiguous(f"the answer to {what} is no list of objects", raw=body)


def mapping(body: Any, what: str) -> Row:
    """One object. Raises Ambiguous for anything else."""
    if isinstance(body, dict):
        return body
    raise Ambiguous(f"the answer to {what} is no object", raw=body)


def decimal(row: Row, name: str) -> Decimal:
    """A finite number, whether the venue writes it as text or as a number. Raises Ambiguous, naming the field."""
    value = row.get(name)
    try:
        number = Decimal(value if isinstance(value, str | int) else str(value))
    except InvalidOperation:
        raise _amiss(row, name) from None
    if not number.is_finite() or isinstance(value, bool):
        raise _amiss(row, name)
    return number


def figure(row: Row, name: str) -> Decimal | None:
    """A finite number that need not be told: nothing and an empty text are None. Raises Ambiguous, naming the field."""
    return None if row.get(name) in (None, "") else decimal(row, name)


def text(row: Row, name: str) -> str:
    """A text with something in it. Raises Ambiguous, naming the field."""
    value = row.get(name)
    if isinstance(value, str) and value:
        return value
    raise _amiss(row, name)


def identifier(row: Row, name: str) -> str:
    """An id, whether the venue writes it as text or as a whole number. Raises Ambiguous, naming the field."""
    value = row.get(name)
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    raise _amiss(row, name)


def milliseconds(row: Row, name: str) -> Milliseconds:
    """An instant. Raises Ambiguous, naming the field."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _amiss(row, name)


def boolean(row: Row, name: str) -> bool:
    """True or false. Raises Ambiguous, naming the field."""
    value = row.get(name)
    if isinstance(value, bool):
        return value
    raise _amiss(row, name)


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts. Raises Ambiguous, naming the field."""
    value = row.get(name)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _amiss(row, name)


@contextmanager
def read_from(endpoint: str, subject: str | None = None) -> Iterator[None]:
    """Name the endpoint, as the venue writes it, in what can't be understood of its answer, and whom it is about."""
    try:
        yield
    except Ambiguous as error:
        where = endpoint if subject is None else f"{endpoint}, {subject}"
        told = type(error)(f"{error.message} ({where})", venue_code=error.venue_code, raw=error.raw)
    else:
        return
    raise told


def _amiss(row: Row, name: str) -> Ambiguous:
    state = "unreadable" if name in row else "missing"
    return Ambiguous(f"the field {name} of the venue's answer is {state}", raw=row)
