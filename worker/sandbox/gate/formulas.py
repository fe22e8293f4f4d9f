"""Gate's formulas for a position's figures, in settle currency (help centre: unrealised PnL, margin, liquidation).

A contract is worth its multiplier in coins; an inverse contract is worth 1 USD, and earns in its coin.
"""

from decimal import Decimal

from worker.sandbox.gate.account import ZERO, GateAccountState, GateMarginMode, Slot

TAKER_FEE = Decimal("0.00075")
NEVER = Decimal(99_999_999)
"""The liquidation price of a short position that no price liquidates."""


def value(slot: Slot) -> Decimal:
    """What a position is worth at the mark price."""
    contract = slot.contract
    return abs(slot.size) / contract.mark_price if contract.inverse else abs(_coins(slot)) * contract.mark_price


def unrealised(slot: Slot) -> Decimal:
    """Profit at the mark price."""
    if not slot.size:
        return ZERO
    if slot.contract.inverse:
        return slot.size * (1 / slot.entry_price - 1 / slot.contract.mark_price)
    return _coins(slot) * (slot.contract.mark_price - slot.entry_price)


def initial_margin(slot: Slot) -> Decimal:
    """Value over leverage, and the fee of closing."""
    return value(slot) * (1 / slot.leverage + TAKER_FEE)


def maintenance_margin(slot: Slot) -> Decimal:
    """What must be left of the margin."""
    return value(slot) * slot.contract.maintenance_rate


def entry_margin(slot: Slot, leverage: Decimal) -> Decimal:
    """The margin that an isolated position is given at a leverage: its value at entry over that."""
    if not slot.size:
        return ZERO
    worth = abs(slot.size) / slot.entry_price if slot.contract.inverse else abs(_coins(slot)) * slot.entry_price
    return worth / leverage


def balance_of(account: GateAccountState, slot: Slot) -> Decimal:
    """What a position can lose: its own margin, or what isolated positions leave of its wallet."""
    if slot.margin_mode is GateMarginMode.ISOLATED:
        return slot.margin
    where = (slot.contract.family, slot.contract.settle)
    return account.wallets.get(where, ZERO) - sum((other.margin for other in account.slots_in(*where)), ZERO)


def liquidation_price(slot: Slot, balance: Decimal) -> Decimal:
    """The price at which a position has used up its balance but for the maintenance margin; 0 where there is none."""
    if not slot.size:
        return ZERO
    kept = abs(slot.size) * slot.contract.maintenance_rate
    if slot.contract.inverse:
        left = balance + slot.size / slot.entry_price
        price = (slot.size + kept) / left if left else NEVER
        return price if price > 0 else NEVER
    size = slot.contract.multiplier
    return max((_coins(slot) * slot.entry_price - balance) / ((slot.size - kept) * size), ZERO)


def available(account: GateAccountState, family: str, settle: str) -> Decimal:
    """What of a wallet is not bound by positions."""
    slots = account.slots_in(family, settle)
    bound = sum((slot.margin if slot.margin else initial_margin(slot) for slot in slots), ZERO)
    return account.wallets.get((family, settle), ZERO) - bound


def _coins(slot: Slot) -> Decimal:
    return slot.size * slot.contract.multiplier
