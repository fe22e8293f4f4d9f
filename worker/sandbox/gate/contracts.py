"""The contracts that are listed: perpetuals in USDT and in BTC, and deliveries in USDT for the next two quarters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import Clock
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS
from worker.sandbox.server.deliveries import quarter_ends

PERPETUAL, DELIVERY = "futures", "delivery"
"""The families of endpoints, as their paths name them."""

CYCLES = (("QUARTERLY", Decimal("1.005")), ("BI-QUARTERLY", Decimal("1.02")))
"""The deliveries of the next two quarters: what Gate calls their cycle, and their price relative to the perpetual."""


@dataclass(frozen=True, slots=True)
class GateContract:
    """A listed contract. `multiplier` is its size in coins; an inverse one has none, and is worth 1 USD."""

    name: str
    family: str
    settle: str
    mark_price: Decimal
    tick: Decimal
    multiplier: Decimal
    highest_leverage: int
    maintenance_rate: Decimal
    cycle: str = ""
    expires: Milliseconds = 0

    @property
    def inverse(self) -> bool:
        """Whether it settles in its coin."""
        return not self.multiplier


@dataclass(frozen=True, slots=True)
class GateExchangeState:
    """What all accounts share: the clock and the contracts by family and name."""

    clock: Clock
    contracts: Mapping[tuple[str, str], GateContract]

    def listed(self, family: str, settle: str) -> tuple[GateContract, ...]:
        """The contracts of a family in a settle currency."""
        return tuple(row for row in self.contracts.values() if (row.family, row.settle) == (family, settle))


def _perpetual(base: str, mark: str, tick: str, multiplier: str, leverage: int) -> GateContract:
    return GateContract(
        name=f"{base}_USDT",
        family=PERPETUAL,
        settle="usdt",
        mark_price=Decimal(mark),
        tick=Decimal(tick),
        multiplier=Decimal(multiplier),
        highest_leverage=leverage,
        maintenance_rate=Decimal("0.004") if leverage > 100 else Decimal("0.005"),
    )


BITCOIN = _perpetual("BTC", "98505", "0.1", "0.0001", 125)

PERPETUALS = (
    BITCOIN,
    _perpetual("ETH", "3200", "0.01", "0.01", 100),
    _perpetual("SOL", "185.50", "0.01", "1", 75),
    *(_perpetual(base, mark, "0.000001", "1", 50) for base, mark in FURTHER_PERPETUALS),
    GateContract("BTC_USD", PERPETUAL, "btc", Decimal("98500"), Decimal("0.1"), Decimal(0), 100, Decimal("0.005")),
)


def listed(now: Milliseconds) -> dict[tuple[str, str], GateContract]:
    """All contracts, with the deliveries that are open at this time."""
    quarterly = (
        _delivery(expires, cycle, premium) for expires, (cycle, premium) in zip(quarter_ends(now), CYCLES, strict=False)
    )
    return {(contract.family, contract.name): contract for contract in (*PERPETUALS, *quarterly)}


def _delivery(expires: Milliseconds, cycle: str, premium: Decimal) -> GateContract:
    return GateContract(
        name=f"{BITCOIN.name}_{datetime.fromtimestamp(expires / 1000, UTC):%Y%m%d}",
        family=DELIVERY,
        settle="usdt",
        mark_price=BITCOIN.mark_price * premium,
        tick=BITCOIN.tick,
        multiplier=BITCOIN.multiplier,
        highest_leverage=50,
        maintenance_rate=Decimal("0.01"),
        cycle=cycle,
        expires=expires,
    )
