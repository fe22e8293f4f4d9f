"""The accounts that the sandbox starts with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from worker.sandbox.hyperliquid.account import HyperliquidTerms
from worker.sandbox.hyperliquid.seeded_history import FILLS


@dataclass(frozen=True, slots=True)
class HyperliquidSeedPosition:
    """A position: `size` is signed; `margin` is put aside for an isolated one."""

    coin: str
    size: Decimal
    entry_price: Decimal
    margin: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class SeedAddress:
    """The state of an address at the start: collateral by dex, positions, terms by coin, and how much past it has."""

    balances: Mapping[str, Decimal]
    positions: tuple[HyperliquidSeedPosition, ...] = ()
    terms: Mapping[str, HyperliquidTerms] = field(default_factory=dict)
    with_funding: bool = False
    fills: int = 0


@dataclass(frozen=True, slots=True)
class HyperliquidSeedAccount:
    """An account with an API wallet. If it acts for a vault that is an address of its own, with a state of its own."""

    id: str
    account: SeedAddress
    vault: SeedAddress | None = None


PERP = HyperliquidSeedAccount(
    id="hyperliquid-perp-001",
    account=SeedAddress(
        balances={"": Decimal("1500"), "xyz": Decimal("800")},
        positions=(
            HyperliquidSeedPosition("BTC", Decimal("0.05"), Decimal("98000")),
            HyperliquidSeedPosition("SOL", Decimal("-5"), Decimal("190"), margin=Decimal("200")),
            HyperliquidSeedPosition("xyz:GOLD", Decimal("0.6"), Decimal("4100")),
        ),
        terms={
            "BTC": HyperliquidTerms(10, cross=True),
            "SOL": HyperliquidTerms(5, cross=False),
            "xyz:GOLD": HyperliquidTerms(5, cross=True),
        },
        with_funding=True,
        fills=FILLS,
    ),
)

VAULT = HyperliquidSeedAccount(
    id="hyperliquid-vault-001",
    account=SeedAddress(
        balances={"": Decimal("100")},
        positions=(HyperliquidSeedPosition("SOL", Decimal("1"), Decimal("180")),),
        terms={"SOL": HyperliquidTerms(4, cross=True)},
    ),
    vault=SeedAddress(
        balances={"": Decimal("20000")},
        positions=(
            HyperliquidSeedPosition("BTC", Decimal("-0.1"), Decimal("99000")),
            HyperliquidSeedPosition("ETH", Decimal("2"), Decimal("3150"), margin=Decimal("700")),
        ),
        terms={"BTC": HyperliquidTerms(20, cross=True), "ETH": HyperliquidTerms(10, cross=False)},
        with_funding=True,
        fills=300,
    ),
)

SEEDS = (PERP, VAULT, replace(PERP, id="hyperliquid-tour-001"))
"""The last is a twin for the tour, which changes nothing that somebody else uses."""
