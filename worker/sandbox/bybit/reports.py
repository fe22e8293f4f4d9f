"""What an account can read of its history: transaction log, executions, closed profits."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.bybit.account import CLASSIC, UNIFIED_1, UNIFIED_2, BybitAccountState
from worker.sandbox.bybit.contracts import INVERSE, LINEAR, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain, some
from worker.sandbox.bybit.paging import LONGEST_SPAN, Page, paged, window
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.bybit.positions import contract_of
from worker.sandbox.bybit.records import SETTLEMENT, TAKER_FEE, BybitFill, FundingPayment, Profit
from worker.sandbox.kit.clock import DAY

LOG_PAGE = Page(20, 50)
EXECUTION_PAGE = Page(50, 100)
PROFIT_PAGE = Page(50, 100)
TRADE, FUNDING = "TRADE", "Funding"
LOG_CATEGORIES = ("spot", LINEAR, INVERSE, "option")


def transaction_log(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/account/transaction-log: of unified accounts, by category, base coin and type but not by symbol.

    It has what came after the upgrade, of every type unless one is asked for.
    """
    if account.status == CLASSIC:
        raise BybitRefused(10028)
    start, end = window(parameters, DAY, exchange.clock.now())
    category, base = parameters.get("category"), parameters.get("baseCoin")
    currency, kind = parameters.get("currency"), parameters.get("type")
    if category is not None and category not in LOG_CATEGORIES:
        raise BybitRefused(10001, "Illegal category")
    found = [
        row
        for row in sorted((*account.funding, *_trades(exchange, account)), key=_payment_order, reverse=True)
        if max(start, account.upgraded) <= row.time <= end
        and account.is_unified(exchange.contracts[row.symbol])
        and category in (None, row.category)
        and currency in (None, row.currency)
        and base in (None, exchange.contracts[row.symbol].base)
        and kind in (None, row.type)
    ]
    rows, cursor = paged(found, parameters, LOG_PAGE, _payment_key)
    return {"list": [_logged(exchange, row) for row in rows], "nextPageCursor": cursor or ""}


def _payment_order(row: FundingPayment) -> tuple[Milliseconds, str]:
    return row.time, row.id


def _trades(exchange: BybitExchangeState, account: BybitAccountState) -> Iterator[FundingPayment]:
    """Closing trades, as the log tells them: their profit is the cash flow."""
    for row in account.profits:
        currency = exchange.contracts[row.symbol].settle
        yield FundingPayment(row.order_id, row.symbol, row.category, currency, None, row.updated, TRADE, row.amount)


def _payment_key(row: FundingPayment) -> str:
    return f"{row.id}:{row.time}:{row.type}"


