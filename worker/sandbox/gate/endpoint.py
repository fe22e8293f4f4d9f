"""What an endpoint is: method, path, and the function that answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.sandbox.gate.account import AccountState
from worker.sandbox.gate.contracts import Contract, Exchange
from worker.sandbox.gate.errors import Refused
from worker.sandbox.gate.parameters import Parameters

PREFIX = "/api/v4"
SETTLES = {"futures": ("usdt", "btc"), "delivery": ("usdt",)}
"""The settle currencies of each family."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request to an endpoint. `decimal_sizes`: the client wants sizes as strings (header X-Gate-Size-Decimal: 1)."""

    exchange: Exchange
    family: str
    parameters: Parameters
    decimal_sizes: bool

    @property
    def settle(self) -> str:
        """The settle currency in the path. Raises Refused for one that the family doesn't have."""
        return self.parameters.choice("settle", SETTLES[self.family])

    @property
    def contract(self) -> Contract:
        """The contract that is named. Raises Refused for one that isn't listed in the settle currency."""
        name = self.parameters.text("contract")
        contract = self.exchange.contracts.get((self.family, name))
        if contract is None or contract.settle != self.settle:
            raise Refused("CONTRACT_NOT_FOUND", name)
        return contract


@dataclass(frozen=True, slots=True)
class Public:
    """An endpoint that anybody may ask. `path` stands behind the prefix."""

    method: str
    path: str
    handler: Callable[[Question], Any]


@dataclass(frozen=True, slots=True)
class Signed:
    """An endpoint that wants a signed request and speaks for its account. `in_body`: it takes a JSON body."""

    method: str
    path: str
    handler: Callable[[Question, AccountState], Any]
    in_body: bool = False


Endpoint = Public | Signed


def match(template: str, path: str) -> Mapping[str, str] | None:
    """The parameters in a path, if it is one of the template's.

    >>> match("/futures/{settle}/positions/{contract}", "/api/v4/futures/usdt/positions/BTC_USDT")
    {'settle': 'usdt', 'contract': 'BTC_USDT'}
    """
    expected, actual = (PREFIX + template).split("/"), path.split("/")
    if len(expected) != len(actual):
        return None
    found = {}
    for name, value in zip(expected, actual, strict=True):
        if name.startswith("{"):
            found[name.strip("{}")] = value
        elif name != value:
            return None
    return found
