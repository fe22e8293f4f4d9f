"""Open orders, as far as they are needed here: to be counted ("Query futures order list"). The orders are made up."""

from typing import Any

from worker.sandbox.gate.account import GateAccountState
from worker.sandbox.gate.contracts import GateContract
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.kit.clock import SECOND

FIRST_ORDER = 15_675_394
MOST = 1_000


def orders(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """GET orders: those that are open; of finished ones nothing is known."""
    is_open = question.parameters.choice("status", ("open", "finished")) == "open"
    wanted, limit = question.parameters.get("contract"), question.parameters.integer("limit", 100, MOST, 1)
    rows = [
        _row(contract, number, question)
        for contract in question.exchange.listed(question.family, question.settle)
        for number in range(account.open_orders.get(contract.name, 0))
        if is_open and wanted in (None, contract.name)
    ]
    return rows[question.parameters.integer("offset", 0) :][:limit]


def _row(contract: GateContract, number: int, question: GateRequest) -> dict[str, Any]:
    price = (contract.mark_price / 2 // contract.tick) * contract.tick
    return {
        "id": FIRST_ORDER + number,
        "user": 0,
        "contract": contract.name,
        "create_time": question.exchange.clock.now() // SECOND,
        "size": "1" if question.decimal_sizes else 1,
        "left": "1" if question.decimal_sizes else 1,
        "iceberg": "0" if question.decimal_sizes else 0,
        "price": f"{price:f}",
        "status": "open",
        "tif": "gtc",
        "text": "api",
        "is_reduce_only": False,
        "is_close": False,
        "is_liq": False,
        "fill_price": "0",
        "tkfr": "0.0005",
        "mkfr": "0.0002",
    }
