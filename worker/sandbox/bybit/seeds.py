"""The accounts that the sandbox starts with. A symbol that ends in `-CURRENT` is the current quarter's delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from schemas.base import Milliseconds
from worker.sandbox.bybit.account import CLASSIC, UNIFIED_2, BybitMarginMode, BybitTerms, Index

FIRST_UPDATE: Milliseconds = 1_706_745_600_000
TEN, FIVE = Decimal(10), Decimal(5)


@dataclass(frozen=True, slots=True)
class BybitSeedPosition:
    """A position; `size` is negative for a short one."""

    symbol: str
    size: Decimal
    entry_price: Decimal
    index: Index = Index.ONE_WAY


@dataclass(frozen=True, slots=True)
class BybitSeedAccount:
    """An account's state at the start. `with_history` gives it two years of history.

    `upgraded_days` ago it became unified; None: longer ago than anything is kept.
    """

    id: str
    status: int = UNIFIED_2
    margin_mode: BybitMarginMode = BybitMarginMode.REGULAR
    hedged: bool = False
    wallet: Mapping[str, Decimal] = field(default_factory=dict)
    positions: tuple[BybitSeedPosition, ...] = ()
    terms: Mapping[str, BybitTerms] = field(default_factory=dict)
    with_history: bool = True
    upgraded_days: int | None = None


PERP = BybitSeedAccount(
    id="bybit-perp-001",
    # bitcoins carry its USDT positions: fine in cross margin, not enough for isolated margin
    wallet={"USDT": Decimal("310.25"), "USDC": Decimal("250"), "BTC": Decimal("0.8")},
    positions=(
        BybitSeedPosition("BTCUSDT", Decimal("0.05"), Decimal("98000")),
        BybitSeedPosition("SOLUSDT", Decimal("-12"), Decimal("190.25")),
        BybitSeedPosition("BTCPERP", Decimal("0.01"), Decimal("97950")),
        BybitSeedPosition("BTCUSDT-CURRENT", Decimal("0.02"), Decimal("99250")),
        BybitSeedPosition("BTCUSD", Decimal("1500"), Decimal("96000")),
    ),
    terms={"BTCUSD": BybitTerms(FIVE, FIVE)},
)

CLASSIC_ACCOUNT = BybitSeedAccount(
    id="bybit-classic-001",
    status=CLASSIC,
    wallet={"USDT": Decimal("25000"), "BTC": Decimal("0.5"), "ETH": Decimal("3")},
    positions=(
        BybitSeedPosition("BTCUSDT", Decimal("0.05"), Decimal("98000")),
        BybitSeedPosition("SOLUSDT", Decimal("-12"), Decimal("190.25")),
        BybitSeedPosition("BTCUSD", Decimal("-800"), Decimal("101000")),
    ),
    terms={"SOLUSDT": BybitTerms(FIVE, FIVE, isolated=True), "ETHUSDT": BybitTerms(Decimal("12.5"), Decimal("12.5"))},
)

HEDGE = BybitSeedAccount(
    id="bybit-hedge-001",
    margin_mode=BybitMarginMode.ISOLATED,
    hedged=True,
    upgraded_days=20,
    wallet={"USDT": Decimal("25000"), "BTC": Decimal("0.5")},
    positions=(
        BybitSeedPosition("BTCUSDT", Decimal("0.1"), Decimal("96500"), Index.BUY),
        BybitSeedPosition("BTCUSDT", Decimal("-0.04"), Decimal("99100"), Index.SELL),
        BybitSeedPosition("ETHUSDT", Decimal("2"), Decimal("3150"), Index.BUY),
        BybitSeedPosition("BTCUSD", Decimal("-2000"), Decimal("99000")),
    ),
    terms={"BTCUSDT": BybitTerms(TEN, FIVE)},
)

SEEDS = (PERP, CLASSIC_ACCOUNT, HEDGE, replace(PERP, id="bybit-tour-001"))
"""The last is a twin for the tour, which changes nothing that somebody else uses."""
