"""Reading a venue's raw JSON: every field is checked where it is used, and what is amiss is named."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.base import Milliseconds
from worker.venues.port.errors import Ambiguous

Row = dict[str, Any]

_EXACT = frozenset({str, int})
"""What Decimal reads exactly as it is; of all else it is given the text, which for a truth value is no number."""


def rows(body: Any, what: str) -> list[Row]:
    """A list of objects. Raises Ambiguous for anything else."""
    if isinstance(body, list) and set(map(type, body)) <= {dict}:
        return body
    raise Ambiguous(f"the answer to {what} is no list of objects", raw=body)


def mapping(body: Any, what: str) -> Row:
    """One object. Raises Ambiguous for anything else."""
    if isinstance(body, dict):
        return body
    raise Ambiguous(f"the answer to {what} is no object", raw=body)


def decimal(row: Row, name: str) -> Decimal:
    """A finite number, whether the venue writes it as text or as a number. Raises Ambiguous, naming the field."""
    try:
        value = row[name]
        number = Decimal(value if type(value) in _EXACT else str(value))
    except (KeyError, InvalidOperation):
        raise _amiss(row, name) from None
    if not number.is_finite():
        raise _amiss(row, name)
    return number


def figure(row: Row, name: str) -> Decimal | None:
    """A finite number that need not be told: nothing and an empty text are None. Raises Ambiguous, naming the field."""
    return None if (value := row.get(name)) is None or value == "" else decimal(row, name)


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


@dataclass(slots=True)
class ReadFrom:
    """Names the endpoint, as the venue writes it, in what can't be understood of its answer, and whom it is about.

    A context as a class: entered for each row, it costs a quarter of what a generator does.
    """

    endpoint: str
    subject: str | None = None

    def __enter__(self) -> None:
        """Whatever is raised from here on is looked at."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise what was not understood once more, with the place."""
        if isinstance(error, Ambiguous):
            where = self.endpoint if self.subject is None else f"{self.endpoint}, {self.subject}"
            raise type(error)(f"{error.message} ({where})", venue_code=error.venue_code, raw=error.raw) from None


def _amiss(row: Row, name: str) -> Ambiguous:
    state = "unreadable" if name in row else "missing"
    return Ambiguous(f"the field {name} of the venue's answer is {state}", raw=row)
