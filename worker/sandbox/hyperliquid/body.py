"""A request's JSON body, read as strictly as Hyperliquid reads it."""

import re
from typing import Any

import orjson

from worker.sandbox.hyperliquid.errors import Unreadable
from worker.sandbox.server.http import Received

ADDRESS = re.compile(r"(?:0x)?[0-9a-fA-F]{40}")


class Body:
    """An object with the fields that a request may have. Everything amiss raises Unreadable."""

    def __init__(self, fields: Any) -> None:
        if not isinstance(fields, dict):
            raise Unreadable
        self.fields: dict[str, Any] = fields

    @classmethod
    def of(cls, received: Received) -> "Body":
        """The body of a request."""
        try:
            return cls(orjson.loads(received.body))
        except orjson.JSONDecodeError as error:
            raise Unreadable from error

    def text(self, name: str) -> str:
        """A mandatory text."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise Unreadable
        return value

    def integer(self, name: str) -> int:
        """A mandatory whole number; 10.0 is none."""
        value = self.fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Unreadable
        return value

    def signed(self, name: str) -> int:
        """A mandatory whole number of either sign."""
        value = self.fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unreadable
        return value

    def optional_integer(self, name: str) -> int | None:
        """A whole number that may be missing or null."""
        return None if self.fields.get(name) is None else self.integer(name)

    def boolean(self, name: str) -> bool:
        """A mandatory true or false."""
        value = self.fields.get(name)
        if not isinstance(value, bool):
            raise Unreadable
        return value

    def address(self, name: str) -> str:
        """A mandatory address, in lower case and with its prefix."""
        value = self.text(name)
        if not ADDRESS.fullmatch(value):
            raise Unreadable
        return "0x" + value.removeprefix("0x").lower()

    def optional_address(self, name: str) -> str | None:
        """An address that may be missing or null."""
        return None if self.fields.get(name) is None else self.address(name)

    def part(self, name: str) -> "Body":
        """A mandatory object within."""
        return Body(self.fields.get(name))
