"""What anybody may ask: the time and the contracts."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from worker.sandbox.gate.contracts import DELIVERY, GateContract
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.formulas import TAKER_FEE
from worker.sandbox.kit.clock import HOUR, SECOND

CREATED = 1_574_035_200
"""2019-11-18, in seconds."""

FUNDING_INTERVAL = 8 * HOUR
PAGE = 1_000


def server_time(question: GateRequest) -> dict[str, Any]:
    """GET /spot/time."""
    return {"server_time": question.exchange.clock.now()}


def contracts(question: GateRequest) -> list[dict[str, Any]]:
    """GET contracts: those that have not left."""
    listed = question.exchange.listed(question.family, question.settle)
    return _page([contract for contract in listed if not contract.is_delisted], question)


def contracts_all(question: GateRequest) -> list[dict[str, Any]]:
    """GET contracts_all: those that were delisted too."""
    return _page(question.exchange.listed(question.family, question.settle), question)


def _page(listed: Sequence[GateContract], question: GateRequest) -> list[dict[str, Any]]:
    """Without a limit all of them; of deliveries no page is documented."""
    parameters = question.parameters
    if question.family == DELIVERY:
        return [_row(contract, question) for contract in listed]
    offset = parameters.integer("offset", 0)
    limit = parameters.integer("limit", len(listed) or 1, PAGE if "limit" in parameters else None, 1)
    return [_row(contract, question) for contract in listed[offset : offset + limit]]


def contract(question: GateRequest) -> dict[str, Any]:
    """GET contracts/{contract}."""
    return _row(question.contract, question)


def _row(contract: GateContract, question: GateRequest) -> dict[str, Any]:
    special = _delivery(contract) if contract.family == DELIVERY else _perpetual(contract, question)
    return {**_common(contract), **_sizes(question.decimal_sizes), **special}


def _common(contract: GateContract) -> dict[str, Any]:
    price = f"{contract.mark_price:f}"
    return {
        "name": contract.name,
        "type": "inverse" if contract.inverse else "direct",
        "quanto_multiplier": f"{contract.multiplier:f}",
        "leverage_min": "1",
        "leverage_max": str(contract.highest_leverage),
        "maintenance_rate": str(contract.maintenance_rate),
        "mark_type": "index",
        "mark_price": price,
        "index_price": price,
        "last_price": price,
        "maker_fee_rate": "-0.0001",
        "taker_fee_rate": str(TAKER_FEE),
        "order_price_round": str(contract.tick),
        "mark_price_round": str(contract.tick),
        "risk_limit_base": "1000000",
        "risk_limit_step": "1000000",
        "risk_limit_max": "8000000",
        "order_price_deviate": "0.5",
        "ref_discount_rate": "0",
        "ref_rebate_rate": "0.2",
        "orderbook_id": 1,
        "trade_id": 1,
        "config_change_time": Decimal(CREATED),
        "in_delisting": bool(contract.delisting),
        "orders_limit": 100,
    }


def _sizes(decimal: bool) -> dict[str, Any]:
    sizes = {"order_size_min": 1, "order_size_max": 1_000_000, "trade_size": 100_000, "position_size": 10_000}
    return {name: str(size) for name, size in sizes.items()} if decimal else dict(sizes)


def _perpetual(contract: GateContract, question: GateRequest) -> dict[str, Any]:
    now = question.exchange.clock.now()
    return {
        "funding_rate": "0.0001",
        "funding_interval": FUNDING_INTERVAL // SECOND,
        "funding_next_apply": (now // FUNDING_INTERVAL + 1) * FUNDING_INTERVAL // SECOND,
        "interest_rate": "0.0003",
        "enable_decimal": False,
        "enable_bonus": True,
        "enable_credit": True,
        "create_time": CREATED,
        "funding_cap_ratio": "0.75",
        "status": _status(contract),
        "launch_time": CREATED,
        "delisting_time": contract.delisting // SECOND,
        "delisted_time": contract.delisting // SECOND if contract.is_delisted else 0,
        "market_order_slip_ratio": "0.05",
        "market_order_size_max": "0",
        "funding_rate_limit": "0.003",
        "contract_type": contract.kind,
        "funding_impact_value": "60000",
        "enable_circuit_breaker": False,
        "cross_leverage_default": "10",
    }


def _status(contract: GateContract) -> str:
    return "delisted" if contract.is_delisted else "delisting" if contract.delisting else "trading"


def _delivery(contract: GateContract) -> dict[str, Any]:
    return {
        "underlying": contract.name.rpartition("_")[0],
        "cycle": contract.cycle,
        "basis_rate": "0.005",
        "basis_value": "492.5",
        "basis_impact_value": "100000",
        "settle_price": "0",
        "settle_price_interval": 60,
        "settle_price_duration": 1800,
        "expire_time": contract.expires // SECOND,
    }
