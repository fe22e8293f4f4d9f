"""OKX's position rows in our terms (Get positions).

`pos` counts contracts; in net mode its sign is the side, in long/short mode `posSide` is. `upl` and `margin` are in
settle currency. Cross and isolated positions of one market may stand side by side: each is a row of its own.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from schemas.replies import Position, Side
from schemas.requests import MarginMode
from worker.venues.okx.answers import POSITIONS, instant, optional, reading
from worker.venues.parsing import blockers as in_the_way
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.parsing.open_position import open_position
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous, PreconditionFailed


def amount_of(row: Row) -> Decimal:
    """Contracts, negative for a short position."""
    amount = shape.decimal(row, "pos")
    return -abs(amount) if row.get("posSide") == "short" else amount


def side_of(row: Row) -> Side:
    """The side of an open position."""
    return figures.side_of(amount_of(row))


def mode_of_row(row: Row) -> MarginMode:
    """The margin mode of a position."""
    try:
        return MarginMode(shape.text(row, "mgnMode"))
    except ValueError:
        raise Ambiguous("the field mgnMode of the venue's answer is unreadable", raw=row) from None


def mode_of(rows: Sequence[Row]) -> MarginMode:
    """The margin mode of a market: that in which more contracts are held, cross when it is flat or both hold alike.

    OKX keeps no margin mode for a market: an order says which one it wants, and a position keeps that of its orders.
    """
    held = {mode: sum(abs(amount_of(row)) for row in held_in(rows, mode)) for mode in MarginMode}
    return MarginMode.ISOLATED if held[MarginMode.ISOLATED] > held[MarginMode.CROSS] else MarginMode.CROSS


def held_in(rows: Iterable[Row], mode: MarginMode) -> list[Row]:
    """The positions with this margin mode."""
    return [row for row in rows if mode_of_row(row) is mode]


def described(rows: Iterable[Row]) -> str:
    """Sides and sizes in words: `long 12 and short 3`."""
    return in_the_way.described(map(amount_of, sorted(rows, key=side_of)))


def other_than(mode: MarginMode) -> MarginMode:
    """The other margin mode."""
    return MarginMode.CROSS if mode is MarginMode.ISOLATED else MarginMode.ISOLATED


def in_the_way_of(rows: Sequence[Row], market: Market, mode: MarginMode | None = None) -> PreconditionFailed:
    """Why a market can't be traded in a mode, or in the one which it is not in: its open positions in the other."""
    mode = mode or other_than(mode_of(rows))
    other = other_than(mode)
    held = held_in(rows, other)
    return PreconditionFailed(
        f"{market.symbol} has an open {other} position ({described(held)}); close it before trading it {mode}",
        raw={"data": held},
        details={"symbol": market.symbol},
    )


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, always positive; at mark price where the contract is linear."""
    worth = abs(amount_of(row)) * market.contract_size
    return worth if market.inverse else worth * shape.decimal(row, "markPx")


def position_of(row: Row, market: Market, account_id: str) -> Position:
    """An open position."""
    mark, profit, notional = shape.decimal(row, "markPx"), shape.decimal(row, "upl"), notional_of(row, market)
    changed = instant(row, "uTime")
    return open_position(
        symbol=market.symbol,
        side=side_of(row),
        contracts=abs(amount_of(row)),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "avgPx"),
        mark_price=mark,
        notional=notional,
        leverage=optional(row, "lever") or None,
        unrealized_pnl=profit,
        percentage=figures.percentage(profit * mark if market.inverse else profit, notional),
        margin_mode=mode_of_row(row),
        liquidation_price=optional(row, "liqPx") or None,
        collateral=_collateral(row, market),
        timestamp=changed,
        exchange="okx",
        exchange_account_id=account_id,
    )


def state_of(rows: Sequence[Row], market: Market, terms: MarginSettings) -> SymbolState:
    """Terms and position of a market; all its positions are summed."""
    return summed((_leg(row, market) for row in rows), terms)


def _leg(row: Row, market: Market) -> Leg:
    """What a position adds. Its size is in base or, if inverse, in quote currency, as that of a contract is."""
    with reading(POSITIONS, row):
        size = abs(amount_of(row)) * market.contract_size
        return Leg(side_of(row), size, notional_of(row, market), shape.decimal(row, "upl"))


def _collateral(row: Row, market: Market) -> Decimal | None:
    """The margin that carries a position, in settle currency and without its profit: of one that stands alone its own,
    of a cross one its initial margin.

    The latter is worked out as OKX documents it, size by mark price over leverage: its `imr` is in USD by the documents
    of 2026, and in portfolio margin accounts, where a cross position has no leverage, that of a whole risk unit.
    """
    held = _initial_margin(row, market) if mode_of_row(row) is MarginMode.CROSS else optional(row, "margin")
    return None if held is None else figures.margin(held, market.settle)


def _initial_margin(row: Row, market: Market) -> Decimal | None:
    leverage, mark = optional(row, "lever"), optional(row, "markPx")
    if not leverage or not mark:
        return None
    worth = abs(amount_of(row)) * market.contract_size
    return (worth / mark if market.inverse else worth * mark) / leverage
