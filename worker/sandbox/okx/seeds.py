"""The accounts that the sandbox starts with. An instrument that ends in `-CURRENT` is the current quarter's future."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from schemas.base import Milliseconds
from worker.sandbox.okx.account import AccountLevel, OkxMarginMode, OkxPositionSide

FIRST_UPDATE: Milliseconds = 1_706_745_600_000
CROSS, ISOLATED = OkxMarginMode.CROSS, OkxMarginMode.ISOLATED
LONG, SHORT, NET = OkxPositionSide.LONG, OkxPositionSide.SHORT, OkxPositionSide.NET


@dataclass(frozen=True, slots=True)
class OkxSeedPosition:
    """A position: `amount` counts contracts and is negative for shorts."""

    instrument_id: str
    amount: Decimal
    entry_price: Decimal
    mode: OkxMarginMode = CROSS
    side: OkxPositionSide = NET
    updated: Milliseconds = FIRST_UPDATE


@dataclass(frozen=True, slots=True)
class SeedLeverage:
    """A leverage other than the default."""

    instrument_id: str
    leverage: int
    mode: OkxMarginMode = CROSS
    side: OkxPositionSide = NET


@dataclass(frozen=True, slots=True)
class OkxSeedAccount:
    """An account's state at the start. `with_bills` gives it three months of them.

    One with `key_of` is no account of its own but another key of that one: what it holds, and its user, are the same.
    """

    id: str
    level: AccountLevel = AccountLevel.SINGLE_CURRENCY
    two_sided: bool = False
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    positions: tuple[OkxSeedPosition, ...] = ()
    leverages: tuple[SeedLeverage, ...] = ()
    with_bills: bool = True
    key_of: str | None = None


PERP = OkxSeedAccount(
    id="okx-perp-001",
    balances={"USDT": Decimal(12_000), "BTC": Decimal("0.05")},
    positions=(
        OkxSeedPosition("BTC-USDT-SWAP", Decimal(5), Decimal(98_000)),
        OkxSeedPosition("SOL-USDT-SWAP", Decimal(-20), Decimal(190), ISOLATED),
        OkxSeedPosition("BTC-USD-SWAP", Decimal(30), Decimal(97_000)),
        OkxSeedPosition("BTC-USDT-CURRENT", Decimal(-4), Decimal(100_200)),
    ),
    leverages=(
        SeedLeverage("BTC-USDT-SWAP", 10),
        SeedLeverage("SOL-USDT-SWAP", 5, ISOLATED),
        SeedLeverage("BTC-USD-SWAP", 10),
        SeedLeverage("BTC-USDT-CURRENT", 5),
        SeedLeverage("ETH-USDT-SWAP", 5),
    ),
)

HEDGE = OkxSeedAccount(
    id="okx-hedge-001",
    two_sided=True,
    balances={"USDT": Decimal(25_000), "BTC": Decimal("0.25")},
    positions=(
        OkxSeedPosition("BTC-USDT-SWAP", Decimal(10), Decimal(96_500), side=LONG),
        OkxSeedPosition("BTC-USDT-SWAP", Decimal(-4), Decimal(99_100), side=SHORT),
        OkxSeedPosition("ETH-USDT-SWAP", Decimal(20), Decimal(3_150), ISOLATED, LONG),
        OkxSeedPosition("ETH-USDT-SWAP", Decimal(-10), Decimal(3_240), ISOLATED, SHORT),
        OkxSeedPosition("SOL-USDT-SWAP", Decimal(30), Decimal(181), side=LONG),
        OkxSeedPosition("SOL-USDT-SWAP", Decimal(-10), Decimal(188), ISOLATED, SHORT),
    ),
    leverages=(
        SeedLeverage("BTC-USDT-SWAP", 10),
        SeedLeverage("ETH-USDT-SWAP", 10, ISOLATED, LONG),
        SeedLeverage("ETH-USDT-SWAP", 5, ISOLATED, SHORT),
        SeedLeverage("SOL-USDT-SWAP", 8),
    ),
)
"""Long/short mode: both sides of BTC in cross margin, both sides of ETH isolated, SOL in both margin modes."""

PORTFOLIO = OkxSeedAccount(
    id="okx-portfolio-001",
    level=AccountLevel.PORTFOLIO_MARGIN,
    balances={"USDT": Decimal(150_000), "BTC": Decimal(1)},
    positions=(
        OkxSeedPosition("BTC-USDT-SWAP", Decimal(20), Decimal(97_400)),
        OkxSeedPosition("ETH-USDT-SWAP", Decimal(-10), Decimal(3_240), ISOLATED),
    ),
    leverages=(SeedLeverage("ETH-USDT-SWAP", 5, ISOLATED),),
)

SEEDS = (PERP, HEDGE, PORTFOLIO, replace(PERP, id="okx-tour-001"))
"""The last is a twin for the tour, which changes nothing that somebody else uses."""
