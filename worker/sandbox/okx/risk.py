"""OKX's formulas for a position's figures, in settle currency.

From its pages on the profit and margin of linear and of inverse contracts, with one maintenance margin rate for all.
"""

from decimal import Decimal

from worker.sandbox.okx.account import OkxAccountState, OkxMarginMode, OkxOpenPosition

MAINTENANCE = Decimal("0.004")
ZERO = Decimal(0)


def side(position: OkxOpenPosition) -> int:
    """1 for long, -1 for short."""
    return 1 if position.amount > 0 else -1


def worth(position: OkxOpenPosition) -> Decimal:
    """What the contracts stand for: base currency if linear, quote currency if inverse."""
    return abs(position.amount) * position.instrument.contract_value


def notional(position: OkxOpenPosition) -> Decimal:
    """What the position is worth at the mark price."""
    mark = position.instrument.mark_price
    return worth(position) / mark if position.instrument.inverse else worth(position) * mark


def profit(position: OkxOpenPosition) -> Decimal:
    """Unrealized profit at the mark price."""
    mark, entry = position.instrument.mark_price, position.entry_price
    if position.instrument.inverse:
        return side(position) * worth(position) * (1 / entry - 1 / mark)
    return side(position) * worth(position) * (mark - entry)


def maintenance(position: OkxOpenPosition) -> Decimal:
    """Maintenance margin."""
    return notional(position) * MAINTENANCE


def leverage(account: OkxAccountState, position: OkxOpenPosition) -> Decimal:
    """The leverage that counts for a position."""
    return account.leverage_of(position.instrument, position.mode, position.side)


def initial(account: OkxAccountState, position: OkxOpenPosition) -> Decimal:
    """Initial margin: notional over leverage."""
    return notional(position) / leverage(account, position)


def in_cross(account: OkxAccountState, currency: str) -> list[OkxOpenPosition]:
    """Cross positions that share a currency's balance."""
    return [
        position
        for position in account.open()
        if position.mode is OkxMarginMode.CROSS and position.instrument.settle == currency
    ]


def free(account: OkxAccountState, currency: str) -> Decimal:
    """What is left of a currency's balance, profits counted in and all margins taken out."""
    held = [position for position in account.open() if position.instrument.settle == currency]
    crossed = in_cross(account, currency)
    isolated = sum((position.margin for position in held if position.mode is OkxMarginMode.ISOLATED), ZERO)
    used = sum((initial(account, position) - profit(position) for position in crossed), ZERO)
    return account.balances.get(currency, ZERO) - isolated - used


def margin_ratio(account: OkxAccountState, position: OkxOpenPosition) -> Decimal:
    """Equity over maintenance margin: of an isolated position its own, of a cross one that of its currency.

    The fee of being liquidated, which OKX counts with the maintenance margin, is nothing here.
    """
    if position.mode is OkxMarginMode.ISOLATED:
        return (position.margin + profit(position)) / maintenance(position)
    currency = position.instrument.settle
    held = [row for row in account.open() if row.instrument.settle == currency]
    bound = sum((row.margin for row in held if row.mode is OkxMarginMode.ISOLATED), ZERO)
    crossed = in_cross(account, currency)
    equity = account.balances.get(currency, ZERO) - bound + sum(map(profit, crossed), ZERO)
    return equity / sum(map(maintenance, crossed), ZERO)


def liquidation_price(account: OkxAccountState, position: OkxOpenPosition) -> Decimal | None:
    """The price at which a position's margin is no more than its maintenance; None where no price is."""
    price = _liquidation(position, _backing(account, position))
    return price if price > 0 else None


def _backing(account: OkxAccountState, position: OkxOpenPosition) -> Decimal:
    if position.mode is OkxMarginMode.ISOLATED:
        return position.margin
    currency = position.instrument.settle
    others = [other for other in in_cross(account, currency) if other is not position]
    return account.balances.get(currency, ZERO) + sum((profit(other) - maintenance(other) for other in others), ZERO)


def _liquidation(position: OkxOpenPosition, backing: Decimal) -> Decimal:
    size, entry, sign = worth(position), position.entry_price, side(position)
    if position.instrument.inverse:
        denominator = backing + sign * size / entry
        return size * (sign + MAINTENANCE) / denominator if denominator else ZERO
    return (sign * size * entry - backing) / (size * (sign - MAINTENANCE))
