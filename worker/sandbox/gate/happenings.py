"""What happens to positions that streams tell on channels of their own, as rows of these channels.

Source: "Futures WebSocket v4", notifications of position_closes, liquidates, auto_deleverages and reduce_risk_limits,
checked 2026-11-29. Figures are numbers there, and ids of users texts. That a liquidation is filled at the mark price,
and that no order is left or cancelled, is made up.
"""

from decimal import Decimal
from typing import Any, Literal

from schemas.base import Milliseconds
from worker.sandbox.gate import formulas
from worker.sandbox.gate.account import GateAccountState, GateHappening, GateMarginMode, Slot
from worker.sandbox.gate.contracts import GateContract
from worker.sandbox.kit.clock import SECOND

CLOSES, LIQUIDATES = "futures.position_closes", "futures.liquidates"
DELEVERAGES, RISK_LIMITS = "futures.auto_deleverages", "futures.reduce_risk_limits"

Cause = Literal["order", "liquidation", "auto_deleveraging"]
"""What changes a position."""


def stamped(account: GateAccountState, now: Milliseconds) -> dict[str, Any]:
    """Whose a row is, and of when."""
    return {"time": now // SECOND, "time_ms": now, "user": str(account.user)}


def liquidation_price(slot: Slot, account: GateAccountState) -> Decimal:
    """What a position is liquidated at."""
    return formulas.liquidation_price(slot, formulas.balance_of(account, slot)).quantize(Decimal("0.00000001"))


def closed(held: Slot, account: GateAccountState, now: Milliseconds) -> GateHappening:
    """A position was closed."""
    row = {
        "contract": held.contract.name,
        "pnl": formulas.unrealised(held).quantize(Decimal("0.000000000001")),
        "side": "long" if held.size > 0 else "short",
        "text": "web",
    }
    return GateHappening(CLOSES, held.contract, row | stamped(account, now))


def taken_away(held: Slot, left: Decimal, cause: Cause, account: GateAccountState, now: Milliseconds) -> GateHappening:
    """A position was liquidated or auto-deleveraged, perhaps in part."""
    contract = held.contract
    common: dict[str, Any] = {
        "contract": contract.name,
        "entry_price": held.entry_price,
        "fill_price": contract.mark_price,
        **stamped(account, now),
    }
    if cause == "auto_deleveraging":
        row = common | {"position_size": int(left), "trade_size": int(left - held.size)}
        return GateHappening(DELEVERAGES, contract, row)
    row = common | {
        "left": 0,
        "leverage": Decimal(0) if held.margin_mode is GateMarginMode.CROSS else held.leverage,
        "liq_price": liquidation_price(held, account),
        "margin": held.margin,
        "mark_price": contract.mark_price,
        "order_id": now,
        "order_price": contract.mark_price,
        "size": int(left - held.size),
    }
    return GateHappening(LIQUIDATES, contract, row)


def reduced(contract: GateContract, limit: Decimal, account: GateAccountState, now: Milliseconds) -> GateHappening:
    """Gate has reduced the risk limit of a contract."""
    slots = account.touched(contract)
    row = {
        "cancel_orders": 0,
        "contract": contract.name,
        "leverage_max": contract.highest_leverage,
        "liq_price": liquidation_price(slots[0], account) if slots else Decimal(0),
        "maintenance_rate": contract.maintenance_rate,
        "risk_limit": limit,
    }
    return GateHappening(RISK_LIMITS, contract, row | stamped(account, now))
