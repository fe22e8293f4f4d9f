"""Binance's position rows in our terms.

Fields: https://developers.binance.com, Position Information V3 (fapi), Position Information (dapi), Query UM and CM
Position Information (papi). `positionAmt` and `notional` are negative for shorts; `unRealizedProfit` and margins are in
settle currency.
"""

from decimal import Decimal

from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.parsing.open_position import open_position
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous

MARGIN_MODES = {
    "CROSSED": MarginMode.CROSS,
    "cross": MarginMode.CROSS,
    "ISOLATED": MarginMode.ISOLATED,
    "isolated": MarginMode.ISOLATED,
}


def terms_of(row: Row, *, all_cross: bool = False) -> MarginSettings:
    """Leverage and margin mode in a row. `all_cross`: it belongs to a Portfolio Margin account."""
    return MarginSettings(shape.decimal(row, "leverage"), mode_of(row, all_cross=all_cross), raw=row)


def mode_of(row: Row, *, all_cross: bool = False) -> MarginMode:
    """The margin mode in a row. Position Information V3 has no field for it: there an isolated position has a wallet.

    Position rows of a Portfolio Margin account have neither, for all is cross.
    """
    if "marginType" in row:
        if (spelling := row["marginType"]) not in MARGIN_MODES:
            raise Ambiguous("the field marginType of the venue's answer is unreadable", raw=row)
        return MARGIN_MODES[spelling]
    if all_cross:
        return MarginMode.CROSS
    if "isolatedWallet" not in row:
        raise Ambiguous("the field marginType of the venue's answer is missing", raw=row)
    return MarginMode.ISOLATED if shape.figure(row, "isolatedWallet") else MarginMode.CROSS


def amount_of(row: Row) -> Decimal:
    """Contracts, negative for a short position."""
    return shape.decimal(row, "positionAmt")


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, always positive."""
    if market.inverse:
        return abs(amount_of(row)) * market.contract_size
    return abs(shape.decimal(row, "notional"))


def position_of(row: Row, market: Market, settings: Row, account_id: str, *, all_cross: bool = False) -> Position:
    """An open position. `settings` is the row that has its leverage and margin mode: its own, or one of symbolConfig.

    What the venue need not tell is null, and so is a leverage of 0, which nobody can have.
    """
    mode, leverage = mode_of(settings, all_cross=all_cross), shape.figure(settings, "leverage") or None
    amount, mark = amount_of(row), shape.figure(row, "markPrice") or Decimal(0)
    notional, profit = notional_of(row, market), shape.decimal(row, "unRealizedProfit")
    changed = None if row.get("updateTime") in (None, "", 0) else shape.milliseconds(row, "updateTime")
    held = _held(row, market, mode, leverage)
    return open_position(
        symbol=market.symbol,
        side=figures.side_of(amount),
        contracts=abs(amount),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "entryPrice"),
        mark_price=mark or None,
        notional=notional,
        leverage=leverage,
        unrealized_pnl=profit,
        percentage=_percentage(profit, mark, notional, market),
        margin_mode=mode,
        liquidation_price=shape.figure(row, "liquidationPrice") or None,
        collateral=None if held is None else figures.margin(held, market.settle),
        timestamp=changed,
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


def _percentage(profit: Decimal, mark: Decimal, notional: Decimal, market: Market) -> Decimal | None:
    """Null for an inverse position without a mark price: its profit is in another currency than its notional."""
    if market.inverse:
        return figures.percentage(profit * mark, notional) if mark else None
    return figures.percentage(profit, notional)


def _held(row: Row, market: Market, mode: MarginMode, leverage: Decimal | None) -> Decimal | None:
    """The margin held, without profit: an isolated position's own, and what a cross one takes of the account's.

    `isolatedMargin` is `isolatedWallet` with the profit. COIN-M sends both, and documents the first alone.
    """
    if mode is MarginMode.ISOLATED:
        wallet, margin = shape.figure(row, "isolatedWallet"), shape.figure(row, "isolatedMargin")
        return wallet if wallet is not None or margin is None else margin - shape.decimal(row, "unRealizedProfit")
    if (held := shape.figure(row, "positionInitialMargin")) is not None or leverage is None:
        return held
    if not market.inverse:
        return notional_of(row, market) / leverage
    mark = shape.figure(row, "markPrice")
    return notional_of(row, market) / mark / leverage if mark else None
