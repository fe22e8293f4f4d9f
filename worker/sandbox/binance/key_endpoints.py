"""The requests for listen keys. They want an API key and no signature, and ignore whatever else they are sent."""

from collections.abc import Callable
from typing import Any

from worker.sandbox.binance.account import BinanceAccountState
from worker.sandbox.binance.contracts import BinanceExchangeState
from worker.sandbox.binance.endpoint import BinanceKeyEndpoint
from worker.sandbox.binance.listen_keys import Product
from worker.sandbox.binance.parameters import BinanceParameters

Handler = Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], Any]


def key_endpoints(path: str, product: Product) -> tuple[BinanceKeyEndpoint, ...]:
    """POST, PUT and DELETE of a product's listenKey."""
    return tuple(
        BinanceKeyEndpoint(method, path, 1, handler(product))
        for method, handler in (("POST", _start), ("PUT", _keep), ("DELETE", _end))
    )


def _start(product: Product) -> Handler:
    def start(
        exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
    ) -> dict[str, Any]:
        return {"listenKey": exchange.listen_keys.start(account.id, product, exchange.clock.now())}

    return start


def _keep(product: Product) -> Handler:
    """Portfolio Margin answers an empty object, the others name the key."""

    def keep(
        exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
    ) -> dict[str, Any]:
        key = exchange.listen_keys.keep(account.id, product, exchange.clock.now())
        return {} if product is Product.PM else {"listenKey": key}

    return keep


def _end(product: Product) -> Handler:
    def end(
        exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
    ) -> dict[str, Any]:
        exchange.listen_keys.end(account.id, product, exchange.clock.now())
        return {}

    return end