def _logged(exchange: BybitExchangeState, row: FundingPayment) -> dict[str, Any]:
    price = exchange.contracts[row.symbol].mark_price
    amount = row.amount or Decimal(0)
    return {
        "id": f"{row.id}_{row.symbol}",
        "symbol": row.symbol,
        "category": row.category,
        "side": "Buy",
        "transactionTime": str(row.time),
        "type": row.type,
        "transSubType": "",
        "qty": "1",
        "size": "1",
        "currency": row.currency,
        "tradePrice": plain(price),
        "funding": some(row.amount),
        "fee": "0",
        "cashFlow": plain(row.cash_flow),
        "change": plain(row.cash_flow + amount),
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
    return _executions(exchange, parameters, account, since=_upgraded(account, parameters), until=exchange.clock.now())


def executions_before(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/pre-upgrade/execution/list: the same, of what came before the account was unified."""
    return _executions(exchange, parameters, account, since=0, until=_upgraded(account, parameters) - 1)


def _upgraded(account: BybitAccountState, parameters: BybitParameters) -> Milliseconds:
    """Since when the contracts of a category have been unified; before 1970 where they never were."""
    inverse = parameters.get("category") == INVERSE
    return account.upgraded if account.status >= (UNIFIED_2 if inverse else UNIFIED_1) else 0


def _executions(
    exchange: BybitExchangeState,
    parameters: BybitParameters,
    account: BybitAccountState,
    *,
    since: Milliseconds,
    until: Milliseconds,
) -> dict[str, Any]:
    category = parameters.choice("category", (LINEAR, INVERSE))
    start, end = window(parameters, LONGEST_SPAN, exchange.clock.now())
    wanted = contract_of(exchange, parameters).symbol if parameters.get("symbol") else None
    paid = [
        funding_execution(exchange, row)
        for row in account.funding
        if row.category == category and row.type == SETTLEMENT
    ]
    traded = [_traded(row) for row in account.profits if row.category == category]
    filled = [fill_execution(exchange, row) for row in account.fills if row.category == category]
    kind = parameters.get("execType")
    found = [
        row
        for row in sorted(
            (*paid, *traded, *filled), key=lambda row: (int(row["execTime"]), row["execId"]), reverse=True
        )
        if max(start, since) <= int(row["execTime"]) <= min(end, until)
        and wanted in (None, row["symbol"])
        and kind in (None, row["execType"])
    ]
    rows, cursor = paged(found, parameters, EXECUTION_PAGE, _execution_key)
    return {"category": category, "list": rows, "nextPageCursor": cursor or ""}


def _execution_key(row: dict[str, Any]) -> str:
    return f"{row['execId']}:{row['execTime']}"


def funding_execution(exchange: BybitExchangeState, row: FundingPayment) -> dict[str, Any]:
    """A funding payment as an execution, which is positive when paid."""
    price = plain(exchange.contracts[row.symbol].mark_price)
    return _UNTOLD | {
        "symbol": row.symbol,
        "orderId": row.id,
        "side": "Buy",
        "orderQty": "0",
        "orderType": "UNKNOWN",
        "execFee": plain(-(row.amount or Decimal(0))),
        "execId": row.id,
        "execPrice": price,
        "execQty": "1",
        "execType": FUNDING,
        "execValue": price,
        "execTime": str(row.time),
        "markPrice": price,
        "closedSize": "0",
    }


def fill_execution(exchange: BybitExchangeState, row: BybitFill) -> dict[str, Any]:
    """A fill as an execution."""
    value = exchange.contracts[row.symbol].value(row.size, row.price)
    return _UNTOLD | {
        "symbol": row.symbol,
        "orderId": row.id,
        "side": row.side,
        "orderQty": plain(row.size),
        "orderType": "Market",
        "execFee": plain(value * TAKER_FEE),
        "execId": row.id,
        "execPrice": plain(row.price),
        "execQty": plain(row.size),
        "execType": row.type,
        "execValue": plain(value),
        "execTime": str(row.time),
        "markPrice": plain(exchange.contracts[row.symbol].mark_price),
        "closedSize": plain(row.closed),
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
    """GET /v5/position/closed-pnl: in the order of `createdTime` where the account is unified, else of `updatedTime`.

    Source: "Get Closed PnL" as it was before classic accounts left it; of a unified account it has what came after the
    upgrade. That a window is cut by the time that the list is ordered by is a guess.
    """
    since = _upgraded(account, parameters)
    inverse = parameters.get("category") == INVERSE
    unified = account.status >= (UNIFIED_2 if inverse else UNIFIED_1)
    wanted = contract_of(exchange, parameters).symbol if parameters.get("symbol") else None
    when = _created if unified else _updated
    return _profits(exchange, parameters, account, wanted, when, since=since, until=exchange.clock.now())


def closed_profits_before(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/pre-upgrade/position/closed-pnl: of one symbol, what came before the account was unified."""
    wanted, until = contract_of(exchange, parameters).symbol, _upgraded(account, parameters) - 1
    return _profits(exchange, parameters, account, wanted, _updated, since=0, until=until)


def _profits(
    exchange: BybitExchangeState,
    parameters: BybitParameters,
    account: BybitAccountState,
    wanted: str | None,
    when: Callable[[Profit], Milliseconds],
    *,
    since: Milliseconds,
    until: Milliseconds,
) -> dict[str, Any]:
    category = parameters.choice("category", (LINEAR, INVERSE))
    start, end = window(parameters, LONGEST_SPAN, exchange.clock.now())
    found = [
        row
        for row in sorted(account.profits, key=lambda row: (when(row), row.order_id), reverse=True)
        if row.category == category
        and max(start, since) <= when(row) <= min(end, until)
        and wanted in (None, row.symbol)
    ]
    rows, cursor = paged(found, parameters, PROFIT_PAGE, lambda row: f"{row.order_id}:{row.updated}:{row.symbol}")
    return {"category": category, "list": [_closed(row) for row in rows], "nextPageCursor": cursor or ""}


def _created(row: Profit) -> Milliseconds:
    return row.created


def _updated(row: Profit) -> Milliseconds:
    return row.updated


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
