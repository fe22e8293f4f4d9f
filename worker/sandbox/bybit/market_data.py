"""Public endpoints: time and contracts."""

from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.bybit.contracts import (
    INVERSE,
    LINEAR,
    PRE_LAUNCH,
    STATUSES,
    TRADING,
    BybitContract,
    BybitExchangeState,
)
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain
from worker.sandbox.bybit.parameters import BybitParameters

LAUNCH: Milliseconds = 1_585_526_400_000


def server_time(exchange: BybitExchangeState, _parameters: BybitParameters) -> dict[str, Any]:
    """GET /v5/market/time."""
    now = exchange.clock.now()
    return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}


def instruments(exchange: BybitExchangeState, parameters: BybitParameters) -> dict[str, Any]:
    """GET /v5/market/instruments-info. Without a status only what is traded is listed."""
    category = parameters.choice("category", (LINEAR, INVERSE))
    limit = parameters.limit(500, 1_000)
    status = parameters.choice("status", STATUSES) if parameters.get("status") else TRADING
    wanted = parameters.get("symbol")
    found = [
        contract
        for contract in exchange.listed_in(category)
        if contract.status == status and wanted in (None, contract.symbol)
    ]
    if wanted and wanted not in exchange.contracts:
        raise BybitRefused(10001, "symbol invalid")
    start = int(parameters.get("cursor") or 0)
    following = start + limit
    return {
        "category": category,
        "list": [_instrument(contract) for contract in found[start:following]],
        "nextPageCursor": str(following) if following < len(found) else "",
    }


def _instrument(contract: BybitContract) -> dict[str, Any]:
    return {
        "symbol": contract.symbol,
        "contractType": contract.type,
        "status": contract.status,
        "baseCoin": contract.base,
        "quoteCoin": contract.quote,
        "symbolType": "stock" if contract.stock else "",
        "launchTime": str(LAUNCH),
        "deliveryTime": str(contract.delivery_time),
        "deliveryFeeRate": "" if contract.perpetual else "0.0005",
        "priceScale": str(max(0, -int(contract.tick.as_tuple().exponent))),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{contract.max_leverage}.00",
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": str(contract.tick),
            "maxPrice": plain(contract.mark_price * 100),
            "tickSize": str(contract.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": "1000000",
            "minOrderQty": str(contract.step),
            "qtyStep": str(contract.step),
            "postOnlyMaxOrderQty": "1000000",
            "maxMktOrderQty": "60000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480 if contract.perpetual else 0,
        "settleCoin": contract.settle,
        "copyTrading": "none",
        "upperFundingRate": "0.005" if contract.perpetual else "",
        "lowerFundingRate": "-0.005" if contract.perpetual else "",
        "isPreListing": contract.status == PRE_LAUNCH,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
        "displayName": "",
        "underlyingTicker": contract.stock,
    }
