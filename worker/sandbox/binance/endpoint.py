"""What an endpoint is: method, path, weight, and the function that answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from worker.sandbox.binance.account import AccountState
from worker.sandbox.binance.contracts import Contract, Exchange
from worker.sandbox.binance.errors import Refused
from worker.sandbox.binance.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Public:
    """An endpoint that anybody may ask. `weight_of_all` is its weight when no symbol is named, if that differs."""

    method: str
    path: str
    weight: int
    handler: Callable[[Exchange, Parameters], Any]
    weight_of_all: int | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """An endpoint that wants a signed request and speaks for its account."""

    method: str
    path: str
    weight: int
    handler: Callable[[Exchange, Parameters, AccountState], Any]
    weight_of_all: int | None = None


Endpoint = Public | Signed


@dataclass(frozen=True, slots=True)
class Family:
    """Endpoints that share a host at Binance, and with it a weight limit per address and minute.

    `right` is the right that a key needs for its signed endpoints; any key may ask those of a family without.
    """

    name: str
    limit: int
    endpoints: tuple[Endpoint, ...]
    right: Literal["futures", "portfolio_margin"] | None = None

    def admits(self, account: AccountState) -> bool:
        """Whether an account's key may ask here. Portfolio Margin takes futures from the keys of its accounts."""
        if self.right == "futures":
            return account.key.futures and not account.portfolio_margin
        return self.right is None or (account.key.portfolio_margin and account.portfolio_margin)


def weight_of(endpoint: Endpoint, parameters: Parameters) -> int:
    """What a request weighs."""
    if endpoint.weight_of_all is not None and "symbol" not in parameters:
        return endpoint.weight_of_all
    return endpoint.weight


def contract_of(exchange: Exchange, symbol: str, *, inverse: bool) -> Contract:
    """A listed contract. Raises Refused for a symbol that this side of the venue doesn't list."""
    contract = exchange.contracts.get(symbol)
    if contract is None or contract.inverse != inverse:
        raise Refused(-1121)
    return contract


def contracts_asked(exchange: Exchange, parameters: Parameters, *, inverse: bool) -> tuple[Contract, ...]:
    """The contract named by an optional `symbol`, or all of this side."""
    if "symbol" in parameters:
        return (contract_of(exchange, parameters["symbol"], inverse=inverse),)
    return exchange.inverse() if inverse else exchange.linear()


SUCCESS = {"code": 200, "msg": "success"}
