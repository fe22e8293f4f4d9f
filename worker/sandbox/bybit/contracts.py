"""The contracts that are listed: perpetual ones, and the deliveries of the next two quarters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import Clock
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS
from worker.sandbox.server.deliveries import quarter_ends

LINEAR, INVERSE = "linear", "inverse"
MONTH_LETTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}
"""How inverse futures name the month of their delivery."""


@dataclass(frozen=True, slots=True)
class BybitContract:
    """A listed contract. Sizes are in coins if linear, in USD if inverse; `maintenance` is the margin rate."""

    symbol: str
    category: str
    type: str
    base: str
    quote: str
    settle: str
    mark_price: Decimal
    tick: Decimal
    step: Decimal
    max_leverage: Decimal = Decimal(100)
    maintenance: Decimal = Decimal("0.005")
    delivery_time: Milliseconds = 0

    @property
    def inverse(self) -> bool:
        """Whether it settles in its base coin."""
        return self.category == INVERSE

    @property
    def perpetual(self) -> bool:
        """Whether it is never delivered."""
        return not self.delivery_time

    def value(self, size: Decimal, price: Decimal) -> Decimal:
        """What a size is worth at a price, in settle currency."""
        return size / price if self.inverse else size * price

    def profit(self, size: Decimal, entry: Decimal, exit_price: Decimal) -> Decimal:
        """What a long position earns between two prices, in settle currency, before fees."""
        difference = self.value(size, exit_price) - self.value(size, entry)
        return -difference if self.inverse else difference


@dataclass(frozen=True, slots=True)
class BybitExchangeState:
    """What all accounts share: the clock and the contracts by symbol."""

    clock: Clock
    contracts: Mapping[str, BybitContract]

    def listed_in(self, category: str) -> tuple[BybitContract, ...]:
        """The contracts of a category."""
        return tuple(contract for contract in self.contracts.values() if contract.category == category)


def _linear(base: str, mark: str, tick: str, step: str, max_leverage: int = 100) -> BybitContract:
    return BybitContract(
        symbol=f"{base}USDT",
        category=LINEAR,
        type="LinearPerpetual",
        base=base,
        quote="USDT",
        settle="USDT",
        mark_price=Decimal(mark),
        tick=Decimal(tick),
        step=Decimal(step),
        max_leverage=Decimal(max_leverage),
    )


def _usdc(base: str, mark: str, tick: str) -> BybitContract:
    usdt = _linear(base, mark, tick, "0.001")
    return replace(usdt, symbol=f"{base}PERP", quote="USDC", settle="USDC")


def _inverse(base: str, mark: str, tick: str) -> BybitContract:
    return BybitContract(
        symbol=f"{base}USD",
        category=INVERSE,
        type="InversePerpetual",
        base=base,
        quote="USD",
        settle=base,
        mark_price=Decimal(mark),
        tick=Decimal(tick),
        step=Decimal(1),
    )


BTC = _linear("BTC", "98505", "0.10", "0.001")
COIN_BTC = _inverse("BTC", "98500", "0.10")

PERPETUALS = (
    BTC,
    _linear("ETH", "3200", "0.01", "0.01"),
    _linear("SOL", "185.50", "0.010", "0.1"),
    _usdc("BTC", "98490", "0.10"),
    _usdc("ETH", "3199", "0.01"),
    *(_linear(base, mark, "0.0001", "1", 50) for base, mark in FURTHER_PERPETUALS),
    COIN_BTC,
    _inverse("ETH", "3199.50", "0.01"),
)

CONTANGO = (Decimal("1.005"), Decimal("1.02"))
"""What the deliveries of this and of the next quarter are marked at, relative to the perpetual contract."""


def _delivered(perpetual: BybitContract, at: Milliseconds, premium: Decimal) -> BybitContract:
    day = datetime.fromtimestamp(at / 1000, UTC)
    name = f"{MONTH_LETTERS[day.month]}{day:%y}" if perpetual.inverse else f"-{day:%d%b%y}".upper()
    return replace(
        perpetual,
        symbol=perpetual.symbol + name,
        type="InverseFutures" if perpetual.inverse else "LinearFutures",
        mark_price=perpetual.mark_price * premium,
        max_leverage=Decimal(50),
        delivery_time=at,
    )


def listed(now: Milliseconds) -> dict[str, BybitContract]:
    """All contracts by symbol, with the deliveries that are open at this time."""
    quarters = tuple(zip(islice(quarter_ends(now), 2), CONTANGO, strict=True))
    futures = [_delivered(perpetual, at, premium) for perpetual in (BTC, COIN_BTC) for at, premium in quarters]
    return {contract.symbol: contract for contract in (*PERPETUALS, *futures)}
