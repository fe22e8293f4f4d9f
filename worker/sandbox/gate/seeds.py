"""The accounts that the sandbox starts with. A contract that ends in `_CURRENT` is the current quarter's delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from schemas.base import Milliseconds
from worker.sandbox.gate.account import GateMarginMode, Side
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL

FIRST_UPDATE: Milliseconds = 1_706_745_600_000


@dataclass(frozen=True, slots=True)
class SeedSlot:
    """A side of a contract that was touched; `size` is signed, 0 for a flat one."""

    contract: str
    size: Decimal = Decimal(0)
    entry_price: Decimal = Decimal(0)
    leverage: Decimal = Decimal(10)
    margin_mode: GateMarginMode = GateMarginMode.CROSS
    side: Side = Side.SINGLE
    margin: Decimal | None = None
    """An isolated position's margin, where it is another than it began with."""


@dataclass(frozen=True, slots=True)
class GateSeedAccount:
    """An account's state at the start. `with_book` gives it months of account book."""

    id: str
    user: int
    hedged: bool = False
    wallets: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    slots: tuple[SeedSlot, ...] = ()
    with_book: bool = True


PERP = GateSeedAccount(
    id="gate-perp-001",
    user=10_001,
    wallets={
        (PERPETUAL, "usdt"): Decimal(1_500),
        (PERPETUAL, "btc"): Decimal("0.02"),
        (DELIVERY, "usdt"): Decimal(1_000),
    },
    slots=(
        SeedSlot("BTC_USDT", Decimal(500), Decimal(98_000)),
        SeedSlot("ETH_USDT"),
        SeedSlot("SOL_USDT", Decimal(-10), Decimal("190.25"), Decimal(5), GateMarginMode.ISOLATED),
        SeedSlot("BTC_USD", Decimal(1_000), Decimal(97_000)),
        SeedSlot("BTC_USDT_CURRENT", Decimal(-100), Decimal(100_200), Decimal(5), GateMarginMode.ISOLATED),
    ),
)

HEDGE = GateSeedAccount(
    id="gate-hedge-001",
    user=10_002,
    hedged=True,
    wallets={(PERPETUAL, "usdt"): Decimal(25_000)},
    slots=(
        SeedSlot("BTC_USDT", Decimal(1_000), Decimal(96_500), side=Side.LONG),
        SeedSlot("BTC_USDT", Decimal(-400), Decimal(99_100), side=Side.SHORT),
        SeedSlot("ETH_USDT", Decimal(200), Decimal(3_150), Decimal(10), GateMarginMode.ISOLATED, Side.LONG),
        SeedSlot("ETH_USDT", Decimal(0), Decimal(0), Decimal(20), GateMarginMode.ISOLATED, Side.SHORT),
        SeedSlot("SOL_USDT", side=Side.LONG),
        SeedSlot("SOL_USDT", side=Side.SHORT),
    ),
    with_book=False,
)
"""Nothing was ever paid into its accounts in BTC and for deliveries."""

SEEDS = (PERP, HEDGE, replace(PERP, id="gate-tour-001", user=10_003))
"""The last is a twin for the tour, which changes nothing that somebody else uses."""
