"""Position rows (Get Position Info)."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.bybit.account import BybitAccountState, BybitMarginMode, BybitOpenPosition, BybitTerms, Index
from worker.sandbox.bybit.contracts import INVERSE, LINEAR, BybitContract, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain, some
from worker.sandbox.bybit.paging import Page, paged
from worker.sandbox.bybit.parameters import BybitParameters

PAGE = Page(20, 200)
RISK_LIMIT = "2000000"


def contract_of(exchange: BybitExchangeState, parameters: BybitParameters) -> BybitContract:
    """The contract that category and symbol name."""
    category, symbol = parameters.choice("category", (LINEAR, INVERSE)), parameters.text("symbol")
    contract = exchange.contracts.get(symbol)
    if contract is None or contract.category != category:
        raise BybitRefused(10001, "symbol invalid")
    return contract


def positions(exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState) -> dict[str, Any]:
    """GET /v5/position/list: a symbol with its flat rows too, else what is open, with a cursor even at its end."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    asked, flat = _asked(exchange, parameters, category), "symbol" in parameters
    rows = list(_rows(account, asked, exchange.clock.now(), flat=flat))
    chosen, cursor = paged(rows, parameters, PAGE, _key)
    last = chosen[-1] if chosen else None
    return {
        "category": category,
        "list": chosen,
        "nextPageCursor": cursor or ("" if last is None else f"{last['symbol']}%3A{last['positionIdx']}"),
    }


def symbol_info(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/position/symbol-info: the leverages of one symbol or, which is a guess, of all that are listed."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    if account.margin_mode is BybitMarginMode.PORTFOLIO:
        raise BybitRefused(10001, "not supported under portfolio margin")  # that it is an error is documented alone
    wanted = (contract_of(exchange, parameters),) if "symbol" in parameters else exchange.listed_in(category)
    rows = [
        {
            "symbol": contract.symbol,
            "leverage": plain(account.terms_of(contract).side(index, "")),
            "side": "",
            "positionIdx": index.value,
        }
        for contract in wanted
        for index in account.indexes(contract)
    ]
    return {"category": category, "list": rows}


def _key(row: dict[str, Any]) -> str:
    return f"{row['symbol']}:{row['positionIdx']}"


def _asked(exchange: BybitExchangeState, parameters: BybitParameters, category: str) -> tuple[BybitContract, ...]:
    if "symbol" in parameters:
        return (contract_of(exchange, parameters),)
    settle = parameters.get("settleCoin")
    if category == LINEAR and not settle:
        raise BybitRefused(10001, "missing some parameters that must be filled in, symbol or settleCoin")
    return tuple(contract for contract in exchange.listed_in(category) if settle in (None, contract.settle))


def _rows(
    account: BybitAccountState, contracts: Iterable[BybitContract], now: Milliseconds, *, flat: bool
) -> Iterator[dict[str, Any]]:
    for contract in contracts:
        shown = account.shown_terms(contract, now)
        for index in account.indexes(contract):
            position = account.positions.get((contract.symbol, index))
            if position or flat:
                yield position_row(account, contract, index, position, shown)


def position_row(
    account: BybitAccountState,
    contract: BybitContract,
    index: Index,
    position: BybitOpenPosition | None,
    shown: BybitTerms,
) -> dict[str, Any]:
    """A row of a contract, open or flat."""
    portfolio = account.is_unified(contract) and account.margin_mode is BybitMarginMode.PORTFOLIO
    leverage = shown.side(index, position.side if position else "")
    own_mode = shown.isolated and not account.is_unified(contract)
    return {
        "positionIdx": index.value,
        "riskId": 0 if portfolio else 1,
        "riskLimitValue": "" if portfolio else RISK_LIMIT,
        "symbol": contract.symbol,
        "tradeMode": int(own_mode),
        "leverage": "" if portfolio else plain(leverage),
        "markPrice": plain(contract.mark_price),
        **(_figures(account, position, portfolio=portfolio) if position else _FLAT),
        "autoAddMargin": 0,
        "positionStatus": position.status if position else "Normal",
        "bustPrice": "",
        "breakEvenPrice": "",
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "sessionAvgPrice": "",
        "delta": "",
        "gamma": "",
        "vega": "",
        "theta": "",
        "adlRankIndicator": 2 if position else 0,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "seq": 5_723_621_632 if position else -1,
    }


_FLAT = {
    "side": "",
    "size": "0",
    "avgPrice": "0",
    "positionValue": "",
    "positionBalance": "0",
    "liqPrice": "",
    "positionIM": "0",
    "positionMM": "0",
    "positionIMByMp": "0",
    "positionMMByMp": "0",
    "unrealisedPnl": "",
    "curRealisedPnl": "0",
    "cumRealisedPnl": "0",
    "createdTime": "0",
    "updatedTime": "0",
}


def _figures(account: BybitAccountState, position: BybitOpenPosition, *, portfolio: bool) -> dict[str, str]:
    contract, size = position.contract, position.size
    long = 1 if position.side == "Buy" else -1
    value = contract.value(size, position.entry_price)
    leverage = account.leverage_of(contract, position.index, position.side)
    initial = None if portfolio else account.initial_margin(position)
    maintenance = None if portfolio else contract.value(size, contract.mark_price) * contract.maintenance
    if not account.is_unified(contract):
        initial = maintenance = Decimal(0)  # to be ignored, and what stands there is a guess
    liquidation = _liquidation(position, leverage) if account.is_isolated(contract) else None
    return {
        "side": position.side,
        "size": plain(size),
        "avgPrice": plain(position.entry_price),
        "positionValue": plain(value),
        # of a cross position of a unified account it is to be ignored; that an isolated one has it is a guess
        "positionBalance": plain(value / leverage + position.added) if _has_own_margin(account, contract) else "0",
        "liqPrice": some(liquidation),
        "positionIM": some(initial),
        "positionMM": some(maintenance),
        "positionIMByMp": some(initial),
        "positionMMByMp": some(maintenance),
        "unrealisedPnl": plain(long * contract.profit(size, position.entry_price, contract.mark_price)),
        "curRealisedPnl": "0",
        "cumRealisedPnl": "0",
        "createdTime": str(position.updated),
        "updatedTime": str(position.updated),
    }


def _has_own_margin(account: BybitAccountState, contract: BybitContract) -> bool:
    return account.is_isolated(contract) or not account.is_unified(contract)


def _liquidation(position: BybitOpenPosition, leverage: Decimal) -> Decimal:
    """Where an isolated position has lost its initial margin down to the maintenance margin."""
    long, kept = position.side == "Buy", 1 / leverage - position.contract.maintenance
    change = -kept if long else kept
    if position.contract.inverse:
        return position.entry_price / (1 - change)
    return position.entry_price * (1 + change)
