"""Position rows, as each of the five positionRisk endpoints writes them."""

from typing import Any

from worker.sandbox.binance.account import BinanceAccountState, BinancePositionSide, MarginType
from worker.sandbox.binance.contracts import TRADING, BinanceContract, BinanceExchangeState
from worker.sandbox.binance.endpoint import contracts_asked
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.figures import fixed, money, plain, quantity, some
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.risk import AccountRisk, PositionRisk

ONE_WAY = (BinancePositionSide.BOTH,)
HEDGED = (BinancePositionSide.LONG, BinancePositionSide.SHORT)
ALL_SIDES = (BinancePositionSide.BOTH, *HEDGED)

MARGIN_TYPE_NAMES = {MarginType.CROSSED: "cross", MarginType.ISOLATED: "isolated"}
"""How position rows name what requests call CROSSED and ISOLATED."""

ADL_QUANTILE = 1
"""Where the position stands in the queue for auto-deleveraging: depends on other traders, and there are none here."""


def linear_v3(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /fapi/v3/positionRisk: only symbols with a position or an open order."""
    sides = HEDGED if account.dual_side else ONE_WAY
    risk = AccountRisk(account)
    return [
        _linear_v3(row)
        for contract in contracts_asked(exchange, parameters, inverse=False)
        if account.positions_in(contract) or account.has_orders_in(contract)
        for row in risk.rows(contract, sides)
    ]


def _linear_v3(risk: PositionRisk) -> dict[str, Any]:
    contract = risk.contract
    return {
        "symbol": contract.symbol,
        "positionSide": risk.side.value,
        "positionAmt": quantity(risk.amount, contract.quantity_precision),
        "entryPrice": money(risk.entry_price),
        "breakEvenPrice": plain(risk.break_even_price),
        "markPrice": fixed(contract.mark_price),
        "unRealizedProfit": fixed(risk.unrealized_profit),
        "liquidationPrice": money(risk.liquidation_price),
        "isolatedMargin": some(risk.isolated_margin),
        "notional": some(risk.notional),
        "marginAsset": contract.margin_asset,
        "isolatedWallet": some(risk.isolated_wallet),
        "initialMargin": some(risk.initial_margin),
        "maintMargin": some(risk.maintenance_margin),
        "positionInitialMargin": some(risk.initial_margin),
        "openOrderInitialMargin": "0",
        "adl": ADL_QUANTILE,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": risk.update_time,
    }


def linear_v2(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /fapi/v2/positionRisk: all symbols, flat or not."""
    sides = ALL_SIDES if account.dual_side else ONE_WAY
    risk = AccountRisk(account)
    return [
        {**_linear(row, account), **_margin(row, account), "isolatedWallet": some(row.isolated_wallet)}
        for contract in contracts_asked(exchange, parameters, inverse=False)
        for row in risk.rows(contract, sides)
    ]


def _linear(risk: PositionRisk, account: BinanceAccountState) -> dict[str, Any]:
    contract, leverage = risk.contract, account.terms_of(risk.contract).leverage
    return {
        **_row(risk, leverage),
        "maxNotionalValue": str(account.cap_at(contract, leverage)),
        "notional": some(risk.notional),
    }


def _row(risk: PositionRisk, leverage: int) -> dict[str, Any]:
    return {
        "symbol": risk.contract.symbol,
        "positionAmt": quantity(risk.amount, risk.contract.quantity_precision),
        "entryPrice": money(risk.entry_price) if risk.amount else "0.0",
        "markPrice": fixed(risk.contract.mark_price),
        "unRealizedProfit": fixed(risk.unrealized_profit),
        "liquidationPrice": money(risk.liquidation_price),
        "leverage": str(leverage),
        "positionSide": risk.side.value,
        "updateTime": risk.update_time,
    }


def _margin(risk: PositionRisk, account: BinanceAccountState) -> dict[str, Any]:
    return {
        "breakEvenPrice": plain(risk.break_even_price) if risk.amount else "0.0",
        "marginType": MARGIN_TYPE_NAMES[account.terms_of(risk.contract).margin_type],
        "isolatedMargin": fixed(risk.isolated_margin),
        "isAutoAddMargin": "false",
    }


def inverse(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /dapi/v1/positionRisk: symbols flat or not, of a pair or a margin asset; only TRADING ones if none is named.

    Source: Position Information (COIN-M), checked 2026-11-29 in the official client 14.1.
    """
    sides = ALL_SIDES if account.dual_side else ONE_WAY
    risk = AccountRisk(account)
    return [
        {**_inverse(row, account), **_margin(row, account), "isolatedWallet": some(row.isolated_wallet)}
        for contract in _inverse_asked(exchange, parameters)
        for row in risk.rows(contract, sides)
    ]


def _inverse(risk: PositionRisk, account: BinanceAccountState) -> dict[str, Any]:
    contract, leverage = risk.contract, account.terms_of(risk.contract).leverage
    return {
        **_row(risk, leverage),
        "maxQty": str(account.cap_at(contract, leverage)),
        "notionalValue": some(risk.notional),
    }


def _inverse_asked(exchange: BinanceExchangeState, parameters: BinanceParameters) -> list[BinanceContract]:
    if "marginAsset" in parameters and "pair" in parameters:
        raise BinanceRefused(-1128)
    pair, asset = parameters.get("pair"), parameters.get("marginAsset")
    if pair is not None and pair not in {contract.pair for contract in exchange.inverse()}:
        raise BinanceRefused(-4144)
    return [
        contract
        for contract in exchange.inverse()
        if pair in (None, contract.pair)
        and asset in (None, contract.margin_asset)
        and (pair or asset or contract.status == TRADING)
    ]


def portfolio_um(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /papi/v1/um/positionRisk: the symbol that is named, or those with a position.

    Its page doesn't say whether flat symbols are listed; a client has to bear both.
    """
    sides = ALL_SIDES if account.dual_side else ONE_WAY
    risk = AccountRisk(account)
    return [
        _linear(row, account)
        for contract in contracts_asked(exchange, parameters, inverse=False)
        if "symbol" in parameters or account.positions_in(contract)
        for row in risk.rows(contract, sides)
    ]


def portfolio_cm(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /papi/v1/cm/positionRisk: as on COIN-M, but hedged accounts get no BOTH rows."""
    sides = HEDGED if account.dual_side else ONE_WAY
    risk = AccountRisk(account)
    return [
        _inverse(row, account)
        for contract in _inverse_asked(exchange, parameters)
        for row in risk.rows(contract, sides)
    ]
