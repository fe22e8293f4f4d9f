"""Binance's position rows in our terms.

Fields: https://developers.binance.com, Position Information V3 (fapi), Position Information (dapi), Query UM and CM
Position Information (papi). `positionAmt` and `notional` are negative for shorts; `unRealizedProfit` and margins are in
settle currency.
"""

from decimal import Decimal

from schemas.base import utc_text
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous

MARGIN_MODES = {
    "CROSSED": MarginMode.CROSS,
    "cross": MarginMode.CROSS,
    "ISOLATED": MarginMode.ISOLATED,
    "isolated": MarginMode.ISOLATED,
}


def terms_of(row: Row) -> MarginSettings:
    """Leverage and margin mode in a row. Rows of a Portfolio Margin account name no mode, for all is cross."""
    spelling = row.get("marginType", "CROSSED")
    if spelling not in MARGIN_MODES:
        raise Ambiguous("the field marginType of the venue's answer is unreadable", raw=row)
    return MarginSettings(shape.decimal(row, "leverage"), MARGIN_MODES[spelling], raw=row)


def amount_of(row: Row) -> Decimal:
    """Contracts, negative for a short position."""
    return shape.decimal(row, "positionAmt")


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, always positive."""
    if market.inverse:
        return abs(amount_of(row)) * market.contract_size
    return abs(shape.decimal(row, "notional"))


def position_of(row: Row, market: Market, terms: MarginSettings, account_id: str) -> Position:
    """An open position."""
    amount, mark = amount_of(row), shape.decimal(row, "markPrice")
    notional, profit = notional_of(row, market), shape.decimal(row, "unRealizedProfit")
    changed = shape.milliseconds(row, "updateTime")
    return Position(
        symbol=market.symbol,
        side=figures.side_of(amount),
        contracts=abs(amount),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "entryPrice"),
        mark_price=mark or None,
        notional=notional,
        leverage=terms.leverage,
        unrealized_pnl=profit,
        percentage=figures.percentage(profit * mark if market.inverse else profit, notional),
        margin_mode=terms.margin_mode,
        liquidation_price=shape.decimal(row, "liquidationPrice") or None,
        collateral=_collateral(row, market, terms, notional / mark if market.inverse and mark else notional),
        timestamp=changed or None,
        datetime=utc_text(changed) if changed else None,
        exchange="binance",
        exchange_account_id=account_id,
    )


def state_of(open_rows: list[Row], market: Market, terms: MarginSettings) -> SymbolState:
    """Terms and position of a market; both legs of a hedged one are summed."""
    legs = (
        Leg(
            figures.side_of(amount_of(row)),
            abs(amount_of(row)),
            notional_of(row, market),
            shape.decimal(row, "unRealizedProfit"),
        )
        for row in open_rows
    )
    return summed(legs, terms)


def _collateral(row: Row, market: Market, terms: MarginSettings, notional_settle: Decimal) -> Decimal:
    if terms.margin_mode is MarginMode.ISOLATED:
        held = shape.decimal(row, "isolatedMargin")
    elif "positionInitialMargin" in row:
        held = shape.decimal(row, "positionInitialMargin")
    else:
        held = notional_settle / terms.leverage
    return figures.margin(held, market.settle)
