"""Accounts that the sandbox venues are seeded with: one of each venue for everybody, and a twin of it for the tour."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from schemas.control import Exchange


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

TOUR: Mapping[str, Seeded] = MappingProxyType(
    {exchange: replace(seeded, account=f"{exchange}-tour-001") for exchange, seeded in SEEDED.items()}
)
TOUR_PM_ACCOUNT = "binance-pm-tour-001"
"""What the tour changes, and nobody else."""
