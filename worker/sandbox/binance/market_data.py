"""Public endpoints: time, contracts, mark prices."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.binance.contracts import ONBOARD, TRADIFI, BinanceContract, BinanceExchangeState
from worker.sandbox.binance.endpoint import contracts_asked
from worker.sandbox.binance.figures import fixed, plain
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.kit.clock import HOUR

FUNDING_INTERVAL = 8 * HOUR
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
TIME_IN_FORCE = ["GTC", "IOC", "FOK", "GTX", "GTD"]
ASSETS = ("USDT", "BTC", "BNB", "ETH", "USDC")
ORDER_LIMIT = 1_200


def ping(_exchange: BinanceExchangeState, _parameters: BinanceParameters) -> dict[str, Any]:
    """GET ping."""
    return {}


def server_time(exchange: BinanceExchangeState, _parameters: BinanceParameters) -> dict[str, Any]:
    """GET time."""
    return {"serverTime": exchange.clock.now()}


def linear_information(exchange: BinanceExchangeState, _parameters: BinanceParameters) -> dict[str, Any]:
    """GET /fapi/v1/exchangeInfo."""
    return {
        **_information(exchange, exchange.linear(), "fapi"),
        "futuresType": "U_MARGINED",
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in ASSETS],
    }


def inverse_information(exchange: BinanceExchangeState, _parameters: BinanceParameters) -> dict[str, Any]:
    """GET /dapi/v1/exchangeInfo."""
    return _information(exchange, exchange.inverse(), "dapi")


def _information(exchange: BinanceExchangeState, contracts: Sequence[BinanceContract], family: str) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "serverTime": exchange.clock.now(),
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", exchange.meters[family].limit),
            _rate_limit("ORDERS", ORDER_LIMIT),
        ],
        "exchangeFilters": [],
        "symbols": [_symbol(contract) for contract in contracts],
    }


def _rate_limit(kind: str, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": 1, "limit": limit}


def _symbol(contract: BinanceContract) -> dict[str, Any]:
    own = (
        {"contractStatus": contract.status, "contractSize": contract.size, "equalQtyPrecision": 4}
        if contract.inverse
        else {"status": contract.status, "settlePlan": 0}
    )
    return {
        "symbol": contract.symbol,
        "pair": contract.pair,
        "contractType": contract.type,
        "deliveryDate": contract.delivery_date,
        "onboardDate": ONBOARD,
        **own,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.margin_asset,
        "pricePrecision": contract.price_precision,
        "quantityPrecision": contract.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN" if contract.type != TRADIFI else "TRADFI",
        "underlyingSubType": ["PoW"] if contract.base == "BTC" else [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": _filters(contract),
        "orderTypes": ORDER_TYPES,
        "timeInForce": TIME_IN_FORCE,
    }


def _filters(contract: BinanceContract) -> list[dict[str, Any]]:
    tick, step = str(contract.tick), str(contract.step)
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": plain(contract.mark_price * 100),
            "tickSize": tick,
        },
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000000", "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "60000", "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
    ]
    return filters if contract.inverse else [*filters, {"filterType": "MIN_NOTIONAL", "notional": "5"}]


def linear_premium_index(exchange: BinanceExchangeState, parameters: BinanceParameters) -> Any:
    """GET /fapi/v1/premiumIndex: an object for one symbol, a list without."""
    rows = [
        _premium(contract, exchange.clock.now()) for contract in contracts_asked(exchange, parameters, inverse=False)
    ]
    return rows[0] if "symbol" in parameters else rows


def inverse_premium_index(exchange: BinanceExchangeState, parameters: BinanceParameters) -> list[dict[str, Any]]:
    """GET /dapi/v1/premiumIndex: always a list."""
    contracts = contracts_asked(exchange, parameters, inverse=True)
    now = exchange.clock.now()
    return [{**_premium(contract, now), "pair": contract.pair} for contract in contracts]


def _premium(contract: BinanceContract, now: Milliseconds) -> dict[str, Any]:
    perpetual = contract.is_perpetual
    return {
        "symbol": contract.symbol,
        "markPrice": fixed(contract.mark_price),
        "indexPrice": fixed(contract.mark_price),
        "estimatedSettlePrice": fixed(contract.mark_price),
        "lastFundingRate": fixed(Decimal("0.0001")) if perpetual else "",
        "interestRate": fixed(Decimal("0.0001")) if perpetual else "",
        "nextFundingTime": (now // FUNDING_INTERVAL + 1) * FUNDING_INTERVAL if perpetual else 0,
        "time": now,
    }
