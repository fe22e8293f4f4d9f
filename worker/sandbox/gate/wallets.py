"""Account rows: one for each family and settle currency."""

from typing import Any

from worker.sandbox.gate import formulas
from worker.sandbox.gate.account import ZERO, GateAccountState, GateMarginMode
from worker.sandbox.gate.contracts import DELIVERY
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.positions import figure

HISTORY = ("dnw", "pnl", "fee", "refr", "fund", "point_dnw", "point_fee", "point_refr", "bonus_dnw", "bonus_offset")


def account_row(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """GET accounts."""
    special = {} if question.family == DELIVERY else _position_mode(account)
    return {
        **_balances(question, account),
        "point": "0",
        "bonus": "0",
        "currency": question.settle.upper(),
        "in_dual_mode": account.hedged and question.family != DELIVERY,
        "enable_credit": False,
        "enable_evolved_classic": True,
        "enable_new_dual_mode": True,
        "enable_tiered_mm": True,
        "margin_mode": 0,
        "history": dict.fromkeys(HISTORY, "0"),
        **special,
    }


def _position_mode(account: GateAccountState) -> dict[str, Any]:
    mode = "dual_plus" if account.split else "dual" if account.hedged else "single"
    return {"position_mode": mode, "enable_dual_plus": account.split}


def _balances(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    family, settle = question.family, question.settle
    slots = [slot for slot in account.slots_in(family, settle) if slot.size]
    cross = [slot for slot in slots if slot.margin_mode is GateMarginMode.CROSS]
    isolated = sum((slot.margin for slot in slots), ZERO)
    total, free = account.wallets[family, settle], formulas.available(account, family, settle)
    profit = sum(map(formulas.unrealised, cross), ZERO)
    initial = sum(map(formulas.initial_margin, cross), ZERO)
    maintenance = sum(map(formulas.maintenance_margin, cross), ZERO)
    figures = {
        "total": total,
        "unrealised_pnl": sum(map(formulas.unrealised, slots), ZERO),
        "position_margin": isolated,
        "order_margin": ZERO,
        "available": free,
        "position_initial_margin": initial + isolated,
        "maintenance_margin": sum(map(formulas.maintenance_margin, slots), ZERO),
        "cross_order_margin": ZERO,
        "cross_initial_margin": initial,
        "cross_maintenance_margin": maintenance,
        "cross_unrealised_pnl": profit,
        "cross_available": free,
        "cross_margin_balance": total - isolated + profit,
        "cross_mmr": maintenance / (total - isolated + profit) if total - isolated + profit else ZERO,
        "cross_imr": initial / (total - isolated + profit) if total - isolated + profit else ZERO,
        "isolated_position_margin": isolated,
    }
    return {name: figure(value) for name, value in figures.items()}
