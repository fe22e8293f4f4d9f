"""Moving margin into an isolated position and out of it, and what was moved.

Sources: Modify Isolated Position Margin and Get Position Margin Change History (official clients 18.1 and 14.1). What
may be taken out is ours: all that is beyond the initial margin, a loss taken off.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.sandbox.binance.account import (
    BinanceAccountState,
    BinanceOpenPosition,
    BinancePositionSide,
    MarginChange,
)
from worker.sandbox.binance.contracts import BinanceContract, BinanceExchangeState
from worker.sandbox.binance.endpoint import contract_of
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.figures import fixed
from worker.sandbox.binance.formulas import ZERO
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.risk import AccountRisk

Handler = Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], Any]

ADD, REDUCE = "1", "2"


def position_margin(*, inverse: bool) -> Handler:
    """POST positionMargin."""

    def change(
        exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
    ) -> dict[str, Any]:
        contract = contract_of(exchange, parameters.text("symbol"), inverse=inverse)
        kind, amount = parameters.choice("type", (ADD, REDUCE)), _amount(parameters)
        position = _position(account, contract, parameters)
        if kind == ADD:
            _check_free(account, contract, amount)
        elif amount > _removable(account, position):
            raise BinanceRefused(-4051)
        position.isolated_wallet += amount if kind == ADD else -amount
        now = exchange.clock.now()
        account.margin_changes += (MarginChange(contract.symbol, position.side, int(kind), amount, now),)
        return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": int(kind)}

    return change


def _amount(parameters: BinanceParameters) -> Decimal:
    try:
        amount = Decimal(parameters.text("amount"))
    except InvalidOperation as error:
        raise BinanceRefused(-1102, "amount") from error
    if not amount.is_finite() or amount <= 0:
        raise BinanceRefused(-4055)
    return amount


def _position(
    account: BinanceAccountState, contract: BinanceContract, parameters: BinanceParameters
) -> BinanceOpenPosition:
    side = BinancePositionSide(parameters.get("positionSide", BinancePositionSide.BOTH))
    held = next((position for position in account.positions_in(contract) if position.side is side), None)
    if held is None:
        raise BinanceRefused(-4054)
    if not account.is_isolated(held):
        raise BinanceRefused(-4049)
    return held


def _check_free(account: BinanceAccountState, contract: BinanceContract, amount: Decimal) -> None:
    wallet = AccountRisk(account).wallet(contract.margin_asset, inverse=contract.inverse)
    if amount > wallet.cross_wallet_balance + min(wallet.cross_unrealized_profit, ZERO):
        raise BinanceRefused(-4050)


def _removable(account: BinanceAccountState, position: BinanceOpenPosition) -> Decimal:
    initial = position.leg.initial_margin(account.terms_of(position.contract).leverage)
    return position.isolated_wallet + min(position.leg.unrealized_profit, ZERO) - initial


def history(*, inverse: bool) -> Handler:
    """GET positionMargin/history: of one symbol, the newest first."""

    def rows(
        exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
    ) -> list[dict[str, Any]]:
        contract = contract_of(exchange, parameters.text("symbol"), inverse=inverse)
        start = parameters.optional_integer("startTime") or 0
        return [
            {
                "symbol": row.symbol,
                "type": row.type,
                "deltaType": "USER_ADJUST",
                "amount": fixed(row.amount),
                "asset": contract.margin_asset,
                "time": row.time,
                "positionSide": row.side.value,
            }
            for row in reversed(account.margin_changes)
            if row.symbol == contract.symbol and row.time >= start
        ]

    return rows
