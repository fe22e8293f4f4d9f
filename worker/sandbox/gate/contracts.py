"""The contracts that are listed: perpetuals in USDT, in BTC and in USD1, and deliveries in USDT for two quarters.

Fields and values: gate-api 7.2.161, `Contract` and `DeliveryContract`, checked 2026-11-29. Perpetuals in USD1 are known
by gate-api 7.2.144 (npm) and by what the venue answered in September 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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


DELISTING_SINCE: Milliseconds = 1_790_000_000_000


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
    kind: str = ""
    """What it is about where that is no coin: stocks, metals, indices, forex, commodities."""
    delisting: Milliseconds = 0
    """When it was put on the way out; 0 while it is traded."""
    is_delisted: bool = False
    """Whether it has left: then only the list of all contracts has it."""

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
        """The contracts of a family in a settle currency, those among them that have left."""
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
    replace(BITCOIN, name="BTC_USD1", settle="usd1", mark_price=Decimal("98498.5")),
    *(_perpetual(base, mark, "0.0001", "1", 20) for base, mark in (("GTC", "0.25"), ("币安人生", "0.1875"))),
    replace(_perpetual("MU", "118.2", "0.01", "0.01", 10), kind="stocks"),
    replace(_perpetual("MTL", "0.75", "0.0001", "1", 20), delisting=DELISTING_SINCE),
    replace(_perpetual("OMG", "0.21", "0.0001", "1", 20), delisting=DELISTING_SINCE, is_delisted=True),
)
"""Among them one whose coin has another name in ccxt, one not in ASCII, a stock, one on its way out and one gone."""


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
