"""The model base and the number types that everything on the wire is made of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

_KINDS: Mapping[type, str] = MappingProxyType({str: "a string", bool: "a boolean", list: "an array", dict: "an object"})
"""What else JSON has."""


def _only_numbers(value: Any) -> Any:
    """A JSON string or boolean is no number, though Decimal would read one from it.

    What was sent is not repeated, for it may be a misplaced secret.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"must be a number, not {_KINDS.get(type(value), 'null')}")
    return value


def _finite(value: Any) -> Any:
    decimal = value if isinstance(value, Decimal) else Decimal(str(value))
    if not decimal.is_finite():
        raise ValueError("must be a finite number")
    return decimal


_AS_NUMBER = (PlainSerializer(float, return_type=float, when_used="json"), WithJsonSchema({"type": "number"}))

Money = Annotated[Decimal, *_AS_NUMBER]
"""An amount, price, size or ratio: Decimal inside, a JSON number outside. Strings are read exactly."""

Number = Annotated[Decimal, BeforeValidator(_finite), BeforeValidator(_only_numbers), *_AS_NUMBER]
"""A number that somebody else sends us: strings and booleans are refused, not converted."""

Milliseconds = int
"""UTC milliseconds since 1970-01-01, or a span of milliseconds."""


class WireModel(BaseModel):
    """What crosses a boundary: immutable, and closed to fields nobody documented."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def utc_text(timestamp: Milliseconds) -> str:
    """The documented `datetime` of a timestamp: UTC, whole seconds, a Z at the end.

    >>> utc_text(1706745600000)
    '2024-02-01T00:00:00Z'
    """
    return f"{datetime.fromtimestamp(timestamp // 1000, UTC).isoformat()[:19]}Z"
