"""A request's parameters, read as Binance reads them."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.kit.parameters import SentParameters
from worker.sandbox.server.http import Received

INTEGER = re.compile(r"-?[0-9]{1,20}")
LEGAL_INTEGER = "^[0-9]{1,20}$"
BOOLEANS = {"true": True, "false": False}


class BinanceParameters(SentParameters):
    """Parameters by name; where query and body both have one, the query's counts (general info, "SIGNED endpoints")."""

    @classmethod
    def of(cls, received: Received) -> "BinanceParameters":
        """Read a request's query and form body. Raises BinanceRefused for a parameter that is given twice."""
        return cls({**_pairs(received.body), **_pairs(received.query)})

    def text(self, name: str) -> str:
        """A mandatory parameter."""
        if not (value := self.get(name, "")):
            raise BinanceRefused(-1102, name)
        return value

    def integer(self, name: str) -> int:
        """A mandatory integer."""
        value = self.text(name)
        if not INTEGER.fullmatch(value):
            raise BinanceRefused(-1102, name)
        return int(value)

    def optional_integer(self, name: str) -> int | None:
        """An integer that may be left out."""
        if name not in self:
            return None
        if not INTEGER.fullmatch(self[name]):
            raise BinanceRefused(-1100, name, LEGAL_INTEGER)
        return int(self[name])

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """A mandatory parameter with a fixed set of values."""
        value = self.text(name)
        if value not in choices:
            raise BinanceRefused(-1130, name)
        return value

    def boolean(self, name: str) -> bool:
        """A mandatory "true" or "false"."""
        return BOOLEANS[self.choice(name, tuple(BOOLEANS))]


def _pairs(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True)
    values = dict(pairs)
    if len(values) < len(pairs):
        raise BinanceRefused(-1101)
    return values
