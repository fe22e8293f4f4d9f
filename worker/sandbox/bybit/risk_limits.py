"""Risk limits: how much leverage a position of a size may have (V5 "Get Risk Limit", read 2026-11-30).

Of linear contracts an answer holds those of fifteen symbols. The limits themselves are ours: a contract's highest
leverage up to two millions, half of it up to ten, and a fifth of it up to fifty.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from worker.sandbox.bybit.contracts import CLOSED, INVERSE, LINEAR, BybitContract, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain
from worker.sandbox.bybit.parameters import BybitParameters

SYMBOLS_AT_ONCE = 15
STEPS = ((1, 2_000_000), (2, 10_000_000), (5, 50_000_000))
"""By what the highest leverage is divided, up to which value in quote currency."""


def risk_limits(exchange: BybitExchangeState, parameters: BybitParameters) -> dict[str, Any]:
    """GET /v5/market/risk-limit."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    found = [row for row in exchange.listed_in(category) if row.status != CLOSED]
    if wanted := parameters.get("symbol"):
        found = [row for row in found if row.symbol == wanted]
        if not found:
            raise BybitRefused(10001, "symbol invalid")
    start = int(parameters.get("cursor") or 0)
    end = start + SYMBOLS_AT_ONCE if category == LINEAR else len(found)
    return {
        "category": category,
        "list": [row for contract in found[start:end] for row in _limits(contract)],
        "nextPageCursor": str(end) if end < len(found) else "",
    }


def _limits(contract: BybitContract) -> Iterator[dict[str, Any]]:
    worth = contract.mark_price if contract.inverse else Decimal(1)
    floor, before, deduction = Decimal(0), Decimal(0), Decimal(0)
    for number, (divisor, value) in enumerate(STEPS, start=1):
        cap, rate = (value / worth).to_integral_value(), contract.maintenance * divisor
        deduction += floor * (rate - before)
        leverage = max(contract.max_leverage / divisor, Decimal(1))
        yield {
            "id": number,
            "symbol": contract.symbol,
            "riskLimitValue": plain(cap),
            "maintenanceMargin": plain(rate),
            "initialMargin": plain(round(1 / leverage, 6)),
            "isLowestRisk": int(number == 1),
            "maxLeverage": f"{leverage:.2f}",
            "mmDeduction": plain(deduction) if deduction else "",
        }
        floor, before = cap, rate
