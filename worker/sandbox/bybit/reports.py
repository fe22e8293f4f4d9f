"""What an account can read of its history: transaction log, executions, closed profits."""

from typing import Any

from worker.sandbox.bybit.account import CLASSIC, BybitAccountState
from worker.sandbox.bybit.contracts import INVERSE, LINEAR, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain
from worker.sandbox.bybit.paging import LONGEST_SPAN, Page, paged, window
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.bybit.positions import contract_of
from worker.sandbox.bybit.records import TAKER_FEE, FundingPayment, Profit
from worker.sandbox.kit.clock import DAY

LOG_PAGE = Page(20, 50)
EXECUTION_PAGE = Page(50, 100)
PROFIT_PAGE = Page(50, 100)
SETTLEMENT, FUNDING = "SETTLEMENT", "Funding"
LOG_CATEGORIES = ("spot", LINEAR, INVERSE, "option")


def transaction_log(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/account/transaction-log: of unified accounts, by category and base coin but not by symbol."""
    if account.status == CLASSIC:
        raise BybitRefused(10028)
    start, end = window(parameters, DAY, exchange.clock.now())
    category, base = parameters.get("category"), parameters.get("baseCoin")
    currency, kind = parameters.get("currency"), parameters.get("type", SETTLEMENT)
    if category is not None and category not in LOG_CATEGORIES:
        raise BybitRefused(10001, "Illegal category")
    found = [
        row
        for row in reversed(account.funding)
        if start <= row.time <= end
        and kind == SETTLEMENT
        and account.is_unified(exchange.contracts[row.symbol])
        and category in (None, row.category)
        and currency in (None, row.currency)
        and base in (None, exchange.contracts[row.symbol].base)
    ]
    rows, cursor = paged(found, parameters, LOG_PAGE, _payment_key)
    return {"list": [_logged(exchange, row) for row in rows], "nextPageCursor": cursor or ""}


def _payment_key(row: FundingPayment) -> str:
    return f"{row.id}:{row.time}"


def _logged(exchange: BybitExchangeState, row: FundingPayment) -> dict[str, Any]:
    price = exchange.contracts[row.symbol].mark_price
    return {
        "id": f"{row.id}_{row.symbol}",
        "symbol": row.symbol,
        "category": row.category,
        "side": "Buy",
        "transactionTime": str(row.time),
        "type": SETTLEMENT,
        "transSubType": "",
        "qty": "1",
        "size": "1",
        "currency": row.currency,
        "tradePrice": plain(price),
        "funding": plain(row.amount),
        "fee": "0",
        "cashFlow": "0",
        "change": plain(row.amount),
        "cashBalance": "1000",
        "feeRate": "0.0001",
        "bonusChange": "",
        "tradeId": row.id,
        "orderId": f"{row.time}-{row.id}",
        "orderLinkId": "",
        "extraFees": "",
    }


def executions(exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState) -> dict[str, Any]:
    """GET /v5/execution/list. Its `execFee` is positive when paid, of a funding payment too."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    start, end = window(parameters, LONGEST_SPAN, exchange.clock.now())
    wanted = contract_of(exchange, parameters).symbol if parameters.get("symbol") else None
    paid = [_executed(exchange, row) for row in account.funding if row.category == category]
    traded = [_traded(row) for row in account.profits if row.category == category]
    kind = parameters.get("execType")
    found = [
        row
        for row in sorted((*paid, *traded), key=lambda row: (int(row["execTime"]), row["execId"]), reverse=True)
        if start <= int(row["execTime"]) <= end and wanted in (None, row["symbol"]) and kind in (None, row["execType"])
    ]
    rows, cursor = paged(found, parameters, EXECUTION_PAGE, _execution_key)
    return {"category": category, "list": rows, "nextPageCursor": cursor or ""}


def _execution_key(row: dict[str, Any]) -> str:
    return f"{row['execId']}:{row['execTime']}"


def _executed(exchange: BybitExchangeState, row: FundingPayment) -> dict[str, Any]:
    price = plain(exchange.contracts[row.symbol].mark_price)
    return _UNTOLD | {
        "symbol": row.symbol,
        "orderId": row.id,
        "side": "Buy",
        "orderQty": "0",
        "orderType": "UNKNOWN",
        "execFee": plain(-row.amount),
        "execId": row.id,
        "execPrice": price,
        "execQty": "1",
        "execType": FUNDING,
        "execValue": price,
        "execTime": str(row.time),
        "markPrice": price,
        "closedSize": "0",
    }


def _traded(row: Profit) -> dict[str, Any]:
    size, price = plain(row.size), plain(row.exit_price)
    return _UNTOLD | {
        "symbol": row.symbol,
        "orderId": row.order_id,
        "side": row.side,
        "orderQty": size,
        "orderType": "Market",
        "execFee": plain(row.exit_value * TAKER_FEE),
        "execId": row.order_id,
        "execPrice": price,
        "execQty": size,
        "execType": "Trade",
        "execValue": plain(row.size * row.exit_price),
        "execTime": str(row.updated),
        "markPrice": price,
        "closedSize": size,
    }


_UNTOLD = {
    "orderLinkId": "",
    "orderPrice": "0",
    "leavesQty": "0",
    "createType": "",
    "stopOrderType": "UNKNOWN",
    "feeCurrency": "",
    "isMaker": False,
    "feeRate": "0.0001",
    "tradeIv": "",
    "markIv": "",
    "indexPrice": "",
    "underlyingPrice": "",
    "blockTradeId": "",
    "seq": 28_097_658_790,
}
"""What an execution has too, the same for all here."""


def closed_profits(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/position/closed-pnl, by the time at which a record was made."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    start, end = window(parameters, LONGEST_SPAN, exchange.clock.now())
    wanted = contract_of(exchange, parameters).symbol if parameters.get("symbol") else None
    found = [
        row
        for row in reversed(account.profits)
        if row.category == category and start <= row.created <= end and wanted in (None, row.symbol)
    ]
    rows, cursor = paged(found, parameters, PROFIT_PAGE, _profit_key)
    return {"category": category, "list": [_closed(row) for row in rows], "nextPageCursor": cursor or ""}


def _profit_key(row: Profit) -> str:
    return f"{row.order_id}:{row.created}"


def _closed(row: Profit) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "orderId": row.order_id,
        "side": row.side,
        "qty": plain(row.size),
        "orderPrice": plain(row.exit_price),
        "orderType": "Market",
        "execType": "Trade",
        "closedSize": plain(row.size),
        "cumEntryValue": plain(row.entry_value),
        "avgEntryPrice": plain(row.entry_price),
        "cumExitValue": plain(row.exit_value),
        "avgExitPrice": plain(row.exit_price),
        "closedPnl": plain(row.amount),
        "fillCount": "1",
        "leverage": "10",
        "openFee": plain(row.entry_value * TAKER_FEE),
        "closeFee": plain(row.exit_value * TAKER_FEE),
        "createdTime": str(row.created),
        "updatedTime": str(row.updated),
    }
