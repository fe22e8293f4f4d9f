"""Open orders, as far as they are needed here: to be counted, and to be in the way of changes.

Source: "Current All Open Orders" of USDⓈ-M, COIN-M and Portfolio Margin. The orders themselves are made up: limit
orders of the smallest amount, far below the price.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from worker.sandbox.binance.account import BinanceAccountState
from worker.sandbox.binance.contracts import BinanceContract, BinanceExchangeState
from worker.sandbox.binance.endpoint import contracts_asked
from worker.sandbox.binance.figures import money, quantity
from worker.sandbox.binance.parameters import BinanceParameters

Handler = Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], list[dict[str, Any]]]

FIRST_ORDER = 8_886_774


STANDARD_FIELDS: Mapping[str, Any] = MappingProxyType(
    {"stopPrice": "0", "closePosition": False, "activatePrice": "0", "priceRate": "0", "workingType": "CONTRACT_PRICE"}
    | {"priceProtect": False, "priceMatch": "NONE", "selfTradePreventionMode": "NONE"}
)
"""What an order of a standard account tells of conditions. Portfolio Margin keeps conditional orders apart."""

PORTFOLIO_FIELDS: Mapping[str, Any] = MappingProxyType({"selfTradePreventionMode": "NONE", "priceMatch": "NONE"})


def open_orders(*, inverse: bool) -> Handler:
    """GET openOrders, of a symbol or of all."""

    def orders(
        exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
    ) -> list[dict[str, Any]]:
        contracts = contracts_asked(exchange, parameters, inverse=inverse)
        return [
            _order(contract, account, number, exchange.clock.now())
            for contract in contracts
            for number in range(account.open_orders.get(contract.symbol, 0))
        ]

    return orders


def _order(contract: BinanceContract, account: BinanceAccountState, number: int, now: int) -> dict[str, Any]:
    price = (contract.mark_price / 2 // contract.tick) * contract.tick
    filled = {"cumBase": "0", "pair": contract.pair} if contract.inverse else {"cumQuote": "0", "goodTillDate": 0}
    special = PORTFOLIO_FIELDS if account.portfolio_margin else STANDARD_FIELDS
    return {
        "avgPrice": "0",
        "clientOrderId": f"sandbox-{number}",
        "executedQty": "0",
        "orderId": FIRST_ORDER + number,
        "origQty": quantity(Decimal(contract.step), contract.quantity_precision),
        "origType": "LIMIT",
        "price": money(price),
        "reduceOnly": False,
        "side": "BUY",
        "positionSide": "LONG" if account.dual_side else "BOTH",
        "status": "NEW",
        "symbol": contract.symbol,
        "time": now,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "updateTime": now,
        **filled,
        **special,
    }
