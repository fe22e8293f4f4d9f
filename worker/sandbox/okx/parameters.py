"""A request's parameters, read as OKX reads them: of a GET from its query, of a POST from its JSON body."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import parse_qsl

import orjson

from schemas.base import Milliseconds
from worker.sandbox.kit.parameters import SentParameters
from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.server.http import JSON, Received

NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
INTEGER = re.compile(r"[0-9]{1,20}")


class OkxParameters(SentParameters):
    """Parameters by name; an empty one counts as left out."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__({name: value for name, value in values.items() if value != ""})

    @classmethod
    def of(cls, received: Received) -> "OkxParameters":
        """Read a request. Raises OkxRefused for a body that is no JSON object, or is not said to be one."""
        if received.method == "GET":
            return cls(dict(parse_qsl(received.query)))
        return cls(_body(received))

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        if name not in self:
            raise OkxRefused("50014", name)
        return self[name]

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """A mandatory parameter with a fixed set of values."""
        value = self.text(name)
        if value not in choices:
            raise OkxRefused("51000", name)
        return value

    def number(self, name: str) -> Decimal:
        """A mandatory number."""
        value = self.text(name)
        if not NUMBER.fullmatch(value):
            raise OkxRefused("51000", name)
        return Decimal(value)

    def integer(self, name: str, default: int) -> int:
        """A whole number that may be left out."""
        if name not in self:
            return default
        if not INTEGER.fullmatch(self[name]):
            raise OkxRefused("51000", name)
        return int(self[name])

    def instant(self, name: str, default: Milliseconds) -> Milliseconds:
        """An instant that may be left out."""
        return self.integer(name, default)

    def several(self, name: str, most: int) -> tuple[str, ...]:
        """Values separated by commas; none where the parameter is left out."""
        values = tuple(self[name].split(",")) if name in self else ()
        if len(values) > most:
            raise OkxRefused("50025", name, most)
        return values


def _body(received: Received) -> dict[str, str]:
    if received.headers.get("Content-Type", "").partition(";")[0].strip().lower() != JSON:
        raise OkxRefused("50006")
    if not received.body:
        raise OkxRefused("50000")
    try:
        content = orjson.loads(received.body)
    except orjson.JSONDecodeError:
        raise OkxRefused("50002") from None
    if not isinstance(content, dict):
        raise OkxRefused("50002")
    return {name: str(value) for name, value in content.items() if value is not None}
