"""Risk limit tiers ("Query risk limit tiers", gate-api 7.2.161): of a contract, or of a page of contracts.

The tiers themselves are ours: a contract's highest leverage up to a million, half of it up to five, a fifth up to
twenty. Of contracts in BTC they are in BTC.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from worker.sandbox.gate.contracts import GateContract
from worker.sandbox.gate.endpoint import GateRequest

CONTRACTS_AT_ONCE = 100
MOST = 1_000
STEPS = ((1, 1_000_000), (2, 5_000_000), (5, 20_000_000))
"""By what the highest leverage is divided, up to which value in quote currency."""


def tiers(question: GateRequest) -> list[dict[str, Any]]:
    """GET risk_limit_tiers. `limit` and `offset` count contracts, and only then a row names its contract."""
    if "contract" in question.parameters:
        return list(_tiers(question.contract))
    offset = question.parameters.integer("offset", 0)
    limit = question.parameters.integer("limit", CONTRACTS_AT_ONCE, MOST, 1)
    listed = [row for row in question.exchange.listed(question.family, question.settle) if not row.is_delisted]
    return [
        {**row, "contract": contract.name} for contract in listed[offset : offset + limit] for row in _tiers(contract)
    ]


def _tiers(contract: GateContract) -> Iterator[dict[str, Any]]:
    worth = contract.mark_price if contract.inverse else Decimal(1)
    floor, before, deduction = Decimal(0), Decimal(0), Decimal(0)
    for number, (divisor, value) in enumerate(STEPS, start=1):
        cap, rate = (value / worth).to_integral_value(), contract.maintenance_rate * divisor
        deduction += floor * (rate - before)
        leverage = max(Decimal(contract.highest_leverage) / divisor, Decimal(1))
        yield {
            "tier": number,
            "risk_limit": f"{cap:f}",
            "initial_rate": f"{round(1 / leverage, 6):f}",
            "maintenance_rate": f"{rate:f}",
            "leverage_max": f"{leverage.normalize():f}",
            "deduction": "0"
            if number == 1
            else f"{contract.maintenance_rate * (divisor - 1) * STEPS[number - 2][1]:f}",
        }
