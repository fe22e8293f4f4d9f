"""A request's parameters, read as Bybit reads them: of a GET from its query, of a POST from its JSON body."""

from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import orjson

from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.kit.parameters import SentParameters
from worker.sandbox.server.http import Received


class BybitParameters(SentParameters):
    """Parameters by name."""

    @classmethod
    def of(cls, received: Received) -> "BybitParameters":
        """Read a request. Raises BybitRefused for a body that is no JSON object."""
        if received.method == "GET":
            return cls(dict(parse_qsl(received.query, keep_blank_values=True)))
        return cls({name: str(value) for name, value in _object(received.body).items()})

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        if not (value := self.get(name, "")):
            raise BybitRefused(10001, f"{name} is required")
        return value

    def decimal(self, name: str) -> Decimal:
        """A mandatory number."""
        try:
            return Decimal(self.text(name))
        except InvalidOperation:
            raise BybitRefused(10001, f"{name} invalid") from None

    def optional_integer(self, name: str) -> int | None:
        """An integer that may be left out."""
        value = self.get(name, "")
        if not value:
            return None
        if not value.isdecimal():
            raise BybitRefused(10001, f"{name} invalid")
        return int(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """A mandatory parameter with a fixed set of values."""
        value = self.text(name)
        if value not in choices:
            raise BybitRefused(10001, f"Illegal {name}")
        return value

    def limit(self, default: int, highest: int) -> int:
        """How many rows a page may have."""
        limit = self.optional_integer("limit")
        limit = default if limit is None else limit
        if not 1 <= limit <= highest:
            raise BybitRefused(10001, "limit invalid")
        return limit


def _object(body: str) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BybitRefused(10001, "the body is no JSON") from None
    if not isinstance(parsed, dict):
        raise BybitRefused(10001, "the body is no object")
    return parsed
