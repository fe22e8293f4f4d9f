"""A request's parameters, read as Gate reads them: those of the path, of the query, or of a JSON body."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

import orjson

from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.kit.parameters import SentParameters
from worker.sandbox.server.http import Received


class GateParameters(SentParameters):
    """Parameters by name. `in_body` says that the endpoint takes a JSON body and nothing from the query."""

    @classmethod
    def of(cls, received: Received, path: Mapping[str, str], *, in_body: bool = False) -> "GateParameters":
        """Read a request. Raises GateRefused for a body that is no JSON object."""
        given = _body(received) if in_body else dict(parse_qsl(received.query, keep_blank_values=True))
        return cls({**given, **path})

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        if not (value := self.get(name, "")):
            raise GateRefused("MISSING_REQUIRED_PARAM", name)
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """A mandatory parameter with a fixed set of values."""
        if (value := self.text(name)) not in choices:
            raise GateRefused("INVALID_PARAM_VALUE", name, value)
        return value

    def flag(self, name: str) -> bool:
        """A boolean that is false where it is left out; Python clients write it with a capital."""
        return self.choice(name, ("true", "True", "false", "False")).lower() == "true" if name in self else False

    def number(self, name: str) -> Decimal:
        """A mandatory number from 0 on."""
        try:
            number = Decimal(self.text(name))
        except InvalidOperation:
            raise GateRefused("INVALID_PARAM_VALUE", name, self[name]) from None
        if not number.is_finite() or number < 0:
            raise GateRefused("INVALID_PARAM_VALUE", name, self[name])
        return number

    def signed(self, name: str) -> Decimal:
        """A mandatory number, of either sign."""
        try:
            number = Decimal(self.text(name))
        except InvalidOperation:
            raise GateRefused("INVALID_PARAM_VALUE", name, self[name]) from None
        if not number.is_finite():
            raise GateRefused("INVALID_PARAM_VALUE", name, self[name])
        return number

    def integer(self, name: str, default: int, highest: int | None = None, lowest: int = 0) -> int:
        """An integer that may be left out."""
        value = self.get(name)
        if value is None:
            return default
        if not value.isdecimal() or int(value) < lowest or (highest is not None and int(value) > highest):
            raise GateRefused("INVALID_PARAM_VALUE", name, value)
        return int(value)


def _body(received: Received) -> dict[str, str]:
    try:
        body = orjson.loads(received.body)
    except orjson.JSONDecodeError:
        raise GateRefused("INVALID_REQUEST_BODY") from None
    if not isinstance(body, dict):
        raise GateRefused("INVALID_REQUEST_BODY")
    return {str(name): str(value) for name, value in body.items()}
