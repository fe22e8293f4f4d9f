"""Position rows, and the endpoints that list them."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from worker.sandbox.gate import formulas
from worker.sandbox.gate.account import DEFAULT_LEVERAGE, ZERO, GateAccountState, GateMarginMode, Side, Slot
from worker.sandbox.gate.contracts import DELIVERY, GateContract
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.kit.clock import SECOND

PAGE = 100
TWELVE_PLACES = Decimal("0.000000000001")
RISK_LIMIT = Decimal(1_000_000)
NOT_RANKED = 6
"""The rank in the queue for auto-deleveraging of who has no position."""


def figure(value: Decimal) -> str:
    """Figures are strings with as many decimals as needed, at most twelve.

    >>> figure(Decimal("98000.00")), figure(Decimal(0))
    ('98000', '0')
    """
    return format(value.quantize(TWELVE_PLACES, ROUND_HALF_EVEN).normalize() + 0, "f")


def position_row(slot: Slot, account: GateAccountState, *, decimal_sizes: bool) -> dict[str, Any]:
    """A side of a contract, flat or not."""
    row = {**_identity(slot, account, decimal_sizes), **_terms(slot, account), **_figures(slot, account), **_past()}
    return row if slot.contract.family == DELIVERY else {**row, **_newer_terms(slot)}


def _identity(slot: Slot, account: GateAccountState, decimal_sizes: bool) -> dict[str, Any]:
    size = figure(slot.size) if decimal_sizes and slot.contract.family != DELIVERY else int(slot.size)
    return {
        "user": account.user,
        "contract": slot.contract.name,
        "size": size,
        "mode": slot.side.value,
        "adl_ranking": 5 if slot.size else NOT_RANKED,
        "pending_orders": account.open_orders.get(slot.contract.name, 0),
        "close_order": None,
        "update_time": slot.updated // SECOND,
        "update_id": slot.update_id,
        "open_time": slot.opened // SECOND,
    }


def risk_limit(slot: Slot, account: GateAccountState) -> Decimal:
    """The largest value that a position may have."""
    return account.risk_limits.get(slot.contract.name, RISK_LIMIT)


def _terms(slot: Slot, account: GateAccountState) -> dict[str, Any]:
    cross = slot.margin_mode is GateMarginMode.CROSS
    return {
        "leverage": "0" if cross else figure(slot.leverage),
        "cross_leverage_limit": figure(slot.leverage) if cross else "0",
        "leverage_max": str(slot.contract.highest_leverage),
        "risk_limit": str(risk_limit(slot, account)),
        "risk_limit_table": f"{slot.contract.name}_TABLE",
        "maintenance_rate": str(slot.contract.maintenance_rate),
        "average_maintenance_rate": str(slot.contract.maintenance_rate),
    }


def _newer_terms(slot: Slot) -> dict[str, Any]:
    """What only perpetuals have."""
    return {
        "pos_margin_mode": slot.margin_mode.value,
        "lever": figure(slot.leverage),
        "pid": 0,
        "hedge_status": None,
        "hedged_size": "0",
        "unhedged_size": str(abs(slot.size)),
    }


def _figures(slot: Slot, account: GateAccountState) -> dict[str, Any]:
    balance = formulas.balance_of(account, slot)
    return {
        "value": figure(formulas.value(slot)),
        "margin": figure(slot.margin),
        "entry_price": figure(slot.entry_price),
        "mark_price": figure(slot.contract.mark_price),
        "liq_price": figure(formulas.liquidation_price(slot, balance)),
        "initial_margin": figure(formulas.initial_margin(slot) if slot.size else ZERO),
        "maintenance_margin": figure(formulas.maintenance_margin(slot)),
        "unrealised_pnl": figure(formulas.unrealised(slot)),
    }


def _past() -> dict[str, Any]:
    names = ("realised_pnl", "pnl_pnl", "pnl_fund", "pnl_fee", "history_pnl", "last_close_pnl")
    return dict.fromkeys((*names, "realised_point", "history_point"), "0")


def rows_of(contract: GateContract, account: GateAccountState, question: GateRequest) -> list[dict[str, Any]]:
    """The rows of a contract that the account has touched. Raises GateRefused for any other."""
    slots = account.touched(contract)
    if not slots:
        raise GateRefused("POSITION_NOT_FOUND")
    return [position_row(slot, account, decimal_sizes=question.decimal_sizes) for slot in slots]


def one_position(question: GateRequest, account: GateAccountState) -> Any:
    """GET positions/{contract}: an object, or in hedge mode both sides."""
    rows = rows_of(question.contract, account, question)
    return rows if len(rows) > 1 else rows[0]


def both_positions(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """GET dual_comp/positions/{contract}."""
    return rows_of(question.contract, account, question)


def default_leverage(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """GET get_leverage/{contract}. The field begins with a capital."""
    question.parameters.choice("pos_margin_mode", tuple(GateMarginMode))
    side = question.parameters.choice("dual_side", ("dual_long", "dual_short"))
    touched = [slot.leverage for slot in account.touched(question.contract) if slot.side in (Side.SINGLE, side)]
    return {"Lever": figure(touched[0] if touched else DEFAULT_LEVERAGE)}


def list_positions(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """GET positions: without a limit all at once, else pages of at most a hundred (gate-api 7.2.161).

    Of deliveries no parameter is documented, and none is read.
    """
    slots = account.slots_in(question.family, question.settle)
    if question.family == DELIVERY:
        return [position_row(slot, account, decimal_sizes=question.decimal_sizes) for slot in slots]
    parameters = question.parameters
    if parameters.flag("holding"):
        slots = tuple(slot for slot in slots if slot.size)
    offset = parameters.integer("offset", 0)
    limit = parameters.integer("limit", len(slots) or 1, PAGE if "limit" in parameters else None, 1)
    return [
        position_row(slot, account, decimal_sizes=question.decimal_sizes) for slot in slots[offset : offset + limit]
    ]
