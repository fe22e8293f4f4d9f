"""What an account can set: leverage, margin mode, position mode.

Each endpoint takes what its own page documents (APIv4 documentation and gate-api 7.2.161, checked 2026-11-29); what it
does not document is read by nobody.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from worker.sandbox.gate.account import GateAccountState, GateMarginMode, Side, Slot
from worker.sandbox.gate.contracts import DELIVERY, GateContract
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.gate.formulas import available, entry_margin, unrealised
from worker.sandbox.gate.positions import position_row, rows_of
from worker.sandbox.gate.wallets import account_row

Handler = Callable[[GateRequest, GateAccountState], Any]

MODES = {"CROSS": GateMarginMode.CROSS, "ISOLATED": GateMarginMode.ISOLATED}


def leverage(question: GateRequest, account: GateAccountState) -> Any:
    """POST positions/{contract}/leverage: 0 switches to cross, anything else to isolated.

    In hedge mode it sets and answers both sides, though the documents speak of one position.
    """
    rows = both_leverages(question, account) if _is_hedged(question, account) else _set_implied(question, account)
    return rows if len(rows) > 1 else rows[0]


def delivery_leverage(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """POST positions/{contract}/leverage of a delivery: `leverage` alone, where 0 means cross.

    No document says which leverage comes with cross; that it is the highest is a guess, after the perpetuals' endpoint.
    """
    wanted, contract = question.parameters.number("leverage"), question.contract
    mode = GateMarginMode.ISOLATED if wanted else GateMarginMode.CROSS
    _set(account.touch(contract), mode, wanted or Decimal(contract.highest_leverage), question, account)
    return rows_of(contract, account, question)[0]


def both_leverages(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """POST dual_comp/positions/{contract}/leverage."""
    _check_hedged(account, question.contract)
    return _set_implied(question, account)


def _set_implied(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    wanted = question.parameters.number("leverage")
    mode = GateMarginMode.ISOLATED if wanted else GateMarginMode.CROSS
    if not wanted and "cross_leverage_limit" in question.parameters:
        wanted = question.parameters.number("cross_leverage_limit")
    wanted = wanted or Decimal(question.contract.highest_leverage)
    _set(account.touch(question.contract), mode, wanted, question, account)
    return rows_of(question.contract, account, question)


def leverage_in_mode(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """POST positions/{contract}/set_leverage: of one side, in the margin mode that is named."""
    mode = GateMarginMode(question.parameters.choice("margin_mode", tuple(GateMarginMode)))
    wanted = question.parameters.number("leverage")
    side = (
        question.parameters.choice("dual_side", ("dual_long", "dual_short"))
        if _is_hedged(question, account)
        else "single"
    )
    slots = tuple(slot for slot in account.touch(question.contract) if slot.side == side)
    _set(slots, mode, wanted, question, account)
    return position_row(slots[0], account, decimal_sizes=question.decimal_sizes)


def _set(
    slots: tuple[Slot, ...], mode: GateMarginMode, wanted: Decimal, question: GateRequest, account: GateAccountState
) -> None:
    contract = question.contract
    if wanted > contract.highest_leverage:
        raise GateRefused("LEVERAGE_TOO_HIGH", contract.highest_leverage)
    if wanted < 1:
        raise GateRefused("LEVERAGE_TOO_LOW", 1)
    isolated = mode is GateMarginMode.ISOLATED
    margins = [entry_margin(slot, wanted) if isolated else Decimal(0) for slot in slots]
    needed = sum(margins, Decimal(0)) - sum((slot.margin for slot in slots), Decimal(0))
    if needed > 0 and needed > available(account, contract.family, contract.settle):
        raise GateRefused("INSUFFICIENT_AVAILABLE")
    for slot, margin in zip(slots, margins, strict=True):
        slot.leverage, slot.margin_mode, slot.margin = wanted, mode, margin
        slot.updated, slot.update_id = question.exchange.clock.now(), slot.update_id + 1


def margin_mode(*, hedged: bool) -> Handler:
    """POST positions/cross_mode, and its counterpart under dual_comp for hedge mode."""

    def switch(question: GateRequest, account: GateAccountState) -> Any:
        mode, contract = MODES[question.parameters.choice("mode", tuple(MODES))], question.contract
        if account.is_hedged(contract.family, contract.settle) and not hedged:
            raise GateRefused("POSITION_DUAL_MODE")
        if hedged:
            _check_hedged(account, contract)
        slots = account.touch(contract)
        _check_switch(slots, mode, contract, account)
        for slot in slots:
            _set((slot,), mode, slot.leverage, question, account)
        rows = rows_of(contract, account, question)
        return rows if hedged else rows[0]

    return switch


def _check_switch(
    slots: tuple[Slot, ...], mode: GateMarginMode, contract: GateContract, account: GateAccountState
) -> None:
    if all(slot.margin_mode is mode for slot in slots):
        raise GateRefused("NO_CHANGE")
    if any(slot.size for slot in slots):
        raise GateRefused("POSITION_HOLDING")
    if account.open_orders.get(contract.name):
        raise GateRefused("ORDER_PENDING")


def _check_hedged(account: GateAccountState, contract: GateContract) -> None:
    if not account.is_hedged(contract.family, contract.settle):
        raise GateRefused("INVALID_PARAM_VALUE", "contract", contract.name)


def _is_hedged(question: GateRequest, account: GateAccountState) -> bool:
    return account.is_hedged(question.family, question.settle)


def position_mode(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """POST dual_mode: only while nothing is held and nothing is ordered in the settle currency."""
    return _switch(question, account, question.parameters.flag("dual_mode"))


def holding_mode(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """POST set_position_mode, which replaces dual_mode. Split mode can't be entered here: no row of it is told."""
    return _switch(question, account, question.parameters.choice("position_mode", ("single", "dual")) == "dual")


