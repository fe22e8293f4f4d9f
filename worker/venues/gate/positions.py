"""Gate's position rows in our terms.

Fields: APIv4 documentation, Position. `size` is negative for shorts; `value`, profits and margins are in settle
currency. A flat market has a row too, once anything was set for it.
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
from worker.venues.port.errors import Ambiguous, PreconditionFailed

MARGIN_MODES = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
NEVER = Decimal(99_999_999)
"""The liquidation price that the documents show for a position which no price liquidates."""


def margin_mode_of(row: Row) -> MarginMode:
    """The margin mode of a row; older answers say it by a leverage of 0, which means cross."""
    spelling = row.get("pos_margin_mode")
    if not spelling:
        return MarginMode.ISOLATED if shape.decimal(row, "leverage") else MarginMode.CROSS
    if spelling not in MARGIN_MODES:
        raise Ambiguous("the field pos_margin_mode of the venue's answer is unreadable", raw=row)
    return MARGIN_MODES[spelling]


def leverage_of(row: Row) -> Decimal:
    """The leverage in force.

    `lever` holds it in both modes. Where it is missing, `leverage` does for isolated and `cross_leverage_limit` for
    cross; a limit of 0 is none, and then the position's highest leverage counts.
    """
    names = ("lever",) if row.get("lever") else ()
    for name in (*names, "leverage", "cross_leverage_limit"):
        if leverage := shape.decimal(row, name):
            return leverage
    return shape.decimal(row, "leverage_max")


def terms_of(rows: list[Row], market: Market) -> MarginSettings:
    """Leverage and margin mode in the rows of a market: one, or a long and a short one in hedge mode.

    Raises PreconditionFailed where the two sides have different margin modes, for no one mode would be the truth.
    """
    for row in rows:
        if row.get("contract") != market.id:
            raise Ambiguous(f"Gate answered for {row.get('contract')}, not for {market.id}", raw=rows)
    modes = {margin_mode_of(row) for row in rows}
    if len(modes) > 1:
        sides = " and ".join(f"{row.get('mode')} is {margin_mode_of(row)}" for row in rows)
        raise PreconditionFailed(f"{market.symbol}: {sides}; switch both sides to one margin mode first", raw=rows)
    leverages = tuple(leverage_of(row) for row in rows)
    hedged = len(rows) > 1
    return MarginSettings(
        max(leverages), modes.pop(), raw=rows if hedged else rows[0], sides=leverages if hedged else ()
    )


def amount_of(row: Row) -> Decimal:
    """Contracts, negative for a short position."""
    return shape.decimal(row, "size")


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, always positive."""
    if market.inverse:
        return abs(amount_of(row)) * market.contract_size
    return abs(shape.decimal(row, "value"))


def position_of(row: Row, market: Market, account_id: str) -> Position:
    """An open position."""
    amount, mark = amount_of(row), shape.decimal(row, "mark_price")
    notional, profit = notional_of(row, market), shape.decimal(row, "unrealised_pnl")
    liquidation = shape.decimal(row, "liq_price")
    changed = shape.milliseconds(row, "update_time") * 1_000
    return Position(
        symbol=market.symbol,
        side=figures.side_of(amount),
        contracts=abs(amount),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "entry_price"),
        mark_price=mark or None,
        notional=notional,
        leverage=leverage_of(row),
        unrealized_pnl=profit,
        percentage=figures.percentage(profit * mark if market.inverse else profit, notional),
        margin_mode=margin_mode_of(row),
        liquidation_price=liquidation if 0 < liquidation < NEVER else None,
        collateral=figures.margin(_margin_held(row), market.settle),
        timestamp=changed or None,
        datetime=utc_text(changed) if changed else None,
        exchange="gate",
        exchange_account_id=account_id,
    )


def state_of(rows: list[Row], market: Market, terms: MarginSettings) -> SymbolState:
    """Terms and position of a market; both legs of a hedged one are summed."""
    held = [row for row in rows if amount_of(row)]
    legs = (
        Leg(
            figures.side_of(amount_of(row)),
            abs(amount_of(row)),
            notional_of(row, market),
            shape.decimal(row, "unrealised_pnl"),
        )
        for row in held
    )
    return summed(legs, terms)


def _margin_held(row: Row) -> Decimal:
    """An isolated position's own margin, or what a cross one takes of the account's (value over leverage, and fees)."""
    if margin_mode_of(row) is MarginMode.ISOLATED:
        return shape.decimal(row, "margin")
    return shape.decimal(row, "initial_margin") or abs(shape.decimal(row, "value")) / leverage_of(row)
