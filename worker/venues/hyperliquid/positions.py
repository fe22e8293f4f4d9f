"""Hyperliquid's positions in our terms.

Fields: info endpoint, clearinghouseState; read 2026-11-29. `szi` is negative for shorts; `positionValue` is at the mark
price; profits and margins are in the dex's collateral token. The venue tells no time of a position's last change, and
no mark price. `marginUsed` of an isolated position is what it would leave if it were closed at the mark price, its
unrealized profit included: in the document's own example, `rawUsd` -95.059824 and a value of 100.02765 make 4.967826.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from schemas.replies import Position, Side
from schemas.requests import MarginMode
from worker.venues.hyperliquid.instruments import Instrument
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.open_position import open_position
from worker.venues.port.adapter import MarginSettings, SymbolState
from worker.venues.port.errors import Ambiguous

MARGIN_MODES = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}


def held_rows(body: Any) -> list[Any]:
    """The positions in a clearinghouseState, each still to be read by itself. Raises Ambiguous for another shape."""
    held = shape.mapping(body, "clearinghouseState").get("assetPositions")
    if not isinstance(held, list):
        raise Ambiguous("the field assetPositions of clearinghouseState is no list", raw=body)
    return held


def position_in(held: Any) -> Row:
    """What is told of a position. Raises Ambiguous for another shape."""
    about = "a position of clearinghouseState"
    return shape.mapping(shape.mapping(held, about).get("position"), about)


def open_in(body: Any, coin: str) -> list[Row]:
    """The open position in a coin, if there is one. What is told of others is not looked at. Raises Ambiguous."""
    rows = (held["position"] for held in held_rows(body) if isinstance(held, dict) and _is_of(held, coin))
    return [row for row in rows if size_of(row)]


def _is_of(held: Row, coin: str) -> bool:
    position = held.get("position")
    return isinstance(position, dict) and position.get("coin") == coin


def size_of(row: Row) -> Decimal:
    """Coins held, negative for a short position."""
    return shape.decimal(row, "szi")


def side_of(row: Row) -> Side:
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
    held = _optional(row, "marginUsed")
    if held is not None and terms.margin_mode is MarginMode.ISOLATED:
        held -= profit  # the venue's figure has it in
    return open_position(
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
        liquidation_price=_optional(row, "liquidationPx"),
        collateral=None if held is None else figures.margin(held, market.settle),
        timestamp=None,
        exchange="hyperliquid",
        exchange_account_id=account_id,
    )


def _optional(row: Row, name: str) -> Decimal | None:
    """A figure that a position may lack: then it is null, or empty."""
    return None if row.get(name) in (None, "") else shape.decimal(row, name)


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
