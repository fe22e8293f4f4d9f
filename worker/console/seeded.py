"""Accounts that the sandbox venues are seeded with: one of each venue for everybody, and a twin of it for the tour."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from schemas.control import Exchange
from worker.accounts.venues import VENUES


@dataclass(frozen=True, slots=True)
class Seeded:
    """An account that is long in `held` and has neither position nor order in `flat`."""

    exchange: Exchange
    account: str
    held: str
    flat: str

    def __str__(self) -> str:
        return self.exchange


SETTLED_IN: Mapping[Exchange, str] = MappingProxyType({"hyperliquid": "USDC"})
"""What the seeded markets of a venue settle in, where it is not USDT."""


def _seeded(exchange: Exchange) -> Seeded:
    settle = SETTLED_IN.get(exchange, "USDT")
    return Seeded(exchange, f"{exchange}-perp-001", f"BTC/{settle}:{settle}", f"ETH/{settle}:{settle}")


SEEDED: Mapping[str, Seeded] = MappingProxyType({exchange: _seeded(exchange) for exchange in VENUES})
"""One account of each venue."""

TOUR: Mapping[str, Seeded] = MappingProxyType(
    {exchange: replace(seeded, account=f"{exchange}-tour-001") for exchange, seeded in SEEDED.items()}
)
TOUR_PM_ACCOUNT = "binance-pm-tour-001"
"""What the tour changes, and nobody else."""
