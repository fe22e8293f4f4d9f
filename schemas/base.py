"""The model base and the number types that everything on the wire is made of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_KINDS: Mapping[type, str] = MappingProxyType({str: "a string", bool: "a boolean", list: "an array", dict: "an object"})
"""What else JSON has."""


def _number(value: Any) -> Decimal:
    """A finite number. A JSON string or boolean is none, though Decimal would read one from it.

    What was sent is not repeated, for it may be a misplaced secret.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"must be a number, not {_KINDS.get(type(value), 'null')}")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number


_AS_NUMBER = (PlainSerializer(float, return_type=float, when_used="json"), WithJsonSchema({"type": "number"}))

Money = Annotated[Decimal, *_AS_NUMBER]
"""An amount, price, size or ratio: Decimal inside, a JSON number outside. Strings are read exactly."""

Number = Annotated[Decimal, BeforeValidator(_number), *_AS_NUMBER]
"""A number that somebody else sends us: strings and booleans are refused, not converted."""

Milliseconds = Annotated[int, Field(json_schema_extra={"format": "int64"})]
"""UTC milliseconds since 1970-01-01, or a span of milliseconds."""

LATEST: Milliseconds = 253_402_300_799_999
"""The end of the year 9999, the last of which text can be made (RFC 3339)."""

Count = Annotated[int, Field(json_schema_extra={"format": "int64"})]

MOST: Count = 2**53 - 1
"""The largest number that every JSON reader takes exactly (RFC 8259, 6)."""
"""A number that only grows, such as a position in a sequence."""


class WireModel(BaseModel):
    """What crosses a boundary: immutable, and closed to fields nobody documented."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def utc_text(timestamp: Milliseconds) -> str:
    """The documented `datetime` of a timestamp: UTC, whole seconds, a Z at the end.

    >>> utc_text(1706745600000)
    '2024-02-01T00:00:00Z'
    """
    return _second_text(timestamp // 1000)


@lru_cache(maxsize=4_096)
def _second_text(second: int) -> str:
    # Remembered: a position that is read again was changed last when it was, and a busy second has many events.
    return f"{datetime.fromtimestamp(second, UTC).isoformat()[:19]}Z"
