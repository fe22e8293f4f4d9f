"""What an endpoint is: method, path, weight, and the function that answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from worker.sandbox.binance.account import BinanceAccountState
from worker.sandbox.binance.contracts import BinanceContract, BinanceExchangeState
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.parameters import BinanceParameters


@dataclass(frozen=True, slots=True)
class BinancePublicEndpoint:
    """An endpoint that anybody may ask. `weight_of_all` is its weight when no symbol is named, if that differs."""

    method: str
    path: str
    weight: int
    handler: Callable[[BinanceExchangeState, BinanceParameters], Any]
    weight_of_all: int | None = None


@dataclass(frozen=True, slots=True)
class BinanceSignedEndpoint:
    """An endpoint that wants a signed request and speaks for its account."""

    method: str
    path: str
    weight: int
    handler: Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], Any]
    weight_of_all: int | None = None


@dataclass(frozen=True, slots=True)
class BinanceKeyEndpoint:
    """An endpoint that takes an API key without a signature, and changes nothing of its account ("USER_STREAM")."""

    method: str
    path: str
    weight: int
    handler: Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], Any]
    weight_of_all: int | None = None


Endpoint = BinancePublicEndpoint | BinanceSignedEndpoint | BinanceKeyEndpoint


@dataclass(frozen=True, slots=True)
class Family:
    """Endpoints that share a host at Binance, and a weight limit per address and minute.

    `right` is the right that a key needs for its signed endpoints; any key may ask those of a family without.
    `counts_with` names the family with which it has one count of weight.
    """

    name: str
    limit: int
    endpoints: tuple[Endpoint, ...]
    right: Literal["futures", "portfolio_margin"] | None = None
    counts_with: str | None = None

    def admits(self, account: BinanceAccountState) -> bool:
        """Whether an account's key may ask here. Portfolio Margin takes futures from the keys of its accounts."""
        if self.right == "futures":
            return account.key.futures and not account.portfolio_margin
        return self.right is None or (account.key.portfolio_margin and account.portfolio_margin)


def weight_of(endpoint: Endpoint, parameters: BinanceParameters) -> int:
    """What a request weighs."""
    if endpoint.weight_of_all is not None and "symbol" not in parameters:
        return endpoint.weight_of_all
    return endpoint.weight


def contract_of(exchange: BinanceExchangeState, symbol: str, *, inverse: bool) -> BinanceContract:
    """A listed contract. Raises BinanceRefused for a symbol that this side of the venue doesn't list."""
    contract = exchange.contracts.get(symbol)
    if contract is None or contract.inverse != inverse:
        raise BinanceRefused(-1121)
    return contract


def contracts_asked(
    exchange: BinanceExchangeState, parameters: BinanceParameters, *, inverse: bool
) -> tuple[BinanceContract, ...]:
    """The contract named by an optional `symbol`, or all of this side."""
    if "symbol" in parameters:
        return (contract_of(exchange, parameters["symbol"], inverse=inverse),)
    return exchange.inverse() if inverse else exchange.linear()


SUCCESS = {"code": 200, "msg": "success"}
