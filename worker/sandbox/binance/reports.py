"""Leverage brackets and income, as each family writes them."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from worker.sandbox.binance.account import BinanceAccountState, IncomeRow
from worker.sandbox.binance.brackets import Bracket
from worker.sandbox.binance.contracts import BinanceContract, BinanceExchangeState
from worker.sandbox.binance.endpoint import contract_of, contracts_asked
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.figures import fixed
from worker.sandbox.binance.income import IncomeRules, select
from worker.sandbox.binance.parameters import BinanceParameters

Handler = Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], Any]

LINEAR_BOUNDS = ("notionalFloor", "notionalCap")
INVERSE_BOUNDS = ("qtyFloor", "qtyCap")
MISSPELT_BOUNDS = ("qtylFloor", "qtyCap")
"""COIN-M's own pages spell its floor this way; Portfolio Margin's pages don't."""


def linear_brackets(exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState) -> Any:
    """GET /fapi/v1/leverageBracket: an object for one symbol, a list without, as its page shows."""
    rows = _brackets(exchange, parameters, account, LINEAR_BOUNDS)
    return rows[0] if "symbol" in parameters else rows


def inverse_brackets(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /dapi/v2/leverageBracket."""
    return _brackets(exchange, parameters, account, MISSPELT_BOUNDS)


def pair_brackets(
    exchange: BinanceExchangeState, parameters: BinanceParameters, _account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /dapi/v1/leverageBracket: by pair, where v2 has them by symbol."""
    pairs = {contract.pair: contract.brackets for contract in exchange.inverse()}
    if "pair" in parameters and parameters["pair"] not in pairs:
        raise BinanceRefused(-4144)
    asked = [parameters["pair"]] if "pair" in parameters else list(pairs)
    return [{"pair": pair, "brackets": _ladder(pairs[pair], MISSPELT_BOUNDS)} for pair in asked]


def portfolio_um_brackets(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /papi/v1/um/leverageBracket: always a list."""
    return _brackets(exchange, parameters, account, LINEAR_BOUNDS)


def portfolio_cm_brackets(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /papi/v1/cm/leverageBracket."""
    return _brackets(exchange, parameters, account, INVERSE_BOUNDS)


def _brackets(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState, bounds: tuple[str, str]
) -> list[dict[str, Any]]:
    contracts = contracts_asked(exchange, parameters, inverse=bounds is not LINEAR_BOUNDS)
    return [{"symbol": contract.symbol, "brackets": _own_ladder(contract, account, bounds)} for contract in contracts]


def _own_ladder(
    contract: BinanceContract, account: BinanceAccountState, bounds: tuple[str, str]
) -> list[dict[str, Any]]:
    """Brackets are an account's own: its first one is what `max_leverage` gives it."""
    first, *others = _ladder(contract.brackets, bounds)
    return [{**first, "initialLeverage": account.highest_leverage(contract)}, *others]


def _ladder(brackets: Sequence[Bracket], bounds: tuple[str, str]) -> list[dict[str, Any]]:
    floor, cap = bounds
    return [
        {
            "bracket": bracket.bracket,
            "initialLeverage": bracket.initial_leverage,
            cap: bracket.cap,
            floor: bracket.floor,
            "maintMarginRatio": bracket.ratio,
            "cum": _number(bracket.cum),
        }
        for bracket in brackets
    ]


def _number(value: Decimal) -> Decimal | int:
    return int(value) if value == int(value) else value.normalize()


def income(rules: IncomeRules, *, inverse: bool, text_ids: bool) -> Handler:
    """GET income. `text_ids`: COIN-M and Portfolio Margin write `tranId` as a string, USDⓈ-M as a number.

    That a contract which is listed no longer can be asked for is a guess.
    """

    def history(
        exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
    ) -> list[dict[str, Any]]:
        rows = account.cm_income if inverse else account.um_income
        if "symbol" in parameters and parameters["symbol"] not in {row.symbol for row in rows}:
            contract_of(exchange, parameters["symbol"], inverse=inverse)
        chosen = select(rows, parameters, rules, exchange.clock.now())
        return [_income_row(row, text_ids=text_ids) for row in chosen]

    return history


def _income_row(row: IncomeRow, *, text_ids: bool) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "incomeType": row.type,
        "income": fixed(row.amount),
        "asset": row.asset,
        "info": row.info,
        "time": row.time,
        "tranId": str(row.tran_id) if text_ids else row.tran_id,
        "tradeId": row.trade_id,
    }
