"""What an account can set: leverage, margin mode, position mode."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from worker.sandbox.gate.account import AccountState, MarginMode, Slot
from worker.sandbox.gate.contracts import Contract
from worker.sandbox.gate.endpoint import Question
from worker.sandbox.gate.errors import Refused
from worker.sandbox.gate.formulas import available, entry_margin
from worker.sandbox.gate.positions import position_row, rows_of
from worker.sandbox.gate.wallets import account_row

Handler = Callable[[Question, AccountState], Any]

MODES = {"CROSS": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}


def leverage(question: Question, account: AccountState) -> Any:
    """POST positions/{contract}/leverage: 0 switches to cross, anything else to isolated.

    In hedge mode it sets and answers both sides, though the documents speak of one position.
    """
    rows = both_leverages(question, account) if account.hedged else _set_implied(question, account)
    return rows if len(rows) > 1 else rows[0]


def both_leverages(question: Question, account: AccountState) -> list[dict[str, Any]]:
    """POST dual_comp/positions/{contract}/leverage."""
    _check_hedged(account, question.contract)
    return _set_implied(question, account)


def _set_implied(question: Question, account: AccountState) -> list[dict[str, Any]]:
    wanted = question.parameters.number("leverage")
    mode = MarginMode.ISOLATED if wanted else MarginMode.CROSS
    if not wanted and "cross_leverage_limit" in question.parameters:
        wanted = question.parameters.number("cross_leverage_limit")
    wanted = wanted or Decimal(question.contract.highest_leverage)
    _set(account.touch(question.contract), mode, wanted, question, account)
    return rows_of(question.contract, account, question)


def leverage_in_mode(question: Question, account: AccountState) -> dict[str, Any]:
    """POST positions/{contract}/set_leverage: of one side, in the margin mode that is named."""
    mode = MarginMode(question.parameters.choice("margin_mode", tuple(MarginMode)))
    wanted = question.parameters.number("leverage")
    side = question.parameters.choice("dual_side", ("dual_long", "dual_short")) if account.hedged else "single"
    slots = tuple(slot for slot in account.touch(question.contract) if slot.side == side)
    _set(slots, mode, wanted, question, account)
    return position_row(slots[0], account, decimal_sizes=question.decimal_sizes)


def _set(slots: tuple[Slot, ...], mode: MarginMode, wanted: Decimal, question: Question, account: AccountState) -> None:
    contract = question.contract
    if wanted > contract.highest_leverage:
        raise Refused("LEVERAGE_TOO_HIGH", contract.highest_leverage)
    if wanted < 1:
        raise Refused("LEVERAGE_TOO_LOW", 1)
    isolated = mode is MarginMode.ISOLATED
    margins = [entry_margin(slot, wanted) if isolated else Decimal(0) for slot in slots]
    needed = sum(margins, Decimal(0)) - sum((slot.margin for slot in slots), Decimal(0))
    if needed > 0 and needed > available(account, contract.family, contract.settle):
        raise Refused("INSUFFICIENT_AVAILABLE")
    for slot, margin in zip(slots, margins, strict=True):
        slot.leverage, slot.margin_mode, slot.margin = wanted, mode, margin
        slot.updated, slot.update_id = question.exchange.clock.now(), slot.update_id + 1


def margin_mode(*, hedged: bool) -> Handler:
    """POST positions/cross_mode, and its counterpart under dual_comp for hedge mode."""

    def switch(question: Question, account: AccountState) -> Any:
        mode, contract = MODES[question.parameters.choice("mode", tuple(MODES))], question.contract
        if account.hedged and not hedged:
            raise Refused("POSITION_DUAL_MODE")
        if hedged:
            _check_hedged(account, contract)
        slots = account.touch(contract)
        _check_switch(slots, mode, contract, account)
        for slot in slots:
            _set((slot,), mode, slot.leverage, question, account)
        rows = rows_of(contract, account, question)
        return rows if hedged else rows[0]

    return switch


def _check_switch(slots: tuple[Slot, ...], mode: MarginMode, contract: Contract, account: AccountState) -> None:
    if all(slot.margin_mode is mode for slot in slots):
        raise Refused("NO_CHANGE")
    if any(slot.size for slot in slots):
        raise Refused("POSITION_HOLDING")
    if account.open_orders.get(contract.name):
        raise Refused("ORDER_PENDING")


def _check_hedged(account: AccountState, contract: Contract) -> None:
    if not account.hedged:
        raise Refused("INVALID_PARAM_VALUE", "contract", contract.name)


def position_mode(question: Question, account: AccountState) -> dict[str, Any]:
    """POST dual_mode: only while nothing is held and nothing is ordered."""
    wanted = question.parameters.flag("dual_mode")
    if wanted == account.hedged:
        raise Refused("NO_CHANGE")
    if any(slot.size for slot in account.slots.values()):
        raise Refused("POSITION_HOLDING")
    if any(account.open_orders.values()):
        raise Refused("ORDER_PENDING")
    account.hedged = wanted
    return account_row(question, account)
