"""What the cards need to know of each venue beside its seeded account."""

from collections.abc import Mapping
from types import MappingProxyType

CHANGES: Mapping[str, str] = MappingProxyType(
    {
        "binance": "/fapi/v1/leverage",
        "bybit": "/v5/position/set-leverage",
        "gate": "/api/v4/futures/usdt/positions/BTC_USDT/set_leverage",
        "okx": "/api/v5/account/set-leverage",
        "hyperliquid": "/exchange",
    }
)
"""The path of the request that sets the leverage of the held symbol."""

FRACTIONS = frozenset({"bybit", "okx"})
"""Venues that take a leverage with a fraction."""
