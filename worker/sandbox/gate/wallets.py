"""Account rows: one for each family and settle currency."""

from decimal import Decimal
from typing import Any

from worker.sandbox.gate import formulas
from worker.sandbox.gate.account import ZERO, GateAccountState, GateMarginMode, GateUnifiedMode
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.gate.positions import figure
from worker.sandbox.kit.clock import SECOND

HISTORY = ("dnw", "pnl", "fee", "refr", "fund", "point_dnw", "point_fee", "point_refr", "bonus_dnw", "bonus_offset")


MODES = tuple(GateUnifiedMode)
"""In the order of the numbers that `margin_mode` of a futures account has for them (gate-api 7.2.161)."""


def unified_account(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """GET /unified/accounts: one pool in USD, or in one currency the cross margin of USDT.

    That coins count in full at their mark price is ours, and that the rate is maintenance margin over balance.
    """
    if account.unified is GateUnifiedMode.CLASSIC:
        raise GateRefused("USER_NOT_FOUND")
    single = account.unified is GateUnifiedMode.SINGLE_CURRENCY
    totals = [ZERO, ZERO, ZERO] if single else _totals(question, account)
    return {
        "mode": account.unified.value,
        "user_id": account.user,
        "refresh_time": question.exchange.clock.now() // SECOND,
        "locked": False,
        "balances": {settle.upper(): _unified_balance(account, settle, single) for settle in ("usdt", "btc")},
        "total_initial_margin": figure(totals[0]),
        "total_maintenance_margin": figure(totals[1]),
        "total_margin_balance": figure(totals[2]),
        "total_initial_margin_rate": figure(totals[0] / totals[2] if totals[2] else ZERO),
        "total_maintenance_margin_rate": figure(totals[1] / totals[2] if totals[2] else ZERO),
        "total_available_margin": figure(max(totals[2] - totals[0], ZERO)),
    }


def _totals(question: GateRequest, account: GateAccountState) -> list[Decimal]:
    """Initial margin, maintenance margin and balance of all cross positions, in USD."""
    bitcoin = question.exchange.contracts[PERPETUAL, "BTC_USDT"].mark_price
    totals = [ZERO, ZERO, ZERO]
    for where, amount in account.wallets.items():
        price = bitcoin if where[1] == "btc" else Decimal(1)
        for place, value in enumerate(_cross(account, *where, amount)):
            totals[place] += value * price
    return totals


def _cross(account: GateAccountState, family: str, settle: str, total: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    slots = [slot for slot in account.slots_in(family, settle) if slot.size]
    cross = [slot for slot in slots if slot.margin_mode is GateMarginMode.CROSS]
    balance = total - sum((slot.margin for slot in slots), ZERO) + sum(map(formulas.unrealised, cross), ZERO)
    initial, maintenance = map(formulas.initial_margin, cross), map(formulas.maintenance_margin, cross)
    return sum(initial, ZERO), sum(maintenance, ZERO), balance


def _unified_balance(account: GateAccountState, settle: str, single: bool) -> dict[str, str]:
    held = account.wallets.get((PERPETUAL, settle), ZERO)
    own = _cross(account, PERPETUAL, settle, held) if single and settle == "usdt" else (ZERO, ZERO, ZERO)
    return {
        "available": figure(held),
        "freeze": "0",
        "equity": figure(held),
        "im": figure(own[0]),
        "mm": figure(own[1]),
        "imr": figure(own[0] / own[2] if own[2] else ZERO),
        "mmr": figure(own[1] / own[2] if own[2] else ZERO),
        "margin_balance": figure(own[2]),
        "available_margin": figure(max(own[2] - own[0], ZERO)),
    }


def account_row(question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """GET accounts."""
    special = {} if question.family == DELIVERY else _position_mode(account, question.settle)
    return {
        **_balances(question, account),
        "point": "0",
        "bonus": "0",
        "currency": question.settle.upper(),
        "in_dual_mode": account.is_hedged(question.family, question.settle),
        "enable_credit": False,
        "enable_evolved_classic": True,
        "enable_new_dual_mode": True,
        "enable_tiered_mm": True,
        "margin_mode": MODES.index(account.unified),
        "history": dict.fromkeys(HISTORY, "0"),
        **special,
    }


def _position_mode(account: GateAccountState, settle: str) -> dict[str, Any]:
    mode = "dual_plus" if account.split else "dual" if account.is_hedged(PERPETUAL, settle) else "single"
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
