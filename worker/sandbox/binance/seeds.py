"""The accounts that the sandbox starts with. A symbol that ends in `_CURRENT` is the current quarter's delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from schemas.base import Milliseconds
from worker.sandbox.binance.account import BinancePositionSide, BinanceTerms, MarginBalance, MarginType

FIRST_UPDATE: Milliseconds = 1_706_745_600_000


@dataclass(frozen=True, slots=True)
class BinanceSeedPosition:
    """A position: `amount` is signed; `isolated_wallet` is its own margin."""

    symbol: str
    amount: Decimal
    entry_price: Decimal
    side: BinancePositionSide = BinancePositionSide.BOTH
    isolated_wallet: Decimal = Decimal(0)
    update_time: Milliseconds = FIRST_UPDATE


@dataclass(frozen=True, slots=True)
class BinanceSeedAccount:
    """An account's state at the start. `with_income` gives it months of income."""

    id: str
    portfolio_margin: bool = False
    dual_side: bool = False
    multi_assets: bool = False
    um_wallet: Mapping[str, Decimal] = field(default_factory=dict)
    cm_wallet: Mapping[str, Decimal] = field(default_factory=dict)
    margin: Mapping[str, MarginBalance] = field(default_factory=dict)
    positions: tuple[BinanceSeedPosition, ...] = ()
    terms: Mapping[str, BinanceTerms] = field(default_factory=dict)
    with_income: bool = True


PERP = BinanceSeedAccount(
    id="binance-perp-001",
    um_wallet={"USDT": Decimal("507.64"), "USDC": Decimal("250"), "BNB": Decimal("0.5")},
    cm_wallet={"BTC": Decimal("0.02"), "ETH": Decimal("0.3")},
    positions=(BinanceSeedPosition("BTCUSDT", Decimal("0.05"), Decimal("98000.00")),),
    terms={"BTCUSDT": BinanceTerms(leverage=10), "BTCUSD_PERP": BinanceTerms(leverage=10)},
)

HEDGE = BinanceSeedAccount(
    id="binance-hedge-001",
    dual_side=True,
    um_wallet={"USDT": Decimal("25000")},
    cm_wallet={"BTC": Decimal("0.25"), "ETH": Decimal("1.5")},
    positions=(
        BinanceSeedPosition("BTCUSDT", Decimal("0.1"), Decimal("96500.00"), BinancePositionSide.LONG),
        BinanceSeedPosition("BTCUSDT", Decimal("-0.04"), Decimal("99100.00"), BinancePositionSide.SHORT),
        BinanceSeedPosition(
            "ETHUSDT", Decimal("2"), Decimal("3150.00"), BinancePositionSide.LONG, isolated_wallet=Decimal("650")
        ),
        BinanceSeedPosition("BTCUSDT_CURRENT", Decimal("-0.01"), Decimal("100200.00"), BinancePositionSide.SHORT),
        BinanceSeedPosition("BTCUSD_PERP", Decimal("20"), Decimal("97000.0"), BinancePositionSide.LONG),
    ),
    terms={
        "BTCUSDT": BinanceTerms(leverage=10),
        "ETHUSDT": BinanceTerms(leverage=10, margin_type=MarginType.ISOLATED),
        "BTCUSDT_CURRENT": BinanceTerms(leverage=5),
        "BTCUSD_PERP": BinanceTerms(leverage=10),
    },
)

PORTFOLIO = BinanceSeedAccount(
    id="binance-pm-001",
    portfolio_margin=True,
    um_wallet={"USDT": Decimal("2500.00"), "BTC": Decimal(0)},
    cm_wallet={"USDT": Decimal(0), "BTC": Decimal("0.1")},
    margin={
        "USDT": MarginBalance(free=Decimal("8500.00"), locked=Decimal("1500.00")),
        "BTC": MarginBalance(free=Decimal("0.45"), locked=Decimal("0.05")),
    },
    positions=(
        BinanceSeedPosition("ETHUSDT", Decimal("12.5"), Decimal("3189.96")),
        BinanceSeedPosition("BTCUSD_PERP", Decimal("100"), Decimal("93876.57850846")),
    ),
    terms={"ETHUSDT": BinanceTerms(leverage=40), "BTCUSD_PERP": BinanceTerms(leverage=20)},
)

SEEDS = (PERP, HEDGE, PORTFOLIO, replace(PERP, id="binance-tour-001"), replace(PORTFOLIO, id="binance-pm-tour-001"))
"""Those of the tour are twins: it changes nothing that somebody else uses."""