def _switch(question: GateRequest, account: GateAccountState, wanted: bool) -> dict[str, Any]:
    family, settle = question.family, question.settle
    if wanted == account.is_hedged(family, settle):
        raise GateRefused("NO_CHANGE")
    if any(slot.size for slot in account.slots_in(family, settle)):
        raise GateRefused("POSITION_HOLDING")
    if any(account.open_orders.get(row.name) for row in question.exchange.listed(family, settle)):
        raise GateRefused("ORDER_PENDING")
    account.modes[settle] = wanted
    return account_row(question, account)


def position_margin(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """POST positions/{contract}/margin: of the one position of a contract."""
    if account.hedged and question.family != DELIVERY:
        raise GateRefused("POSITION_DUAL_MODE")
    return _moved(question, account, Side.SINGLE)


def side_margin(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """POST dual_comp/positions/{contract}/margin: of one side; both are answered."""
    _check_hedged(account, question.contract)
    _moved(question, account, Side(question.parameters.choice("dual_side", (Side.LONG, Side.SHORT))))
    return rows_of(question.contract, account, question)


def _moved(question: GateRequest, account: GateAccountState, side: Side) -> dict[str, Any]:
    """What may be taken out is ours: all beyond the margin at entry, a loss taken off."""
    change = question.parameters.signed("change")
    slot = account.slots.get((question.contract, side))
    if slot is None or not slot.size:
        raise GateRefused("POSITION_EMPTY")
    if slot.margin_mode is not GateMarginMode.ISOLATED:
        raise GateRefused("POSITION_CROSS_MARGIN")
    spare = slot.margin + min(unrealised(slot), Decimal(0)) - entry_margin(slot, slot.leverage)
    if change > available(account, question.family, question.settle) or -change > spare:
        raise GateRefused("INSUFFICIENT_AVAILABLE")
    slot.margin += change
    return position_row(slot, account, decimal_sizes=question.decimal_sizes)
