"""Hyperliquid's positions in our terms.

Fields: info endpoint, clearinghouseState. `szi` is negative for shorts; `positionValue` is at the mark price; profits
and margins are in the dex's collateral token. The venue tells no time of a position's last change, and no mark price.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.hyperliquid.universe import Instrument
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import MarginSettings, SymbolState
from worker.venues.port.errors import Ambiguous

MARGIN_MODES = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}


def open_rows(body: Any) -> list[Row]:
    """The open positions in a clearinghouseState. Raises Ambiguous for another shape."""
    state = shape.mapping(body, "clearinghouseState")
    held = shape.rows(state.get("assetPositions"), "the positions of clearinghouseState")
    found = [shape.mapping(row.get("position"), "a position of clearinghouseState") for row in held]
    return [row for row in found if size_of(row)]


def size_of(row: Row) -> Decimal:
    """Coins held, negative for a short position."""
    return shape.decimal(row, "szi")


def side_of(row: Row) -> str:
    """The side of an open position."""
    return "long" if size_of(row) > 0 else "short"


def terms_of(row: Row) -> MarginSettings:
    """Leverage and margin mode, as positions and activeAssetData tell them."""
    leverage = shape.mapping(row.get("leverage"), "the leverage of a market")
    mode = MARGIN_MODES.get(shape.text(leverage, "type"))
    if mode is None:
        raise Ambiguous("the margin mode in Hyperliquid's answer is unreadable", raw=row)
    return MarginSettings(shape.decimal(leverage, "value"), mode, raw=row)


def position_of(row: Row, instrument: Instrument, account_id: str) -> Position:
    """An open position."""
    market, terms, size = instrument.market, terms_of(row), abs(size_of(row))
    notional, profit = shape.decimal(row, "positionValue"), shape.decimal(row, "unrealizedPnl")
    return Position(
        symbol=market.symbol,
        side=side_of(row),
        contracts=size,
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "entryPx"),
        mark_price=_mark_price(notional, size, instrument),
        notional=notional,
        leverage=terms.leverage,
        unrealized_pnl=profit,
        percentage=figures.percentage(profit, notional),
        margin_mode=terms.margin_mode,
        liquidation_price=None if row.get("liquidationPx") is None else shape.decimal(row, "liquidationPx"),
        collateral=figures.margin(shape.decimal(row, "marginUsed"), market.settle),
        timestamp=None,
        datetime=None,
        exchange="hyperliquid",
        exchange_account_id=account_id,
    )


def state_of(rows: Sequence[Row], terms: MarginSettings) -> SymbolState:
    """Terms and position of a market; there is at most one, for Hyperliquid nets both sides."""
    return SymbolState(
        terms=terms,
        side=side_of(rows[0]) if rows else None,
        size=sum((abs(size_of(row)) for row in rows), Decimal(0)),
        notional=sum((shape.decimal(row, "positionValue") for row in rows), Decimal(0)),
        unrealized_pnl=sum((shape.decimal(row, "unrealizedPnl") for row in rows), Decimal(0)),
    )


def _mark_price(notional: Decimal, size: Decimal, instrument: Instrument) -> Decimal:
    """What the value was made with; the rounding of the value is below the decimals a price can have."""
    return (notional / size).quantize(Decimal(1).scaleb(-instrument.price_decimals), ROUND_HALF_EVEN)
