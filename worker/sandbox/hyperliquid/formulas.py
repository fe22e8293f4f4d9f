"""Hyperliquid's own formulas for margins (documentation, "Margining" and "Liquidations")."""

from collections.abc import Iterable
from decimal import Decimal

from worker.sandbox.hyperliquid.account import ZERO, Held, HyperliquidAccountState
from worker.sandbox.hyperliquid.perps import Dex


def total(figures: Iterable[Decimal]) -> Decimal:
    """The sum of figures."""
    return sum(figures, ZERO)


def maintenance_rate(held: Held) -> Decimal:
    """Half of the initial margin at the highest leverage."""
    return 1 / Decimal(2 * held.perp.max_leverage)


def initial_margin(held: Held, leverage: int) -> Decimal:
    """What a position takes at a leverage."""
    return held.value / leverage


def transfer_margin(held: Held, leverage: int) -> Decimal:
    """What has to stay where margin is taken out: the initial margin, and a tenth of the value at least."""
    return max(initial_margin(held, leverage), held.value / 10)


def account_value(state: HyperliquidAccountState, dex: Dex) -> Decimal:
    """Collateral and unrealized profits."""
    return state.balances.get(dex.name, ZERO) + total(held.profit for held in state.held_on(dex))


def cross_value(state: HyperliquidAccountState, dex: Dex) -> Decimal:
    """The account value without what isolated positions have to themselves."""
    return account_value(state, dex) - total(held.margin + held.profit for held in state.held_on(dex, cross=False))


def margin_used(state: HyperliquidAccountState, held: Held) -> Decimal:
    """The margin of a position: its initial margin, or all that an isolated one has to itself."""
    terms = state.terms_of(held.perp)
    return initial_margin(held, terms.leverage) if terms.cross else held.margin + held.profit


def cross_margin_used(state: HyperliquidAccountState, dex: Dex) -> Decimal:
    """The initial margins of all cross positions."""
    return total(margin_used(state, held) for held in state.held_on(dex, cross=True))


def cross_maintenance(state: HyperliquidAccountState, dex: Dex) -> Decimal:
    """The maintenance margins of all cross positions."""
    return total(held.value * maintenance_rate(held) for held in state.held_on(dex, cross=True))


def withdrawable(state: HyperliquidAccountState, dex: Dex) -> Decimal:
    """What cross positions don't need."""
    return max(cross_value(state, dex) - cross_margin_used(state, dex), ZERO)


def liquidation_price(state: HyperliquidAccountState, held: Held) -> Decimal | None:
    """The price at which a position is liquidated, or None where no price does it."""
    dex, rate = held.perp.dex, maintenance_rate(held)
    if state.terms_of(held.perp).cross:
        spare = cross_value(state, dex) - cross_maintenance(state, dex)
    else:
        spare = held.margin + held.profit - held.value * rate
    side = 1 if held.size > 0 else -1
    price = held.perp.mark_price - side * spare / abs(held.size) / (1 - rate * side)
    return price if price > 0 else None
