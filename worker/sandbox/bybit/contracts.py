"""The contracts that Bybit tells of: perpetual ones, the deliveries of the next two quarters, and some of each other
status: not traded yet, being delivered, and closed for good (pages "Get Instruments Info" and "Enums Definitions",
contractType and status, read on 2026-11-29).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import DAY, Clock
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS
from worker.sandbox.server.deliveries import quarter_ends

LINEAR, INVERSE = "linear", "inverse"
TRADING, PRE_LAUNCH, DELIVERING, CLOSED = "Trading", "PreLaunch", "Delivering", "Closed"
STATUSES = (PRE_LAUNCH, TRADING, DELIVERING, CLOSED)
MONTH_LETTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}
"""How inverse futures name the month of their delivery."""


@dataclass(frozen=True, slots=True)
class BybitContract:
    """A contract. Sizes are in coins if linear, in USD if inverse; `maintenance` is the margin rate.

    `delivery_time` is when it is delivered or, a perpetual one, delisted; `stock` is the share that it is about.
    """

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
    status: str = TRADING
    stock: str = ""

    @property
    def inverse(self) -> bool:
        """Whether it settles in its base coin."""
        return self.category == INVERSE

    @property
    def perpetual(self) -> bool:
        """Whether its type says so; one that is to be delisted has a time for that, and stays perpetual."""
        return self.type.endswith("Perpetual")

    @property
    def traded(self) -> bool:
        """Whether it is open for trading."""
        return self.status == TRADING

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
    contracts: dict[str, BybitContract]

    def listed_in(self, category: str) -> tuple[BybitContract, ...]:
        """The contracts of a category, whatever their status."""
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
    return {contract.symbol: contract for contract in (*PERPETUALS, *futures, *_others(now))}


def _others(now: Milliseconds) -> Iterator[BybitContract]:
    """One of each kind that a list of what is traded does not show, and some that it does show but are odd."""
    today = now // DAY * DAY
    eth = next(contract for contract in PERPETUALS if contract.symbol == "ETHUSDT")
    yield replace(_delivered(eth, today, Decimal(1)), status=DELIVERING)
    yield replace(_delivered(eth, today - 30 * DAY, Decimal(1)), status=CLOSED)
    yield replace(_linear("FTT", "1.50", "0.001", "0.1", 20), status=CLOSED, delivery_time=today - 60 * DAY)
    yield replace(_linear("NEWCOIN", "0.75", "0.001", "1", 5), status=PRE_LAUNCH)
    yield replace(_linear("LEAVING", "2", "0.001", "1", 25), delivery_time=today + 14 * DAY)
    yield _linear("币安人生", "0.16", "0.0001", "1", 25)
    yield replace(_linear("TSLA", "410", "0.01", "0.01", 10), stock="TSLA")
