"""What an endpoint is: method, path, and the function that answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from worker.sandbox.gate.account import GateAccountState
from worker.sandbox.gate.contracts import GateContract, GateExchangeState
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.gate.parameters import GateParameters

PREFIX = "/api/v4"
SETTLES = {"futures": ("usdt", "btc", "usd1"), "delivery": ("usdt",)}
"""The settle currencies of each family."""


@dataclass(frozen=True, slots=True)
class GateRequest:
    """A request to an endpoint. `decimal_sizes`: the client wants sizes as strings (header X-Gate-Size-Decimal: 1)."""

    exchange: GateExchangeState
    family: str
    parameters: GateParameters
    decimal_sizes: bool

    @property
    def settle(self) -> str:
        """The settle currency in the path. Raises GateRefused for one that the family doesn't have."""
        return self.parameters.choice("settle", SETTLES[self.family])

    @property
    def contract(self) -> GateContract:
        """The contract that is named. Raises GateRefused for one that isn't listed in the settle currency."""
        name = self.parameters.text("contract")
        contract = self.exchange.contracts.get((self.family, name))
        if contract is None or contract.settle != self.settle:
            raise GateRefused("CONTRACT_NOT_FOUND", name)
        return contract


@dataclass(frozen=True, slots=True)
class GatePublicEndpoint:
    """An endpoint that anybody may ask. `path` stands behind the prefix."""

    method: str
    path: str
    handler: Callable[[GateRequest], Any]


@dataclass(frozen=True, slots=True)
class GateSignedEndpoint:
    """An endpoint that wants a signed request and speaks for its account. `in_body`: it takes a JSON body."""

    method: str
    path: str
    handler: Callable[[GateRequest, GateAccountState], Any]
    in_body: bool = False


Endpoint = GatePublicEndpoint | GateSignedEndpoint


def match(template: str, path: str) -> Mapping[str, str] | None:
    """The parameters in a path, if it is one of the template's; they are percent-encoded there.

    >>> match("/futures/{settle}/positions/{contract}", "/api/v4/futures/usdt/positions/BTC_USDT")
    {'settle': 'usdt', 'contract': 'BTC_USDT'}
    """
    expected, actual = (PREFIX + template).split("/"), path.split("/")
    if len(expected) != len(actual):
        return None
    found = {}
    for name, value in zip(expected, actual, strict=True):
        if name.startswith("{"):
            found[name.strip("{}")] = unquote(value)
        elif name != value:
            return None
    return found
