"""The position mode of a symbol, or of all that settle in a coin; and the orders that are in the way of a change.

Sources, read 2026-11-30: V5 "Switch Position Mode" (by coin, what has a position or an order keeps its mode, and what
is listed later has the new one), "Get Open & Closed Orders". That nothing to change by coin is 110025, and that another
coin than USDT is 110029, are guesses. Orders are made up: only their number is known.
"""

from typing import Any

from worker.sandbox.bybit.account import BybitAccountState, Index, has_hedge_mode
from worker.sandbox.bybit.contracts import INVERSE, LINEAR, BybitContract, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain
from worker.sandbox.bybit.paging import Page, paged
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.bybit.positions import contract_of

HEDGE = "3"
PAGE = Page(20, 50)


def switch_mode(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """POST /v5/position/switch-mode, which echoes nothing."""
    hedged = parameters.choice("mode", ("0", HEDGE)) == HEDGE
    if parameters.get("symbol"):
        _switch(contract_of(exchange, parameters), account, hedged)
    else:
        _switch_all(exchange, parameters, account, hedged)
    return {}


def _switch(contract: BybitContract, account: BybitAccountState, hedged: bool) -> None:
    if hedged and not has_hedge_mode(contract):
        raise BybitRefused(110029)
    if account.is_hedged(contract) is hedged:
        raise BybitRefused(110025)
    if account.open_orders.get(contract.symbol):
        raise BybitRefused(110028)
    if account.is_used(contract):
        raise BybitRefused(110024)
    account.modes[contract.symbol] = hedged


def _switch_all(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState, hedged: bool
) -> None:
    coin = parameters.text("coin")
    meant = [row for row in exchange.listed_in(LINEAR) if has_hedge_mode(row) and row.settle == coin]
    if not meant:
        raise BybitRefused(110029)
    if all(account.is_hedged(contract) is hedged for contract in meant):
        raise BybitRefused(110025)
    kept = {row.symbol: account.is_hedged(row) for row in meant if account.is_used(row)}
    account.hedged, account.modes = hedged, kept


def open_orders(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/order/realtime: of a symbol, or of all that settle in a coin."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    settle = parameters.get("settleCoin")
    if category == LINEAR and not (parameters.get("symbol") or settle):
        raise BybitRefused(10001, "missing some parameters that must be filled in, symbol or settleCoin or baseCoin")
    contracts = (
        (contract_of(exchange, parameters),)
        if parameters.get("symbol")
        else tuple(row for row in exchange.listed_in(category) if settle in (None, row.settle))
    )
    rows = [
        _order(contract, account, number, exchange.clock.now())
        for contract in contracts
        for number in range(account.open_orders.get(contract.symbol, 0))
    ]
    chosen, cursor = paged(rows, parameters, PAGE, lambda row: str(row["orderId"]))
    return {"category": category, "list": chosen, "nextPageCursor": cursor or ""}


def _order(contract: BybitContract, account: BybitAccountState, number: int, now: int) -> dict[str, Any]:
    index = Index.BUY if account.is_hedged(contract) else Index.ONE_WAY
    return {
        "orderId": f"{contract.symbol}-order-{number}",
        "orderLinkId": "",
        "symbol": contract.symbol,
        "price": plain((contract.mark_price / 2 // contract.tick) * contract.tick),
        "qty": plain(contract.step),
        "side": "Buy",
        "positionIdx": index.value,
        "orderStatus": "New",
        "orderType": "Limit",
        "timeInForce": "GTC",
        "leavesQty": plain(contract.step),
        "cumExecQty": "0",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "createdTime": str(now),
        "updatedTime": str(now),
    }
