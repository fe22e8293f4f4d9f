"""Bybit's position rows in our terms.

Source: Get Position Info. `size` counts coins in linear contracts and USD in inverse ones and is never negative;
`positionValue` is the value at entry, so the present one is computed; profits and margins are in settle currency.
"""

from decimal import Decimal

from schemas.base import utc_text
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.bybit.account import AccountInfo
from worker.venues.bybit.listing import blank
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous

SIDES = {"Buy": "long", "Sell": "short"}


def terms_of(rows: list[Row], account: AccountInfo, market: Market) -> MarginSettings:
    """Leverage and margin mode in the rows of a market: one, or one for each side in hedge mode."""
    if not rows:
        raise Ambiguous(f"Bybit's answer has no row for {market.id}")
    leverages = tuple(leverage_of(row) for row in rows)
    return MarginSettings(
        leverage=max(leverages),
        margin_mode=account.mode_of(rows[0], inverse=market.inverse),
        raw={"positions": rows, "account": account.raw},
        sides=leverages if len(leverages) > 1 else (),
    )


def leverage_of(row: Row) -> Decimal:
    """The leverage of a row; 0 where the account is in portfolio margin, which has none and leaves the field empty."""
    return _or_zero(row, "leverage")


def size_of(row: Row) -> Decimal:
    """Contracts, of either side."""
    return shape.decimal(row, "size")


def side_of(row: Row) -> str:
    """The side of an open position. Raises Ambiguous, naming the field, for any other word."""
    if (side := SIDES.get(shape.text(row, "side"))) is None:
        raise Ambiguous("the field side of the venue's answer is unreadable", raw=row)
    return side


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, at mark price if linear."""
    return size_of(row) if market.inverse else size_of(row) * shape.decimal(row, "markPrice")


def position_of(row: Row, market: Market, account: AccountInfo, account_id: str) -> Position:
    """An open position."""
    mark, profit = shape.decimal(row, "markPrice"), _or_zero(row, "unrealisedPnl")
    notional, mode = notional_of(row, market), account.mode_of(row, inverse=market.inverse)
    changed = int(shape.decimal(row, "updatedTime"))
    return Position(
        symbol=market.symbol,
        side=side_of(row),
        contracts=size_of(row),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "avgPrice"),
        mark_price=mark or None,
        notional=notional,
        leverage=leverage_of(row) or None,
        unrealized_pnl=profit,
        percentage=figures.percentage(profit * mark if market.inverse else profit, notional),
        margin_mode=mode,
        liquidation_price=_or_zero(row, "liqPrice") or None,
        collateral=_collateral(row, market, mode),
        timestamp=changed or None,
        datetime=utc_text(changed) if changed else None,
        exchange="bybit",
        exchange_account_id=account_id,
    )


def state_of(rows: list[Row], terms: MarginSettings, market: Market) -> SymbolState:
    """Terms and position of a market; both legs of a hedged one are summed."""
    held = [row for row in rows if size_of(row)]
    legs = (Leg(side_of(row), size_of(row), notional_of(row, market), _or_zero(row, "unrealisedPnl")) for row in held)
    return summed(legs, terms)


def _collateral(row: Row, market: Market, mode: MarginMode) -> Decimal | None:
    """The margin held. `positionBalance` is filled on classic accounts only, and leaves out the unrealized profit."""
    balance = _or_zero(row, "positionBalance")
    if mode is MarginMode.ISOLATED and balance:
        return figures.margin(balance + _or_zero(row, "unrealisedPnl"), market.settle)
    return None if blank(row, "positionIM") else figures.margin(shape.decimal(row, "positionIM"), market.settle)


def _or_zero(row: Row, name: str) -> Decimal:
    return Decimal(0) if blank(row, name) else shape.decimal(row, name)
