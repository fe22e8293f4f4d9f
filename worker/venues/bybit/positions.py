"""Bybit's position rows in our terms.

Source: Get Position Info, read on 2026-11-29. `size` counts coins in linear contracts and USD in inverse ones and is
never negative; `positionValue` is the value at entry, so the present one is computed; profits and margins are in settle
currency. `positionIM` is the initial margin at mark price of what is unified; elsewhere it is to be ignored, and
`positionBalance` is the initial margin and the fee of closing.
"""

from collections.abc import Mapping
from decimal import Decimal

from schemas.outcomes import Scope
from schemas.replies import Position, Side
from worker.venues.bybit.account import AccountInfo
from worker.venues.bybit.listing import blank
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.parsing.open_position import open_position
from worker.venues.port.adapter import MarginSettings, Market, SymbolState
from worker.venues.port.errors import Ambiguous

SIDES: Mapping[str, Side] = {"Buy": "long", "Sell": "short"}


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
        mode_scope=Scope.ACCOUNT if account.is_unified(inverse=market.inverse) else Scope.SYMBOL,
    )


def leverage_of(row: Row) -> Decimal:
    """The leverage of a row; 0 where the account is in portfolio margin, which has none and leaves the field empty."""
    return _figure(row, "leverage") or Decimal(0)


def size_of(row: Row) -> Decimal:
    """Contracts, of either side."""
    return shape.decimal(row, "size")


def side_of(row: Row) -> Side:
    """The side of an open position. Raises Ambiguous, naming the field, for any other word."""
    if (side := SIDES.get(shape.text(row, "side"))) is None:
        raise Ambiguous("the field side of the venue's answer is unreadable", raw=row)
    return side


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, at mark price if linear."""
    return size_of(row) if market.inverse else size_of(row) * shape.decimal(row, "markPrice")


def profit_of(row: Row, market: Market) -> Decimal:
    """The unrealized profit of an open position, computed where Bybit leaves it empty."""
    if (told := _figure(row, "unrealisedPnl")) is not None:
        return told
    entry, mark = shape.decimal(row, "avgPrice"), shape.decimal(row, "markPrice")
    size = size_of(row) if side_of(row) == "long" else -size_of(row)
    return size / entry - size / mark if market.inverse else size * (mark - entry)


def position_of(row: Row, market: Market, account: AccountInfo, account_id: str) -> Position:
    """An open position. Raises Ambiguous, naming the field, where it can't be told what it is."""
    mark, profit = _figure(row, "markPrice"), profit_of(row, market)
    notional = notional_of(row, market)
    changed = int(_figure(row, "updatedTime") or 0)
    return open_position(
        symbol=market.symbol,
        side=side_of(row),
        contracts=size_of(row),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "avgPrice"),
        mark_price=mark or None,
        notional=notional,
        leverage=leverage_of(row) or None,
        unrealized_pnl=profit,
        percentage=_percentage(profit, mark, notional, market),
        margin_mode=account.mode_of(row, inverse=market.inverse),
        liquidation_price=_figure(row, "liqPrice") or None,
        collateral=_collateral(row, market, account),
        timestamp=changed or None,
        exchange="bybit",
        exchange_account_id=account_id,
    )


def _percentage(profit: Decimal, mark: Decimal | None, notional: Decimal, market: Market) -> Decimal | None:
    if not market.inverse:
        return figures.percentage(profit, notional)
    return figures.percentage(profit * mark, notional) if mark else None


def state_of(rows: list[Row], terms: MarginSettings, market: Market) -> SymbolState:
    """Terms and position of a market; both legs of a hedged one are summed."""
    held = [row for row in rows if size_of(row)]
    legs = (Leg(side_of(row), size_of(row), notional_of(row, market), profit_of(row, market)) for row in held)
    return summed(legs, terms)


def _collateral(row: Row, market: Market, account: AccountInfo) -> Decimal | None:
    """The margin that is held for a position, without its profit. None where Bybit tells none."""
    held = _figure(row, "positionIM" if account.is_unified(inverse=market.inverse) else "positionBalance")
    return None if held is None else figures.margin(held, market.settle)


def _figure(row: Row, name: str) -> Decimal | None:
    """A figure that Bybit may leave empty where it does not apply, or leave out."""
    return None if blank(row, name) else shape.decimal(row, name)
