"""Newvenue's position rows in our terms.

Read: the page of the positions, field by field. Find out: the unit of the size (contracts, coins, money), its sign, at
which price the value is told, in which currency profit and margin are, what a field has that does not apply (nothing,
an empty text, 0), and whether hedge mode has a row for each side. Compute the notional rather than believe it.
"""

from collections.abc import Iterable
from decimal import Decimal

from schemas.replies import Position
from worker.venues.newvenue.terms.settings import margin_mode
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.parsing.open_position import open_position
from worker.venues.port.adapter import MarginSettings, Market, SymbolState

POSITIONS = "GET /v1/positions"


def rows_of(body: object) -> list[Row]:
    """The rows of an answer. Raises Ambiguous for any other shape."""
    return shape.rows(shape.mapping(body, POSITIONS).get("positions"), POSITIONS)


def position_of(row: Row, market: Market, account_id: str) -> Position:
    """An open position."""
    size, profit = shape.decimal(row, "size"), shape.decimal(row, "unrealized_pnl")
    notional, changed = _notional(row, market), shape.milliseconds(row, "updated")
    return open_position(
        symbol=market.symbol,
        side=position_math.side_of(size),
        contracts=abs(size),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "entry_price"),
        mark_price=shape.decimal(row, "mark_price"),
        notional=notional,
        leverage=shape.decimal(row, "leverage"),
        unrealized_pnl=profit,
        percentage=position_math.percentage(profit, notional),
        margin_mode=margin_mode(row),
        liquidation_price=shape.figure(row, "liquidation_price"),
        collateral=position_math.margin(shape.decimal(row, "margin"), market.settle),
        timestamp=changed,
        exchange="newvenue",
        exchange_account_id=account_id,
    )


def state_of(rows: Iterable[Row], market: Market, terms: MarginSettings) -> SymbolState:
    """Terms and position of a market; `get_leverage` tells the size in coins."""
    return summed((_leg(row, market) for row in rows), terms)


def _leg(row: Row, market: Market) -> Leg:
    size = shape.decimal(row, "size")
    coins = abs(size) * market.contract_size
    return Leg(position_math.side_of(size), coins, _notional(row, market), shape.decimal(row, "unrealized_pnl"))


def _notional(row: Row, market: Market) -> Decimal:
    return abs(shape.decimal(row, "size")) * market.contract_size * shape.decimal(row, "mark_price")
