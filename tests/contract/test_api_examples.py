"""Every example of the documented API, against the models and the JSON Schemas."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas import COMMANDS, OPERATIONS, QUERIES, Success
from schemas.documents.definitions import json_schemas
from worker.messages.wire import encode

SCHEMAS = json_schemas()


@dataclass(frozen=True)
class Example:
    """A documented request, the documented response in its JSON form, and the message it carries."""

    request: dict[str, Any]
    message: str
    data: str


PERP = {"exchange_account_id": "binance-perp-001"}
PM = {"exchange_account_id": "binance-pm-001"}
BTC = {"symbol": "BTC/USDT:USDT"}
HEDGE = {"exchange_account_id": "binance-hedge-001"}
ETH = {"symbol": "ETH/USDT:USDT"}

EXAMPLES = {
    "set_leverage": Example(
        {**PERP, **BTC, "leverage": 10},
        "Leverage set to 10x for BTC/USDT:USDT",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT",
            "leverage": 10, "result": {"leverage": 10, "symbol": "BTCUSDT"}}""",
    ),
    "get_leverage": Example(
        {**PERP, **BTC},
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT",
            "leverage": 10, "margin_mode": "cross", "position_side": "long", "position_size": 0.05,
            "notional": 4925.25, "unrealized_pnl": 125.50}""",
    ),
    "set_margin_mode": Example(
        {**PERP, **BTC, "margin_mode": "isolated"},
        "Margin mode set to isolated for BTC/USDT:USDT",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT",
            "margin_mode": "isolated", "result": {}}""",
    ),
    "get_position_mode": Example(
        PERP,
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "position_mode": "one_way",
            "expected": null,
            "parts": [{"scope": "account", "part": "binance-perp-001", "position_mode": "one_way"}]}""",
    ),
    "set_position_mode": Example(
        {**PERP, "position_mode": "hedge"},
        "Position mode set to hedge for binance-perp-001 (scope: account)",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "position_mode": "hedge",
            "scope": "account", "part": "binance-perp-001", "result": {"code": 200, "msg": "success"}}""",
    ),
    "get_leverage_tiers": Example(
        {**PERP, **BTC},
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT",
            "markets": [{"symbol": "BTC/USDT:USDT", "currency": "USDT", "tiers": [{"notional_floor": 0,
            "notional_cap": 300000, "max_leverage": 125, "maintenance_margin_rate": 0.004}]}], "count": 1,
            "as_of": 1706745600000}""",
    ),
    "get_positions": Example(
        PERP,
        "Success",
        """{"positions": [{"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 0.05, "contract_size": 1,
            "entry_price": 98000.00, "mark_price": 98505.00, "notional": 4925.25, "leverage": 10,
            "unrealized_pnl": 25.25, "percentage": 0.51, "margin_mode": "cross", "liquidation_price": 88200.00,
            "collateral": 492.52, "timestamp": 1706745600000, "datetime": "2025-01-31T12:00:00Z",
            "exchange": "binance", "exchange_account_id": "binance-perp-001"}], "count": 1}""",
    ),
    "get_funding_history": Example(
        {**PERP, **BTC, "limit": 10},
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT",
            "payments": [{"id": "123456789", "symbol": "BTC/USDT:USDT", "amount": -0.15, "code": "USDT",
            "timestamp": 1706745600000, "datetime": "2025-01-31T12:00:00Z", "info": {}}], "count": 1}""",
    ),
    "get_realized_pnl": Example(
        {**PERP, "limit": 10},
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-perp-001", "symbol": null,
            "entries": [{"id": "987654321", "symbol": "BTC/USDT:USDT", "amount": 125.50, "code": "USDT",
            "timestamp": 1706745600000, "datetime": "2025-01-31T12:00:00Z", "info": {}}], "count": 1}""",
    ),
    "get_margin_health": Example(
        PM,
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-pm-001", "as_of": 1706745600000,
            "coverage": ["portfolio"], "unread": [], "pools": [{"pool": "portfolio", "part": "portfolio",
            "margin_mode": "cross", "symbol": null, "side": null, "currency": "USD", "equity": 12625.50,
            "maintenance_margin": 200.00, "margin_ratio": 0.016633, "margin_ratio_source": "derived",
            "is_liquidatable": false, "venue_ratio": {"name": "uniMMR", "value": 63.1275}, "status": "NORMAL",
            "positions": 2, "nearest_liquidation": {"symbol": "ETH/USDT:USDT", "side": "long",
            "mark_price": 3200.00, "mark_price_source": "venue", "liquidation_price": 3005.00,
            "distance_percent": 6.0942}, "untold": {}}], "worst_ratio": 0.016633, "nearest_liquidation":
            {"symbol": "ETH/USDT:USDT", "side": "long", "mark_price": 3200.00, "mark_price_source": "venue",
            "liquidation_price": 3005.00, "distance_percent": 6.0942}}""",
    ),
    "add_margin": Example(
        {**HEDGE, **ETH, "amount": 10, "position_side": "long"},
        "10 USDT added to the long position in ETH/USDT:USDT",
        """{"exchange": "binance", "exchange_account_id": "binance-hedge-001", "success": true,
            "symbol": "ETH/USDT:USDT", "position_side": "long", "amount": 10, "currency": "USDT",
            "margin_before": 650.00, "margin_after": 660.00, "response": {}}""",
    ),
    "remove_margin": Example(
        {**HEDGE, **ETH, "amount": 1.5},
        "1.5 USDT taken out of the long position in ETH/USDT:USDT",
        """{"exchange": "binance", "exchange_account_id": "binance-hedge-001", "success": true,
            "symbol": "ETH/USDT:USDT", "position_side": "long", "amount": 1.5, "currency": "USDT",
            "margin_before": 660.00, "margin_after": 658.50, "response": {}}""",
    ),
    "pm_get_balance": Example(
        PM,
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-pm-001", "assets": {
            "USDT": {
                "cross_margin":
                    {"total": 10000.00, "free": 8500.00, "locked": 1500.00, "borrowed": 0, "interest": 0},
                "um_futures": {"wallet": 2500.00, "unrealized_pnl": 125.50},
                "cm_futures": {"wallet": 0, "unrealized_pnl": 0},
                "total_wallet_balance": 12500.00, "negative_balance": 0},
            "BTC": {
                "cross_margin": {"total": 0.5, "free": 0.45, "locked": 0.05, "borrowed": 0, "interest": 0},
                "um_futures": {"wallet": 0, "unrealized_pnl": 0},
                "cm_futures": {"wallet": 0.1, "unrealized_pnl": 0.005},
                "total_wallet_balance": 0.6, "negative_balance": 0}}}""",
    ),
    "pm_get_account": Example(
        PM,
        "Success",
        """{"exchange": "binance", "exchange_account_id": "binance-pm-001",
            "papi_balance": [{"asset": "USDT", "crossMarginAsset": "10000.00", "crossMarginFree": "8500.00",
                "crossMarginLocked": "1500.00", "umWalletBalance": "2500.00", "umUnrealizedPNL": "125.50",
                "cmWalletBalance": "0", "cmUnrealizedPNL": "0", "totalWalletBalance": "12500.00"}],
            "papi_um_account": {"totalInitialMargin": "1000.00", "totalMaintMargin": "200.00",
                "totalWalletBalance": "12500.00", "totalUnrealizedProfit": "125.50",
                "totalMarginBalance": "12625.50", "availableBalance": "11500.00",
                "maxWithdrawAmount": "11500.00"}}""",
    ),
    "pm_auto_collect": Example(
        PM,
        "Auto-collection triggered successfully",
        """{"success": true, "exchange": "binance", "exchange_account_id": "binance-pm-001", "response": {}}""",
    ),
    "pm_asset_collect": Example(
        {**PM, "asset": "USDT"},
        "Asset-collection triggered for USDT",
        """{"success": true, "exchange": "binance", "exchange_account_id": "binance-pm-001", "response": {},
            "asset": "USDT"}""",
    ),
}


def envelope_text(example: Example) -> str:
    message = json.dumps(example.message)
    return f'{{"isError": false, "message": {message}, "statusCode": 200, "data": {example.data}}}'


def exact(text: str | bytes) -> Any:
    """JSON with each number as it was written: 10 and 10.0 differ, and so do 125.5 and 125.50."""
    return json.loads(text, parse_float=lambda digits: ("float", digits), parse_int=lambda digits: ("int", digits))


def decimals(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


FURTHER = frozenset({"plan_terms", "apply_terms"})
"""Operations that came after the documented API."""

DOCUMENTED = tuple(row for row in (*COMMANDS, *QUERIES) if row.name not in FURTHER)


def test_every_operation_has_a_documented_example() -> None:
    assert set(EXAMPLES) == {row.name for row in DOCUMENTED}


def test_the_documented_request_is_understood_field_by_field(subtests: pytest.Subtests) -> None:
    for operation in DOCUMENTED:
        with subtests.test(operation=operation.name):
            documented = EXAMPLES[operation.name].request
            request = operation.request.model_validate_json(json.dumps(documented), strict=True)
            assert exact(encode(request.model_dump(exclude_unset=True))) == exact(json.dumps(documented))


def test_the_documented_response_comes_out_as_documented_to_the_digit(subtests: pytest.Subtests) -> None:
    for operation in DOCUMENTED:
        with subtests.test(operation=operation.name):
            example = EXAMPLES[operation.name]
            data = operation.data.model_validate(decimals(example.data))
            assert exact(encode(Success(message=example.message, data=data))) == exact(envelope_text(example))


def test_the_documented_examples_satisfy_the_published_schemas(subtests: pytest.Subtests) -> None:
    for operation in DOCUMENTED:
        with subtests.test(operation=operation.name):
            example = EXAMPLES[operation.name]
            Draft202012Validator(SCHEMAS[f"{operation.name}.request"]).validate(example.request)
            Draft202012Validator(SCHEMAS[f"{operation.name}.data"]).validate(json.loads(example.data))
            Draft202012Validator(SCHEMAS[f"{operation.name}.envelope"]).validate(json.loads(envelope_text(example)))


def test_a_response_with_one_field_more_or_less_is_refused_by_model_and_schema(subtests: pytest.Subtests) -> None:
    for operation in DOCUMENTED:
        with subtests.test(operation=operation.name):
            documented = decimals(EXAMPLES[operation.name].data)
            schema = Draft202012Validator(SCHEMAS[f"{operation.name}.data"])
            less = [{key: value for key, value in documented.items() if key != left_out} for left_out in documented]
            for wrong in [{**documented, "more": 1}, *less]:
                assert not schema.is_valid(json.loads(json.dumps(wrong, default=float)))
                with pytest.raises(ValidationError):
                    operation.data.model_validate(wrong)


WRONG_REQUESTS: list[tuple[str, dict[str, Any], str]] = [
    ("set_leverage", {"leverage": "10"}, "leverage"),
    ("set_leverage", {"leverage": True}, "leverage"),
    ("set_leverage", {"leverage": None}, "leverage"),
    ("set_leverage", {"leverage": [10]}, "leverage"),
    ("set_leverage", {"leverage": 0}, "leverage"),
    ("set_leverage", {"leverage": -5}, "leverage"),
    ("set_leverage", {"symbol": 7}, "symbol"),
    ("set_leverage", {"symbol": ""}, "symbol"),
    ("set_leverage", {"market_type": "spot"}, "market_type"),
    ("set_leverage", {"exchange_account_id": ""}, "exchange_account_id"),
    ("set_leverage", {"side": "long"}, "side"),
    ("set_margin_mode", {"margin_mode": "portfolio"}, "margin_mode"),
    ("set_margin_mode", {"margin_mode": "CROSS"}, "margin_mode"),
    ("set_leverage", {"notional": 0}, "notional"),
    ("set_position_mode", {"position_mode": "net"}, "position_mode"),
    ("set_position_mode", {"settle": "usdt"}, "settle"),
    ("get_leverage_tiers", {"market_type": "spot"}, "market_type"),
    ("get_funding_history", {"since": -1}, "since"),
    ("get_funding_history", {"since": "yesterday"}, "since"),
    ("get_funding_history", {"limit": 0}, "limit"),
    ("get_realized_pnl", {"limit": 1.5}, "limit"),
    ("add_margin", {"amount": 0}, "amount"),
    ("add_margin", {"amount": "10"}, "amount"),
    ("remove_margin", {"amount": -1}, "amount"),
    ("remove_margin", {"position_side": "both"}, "position_side"),
    ("pm_asset_collect", {"asset": "usdt"}, "asset"),
    ("pm_asset_collect", {"asset": ""}, "asset"),
]


def test_a_wrong_value_is_refused_by_model_and_schema_under_its_field(subtests: pytest.Subtests) -> None:
    for name, change, field in WRONG_REQUESTS:
        with subtests.test(name=name, change=change):
            wrong = {**EXAMPLES[name].request, **change}
            with pytest.raises(ValidationError) as caught:
                OPERATIONS[name].request.model_validate_json(json.dumps(wrong), strict=True)
            assert {row["loc"][0] for row in caught.value.errors()} == {field}
            assert not Draft202012Validator(SCHEMAS[f"{name}.request"]).is_valid(wrong)


def test_a_request_without_its_account_is_refused(subtests: pytest.Subtests) -> None:
    for operation in DOCUMENTED:
        with subtests.test(operation=operation.name):
            documented = EXAMPLES[operation.name].request
            request = {key: value for key, value in documented.items() if key != "exchange_account_id"}
            assert not Draft202012Validator(SCHEMAS[f"{operation.name}.request"]).is_valid(request)
            with pytest.raises(ValidationError, match="exchange_account_id"):
                operation.request.model_validate(request)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_leverage_that_is_no_finite_number_is_refused(number: str) -> None:
    body = f'{{"exchange_account_id": "a", "symbol": "BTC/USDT:USDT", "leverage": {number}}}'
    with pytest.raises(ValidationError, match=r"finite|greater than 0"):
        OPERATIONS["set_leverage"].request.model_validate_json(body, strict=True)


@pytest.mark.parametrize("name", ["get_position_mode", "set_position_mode"])
def test_a_position_mode_is_that_of_a_symbol_or_of_a_currency_and_not_of_both(name: str) -> None:
    both = {**EXAMPLES[name].request, **BTC, "settle": "USDT"}
    schema = Draft202012Validator(SCHEMAS[f"{name}.request"])
    with pytest.raises(ValidationError, match="must name a symbol or a settle currency, not both"):
        OPERATIONS[name].request.model_validate(both)
    assert not schema.is_valid(both)
    for named in ("symbol", "settle"):
        one = {field: value for field, value in both.items() if field != named}
        OPERATIONS[name].request.model_validate(one)
        assert schema.is_valid(one)
