"""The accounts that the sandbox venues are seeded with and that the tour walks through."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.control import Exchange

PM_ACCOUNT = "binance-pm-001"


@dataclass(frozen=True, slots=True)
class Seeded:
    """An account that is long in `held` and has neither position nor order in `flat`."""

    exchange: Exchange
    account: str
    held: str = "BTC/USDT:USDT"
    flat: str = "ETH/USDT:USDT"

    def __str__(self) -> str:
        return self.exchange


SEEDED: Mapping[str, Seeded] = MappingProxyType(
    {
        "binance": Seeded("binance", "binance-perp-001"),
        "bybit": Seeded("bybit", "bybit-perp-001"),
        "gate": Seeded("gate", "gate-perp-001"),
        "okx": Seeded("okx", "okx-perp-001"),
        "hyperliquid": Seeded("hyperliquid", "hyperliquid-perp-001", "BTC/USDC:USDC", "ETH/USDC:USDC"),
    }
)
"""One account of each venue."""
